"""Draw the pictures of docs/concepts.md: `python tools/concept_pictures.py`."""

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

OUT = Path(__file__).resolve().parent.parent / "docs" / "images"
INK, MUTED, FRONT, BAD, BOX = "#1f2933", "#9aa5b1", "#1b6ca8", "#c0392b", "#e8f1f8"


def empty(width: float, height: float, wide: float, high: float) -> Axes:
    """Axes without a frame, in units of boxes."""
    _, axes = plt.subplots(figsize=(width, height))
    axes.set(xlim=(0, wide), ylim=(0, high))
    axes.axis("off")
    return axes


def box(axes: Axes, x: float, y: float, text: str, color: str = BOX, width: float = 1.7) -> None:
    """A box with its middle at (x, y)."""
    shape = FancyBboxPatch(
        (x - width / 2, y - 0.3), width, 0.6, boxstyle="round,pad=0.02,rounding_size=0.12", fc=color, ec=FRONT
    )
    axes.add_patch(shape)
    axes.text(x, y, text, ha="center", va="center", color=INK, fontsize=11)


def arrow(axes: Axes, begin: tuple[float, float], end: tuple[float, float], text: str, bend: float = 0.0,
          shift: tuple[float, float] = (0.0, 0.16)) -> None:  # fmt: skip
    """An arrow with words at its middle, moved by `shift`."""
    style = {"arrowstyle": "-|>", "color": INK, "connectionstyle": f"arc3,rad={bend}", "lw": 1.2}
    axes.annotate("", end, begin, arrowprops=style)
    middle = ((begin[0] + end[0]) / 2 + shift[0], (begin[1] + end[1]) / 2 + shift[1])
    axes.text(*middle, text, ha="center", va="center", fontsize=9.5, color=INK)


def life() -> None:
    """The life of a suggestion."""
    axes = empty(9, 3.0, 9, 3.0)
    box(axes, 1.2, 1.8, "QUEUED")
    box(axes, 4.4, 1.8, "LEASED")
    box(axes, 7.7, 1.8, "OBSERVED", "#dff0e3")
    box(axes, 4.4, 0.4, "LOST", "#f8e4e1")
    box(axes, 7.7, 0.4, "CANCELLED", "#f0f0f0")
    arrow(axes, (2.1, 1.95), (3.5, 1.95), "a worker takes it")
    arrow(axes, (3.5, 1.62), (2.1, 1.62), "the lease expires", shift=(0, -0.17))
    arrow(axes, (5.3, 1.8), (6.8, 1.8), "a report")
    arrow(axes, (4.4, 1.45), (4.4, 0.75), "too many attempts", shift=(-0.85, 0))
    arrow(axes, (5.2, 1.45), (6.8, 0.6), "withdrawn", shift=(0.45, 0.08))
    arrow(axes, (4.1, 2.15), (4.7, 2.15), "heartbeats", bend=-1.4, shift=(0, 0.55))
    save("concept-life")


def front() -> None:
    """A front with what it dominates, a threshold, and its hypervolume."""
    draw = np.random.default_rng(3)
    _, axes = plt.subplots(figsize=(6.4, 4.2))
    ms = draw.uniform(1.5, 9.5, 60)
    accuracy = 0.95 - 0.55 / ms - draw.gamma(1.6, 0.05, 60)
    fits = ms <= 8
    order = np.argsort(ms)
    best, chosen = -np.inf, []
    for index in order:
        if fits[index] and accuracy[index] > best:
            best = accuracy[index]
            chosen.append(index)
    xs, ys = ms[chosen], accuracy[chosen]
    reference = (8.0, 0.42)
    steps_x, steps_y = [*np.repeat(xs, 2)[1:], reference[0]], list(np.repeat(ys, 2))
    axes.fill_between(steps_x, steps_y, reference[1], color=FRONT, alpha=0.12, lw=0)
    axes.scatter(ms[fits], accuracy[fits], s=22, color=MUTED, label="dominated")
    axes.scatter(ms[~fits], accuracy[~fits], s=26, marker="x", color=BAD, label="beyond the threshold")
    axes.plot(steps_x[:-1], steps_y[:-1], color=FRONT, lw=1.4)
    axes.scatter(xs, ys, s=42, color=FRONT, zorder=3, label="on the front")
    axes.axvline(8, color=BAD, lw=1, ls="--")
    axes.scatter(*reference, marker="s", s=36, color=INK, zorder=3)
    axes.text(reference[0] - 0.2, reference[1] + 0.02, "reference point", ha="right", fontsize=9.5)
    axes.text(5.3, 0.56, "hypervolume", color=FRONT, fontsize=11)
    axes.set(xlabel="inference time (ms), less is better", ylabel="accuracy, more is better")
    axes.set_ylim(0.4, 0.95)
    axes.legend(loc="lower left", fontsize=9, frameon=False, bbox_to_anchor=(0.0, 1.0), ncols=3)
    axes.spines[["top", "right"]].set_visible(False)
    save("concept-front")


def services() -> None:
    """Who talks to whom."""
    axes = empty(9, 3.2, 9, 3.2)
    box(axes, 1.2, 2.4, "your program")
    box(axes, 1.2, 0.7, "Trainer")
    box(axes, 4.5, 1.55, "Optimizer")
    box(axes, 7.7, 1.55, "Store")
    axes.text(4.5, 0.95, "warm models, no truth", ha="center", fontsize=9.5, color=INK)
    axes.text(7.7, 0.95, "one SQLite file, the truth", ha="center", fontsize=9.5, color=INK)
    arrow(axes, (2.1, 2.3), (3.6, 1.75), "Suggest, Observe, ask", shift=(0.5, 0.25))
    arrow(axes, (2.1, 0.8), (3.6, 1.35), "lease, heartbeat, report", shift=(0.75, -0.38))
    arrow(axes, (5.4, 1.68), (6.8, 1.68), "leases, reports")
    arrow(axes, (6.8, 1.42), (5.4, 1.42), "events", shift=(0, -0.17))
    save("concept-services")


def save(name: str) -> None:
    """Write the picture."""
    plt.savefig(OUT / f"{name}.png", dpi=130, bbox_inches="tight")
    plt.close()


if __name__ == "__main__":
    life()
    front()
    services()
