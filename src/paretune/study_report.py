"""The report of a study: figures as a document, results as CSV, pictures, and one page with everything."""

import base64
import json
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

from paretune import frame, study_plots
from paretune.plot import saved
from paretune.study import MODEL_BASED, PUBLISHED, RANDOM, Study, differences, preset_of

TEMPLATE = Path(__file__).with_name("study_report.html")
FACTS_SHOWN = ("device", "python", "torch", "tensorflow", "keras", "scikit-learn", "numpy")
MANY = 6
"""Of a fact that differs from training to training, so many values are told."""

UNKNOWN = "—"


@dataclass(frozen=True)
class Making:
    """How a study was made, as far as its observations do not tell.

    Attributes:
        command: what was typed.
        commit: of the source; empty: not known.
        machine: where the report was made.
    """

    command: str
    commit: str
    machine: str

    @classmethod
    def here(cls, command: str) -> "Making":
        """That of this process."""
        return cls(command, commit_of(Path(__file__).parent), f"{platform.system()} {platform.machine()}")


def commit_of(folder: Path) -> str:
    """The commit of the source tree that a folder belongs to, with "+" after it when files were changed."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD").strip()
        # A package installed into somebody else's repository does not have that repository's commit.
        tracked = _git(folder, "ls-files", "--", "study_report.py").strip()
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no").strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{commit}{'+' if changed else ''}" if tracked else ""


def _git(folder: Path, *words: str) -> str:
    command = ("git", "-C", str(folder), *words)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout  # noqa: S603


def facts(study: Study) -> dict[str, list[str]]:
    """What trainers noted about device and versions: every value that occurred, the most frequent first."""
    found: dict[str, list[str]] = {}
    for key in FACTS_SHOWN:
        counts: dict[str, int] = {}
        for search in study.searches:
            for observation in search.observations:
                if value := observation.metadata.get(key):
                    counts[value] = counts.get(value, 0) + 1
        if counts:
            found[key] = sorted(counts, key=lambda value: (-counts[value], value))
    return found


def document(study: Study, making: Making) -> dict[str, Any]:
    """All figures of a study as plain JSON; shares 0..1, None for what cannot be said."""
    experiment = study.model_based.experiment
    merged, span = study.merged, study.span
    expectation = study.attainment.expectation if study.attainment else None
    workload = experiment.workload
    return {
        "name": study.name,
        "workload": workload.name if workload else None,
        "settings": {k: v for k, v in workload.settings.items() if k != "data"} if workload else {},
        "preset": preset_of(experiment) or None,
        "seed": experiment.seed,
        "not_comparable_because": differences(study),
        "searches": {search.label: _search_document(search) for search in study.searches},
        "merged_frontier": {
            "points": len(merged),
            "model_based_share": merged.model_based_share,
            "random_share": merged.random_share,
            "tied_share": merged.tied_share,
        },
        "hypervolume": {
            "reference_point": dict(study.reference_point),
            "ratio": study.volume_ratio,
            "random_mean_at_equal_budget": expectation.hypervolume if expectation else None,
            "ratio_at_equal_budget": study.equal_budget_ratio,
            "random_reaches_model_based_after": study.random_catches_up,
            "model_based_reaches_random_after": study.model_based_overtakes,
        },
        "attainment_samples": study.attainment.samples if study.attainment else None,
        "made": {
            "command": making.command,
            "commit": making.commit or None,
            "paretune": version("paretune"),
            "machine": making.machine,
            "training_seconds": sum(search.training_seconds for search in study.searches),
            "begun": span[0].isoformat() if span else None,
            "ended": span[1].isoformat() if span else None,
            **facts(study),
        },
    }


def _search_document(search: Any) -> dict[str, Any]:
    return {
        "experiment": search.experiment.id,
        "policy": search.experiment.policy.name.lower(),
        "trainings": len(search.observations),
        "feasible": search.feasible,
        "feasible_share": search.feasible_share,
        "crashed": search.crashed,
        "front": len(search.front),
        "hypervolume": search.front.hypervolume,
    }


def write(study: Study, making: Making, folder: Path) -> dict[str, Path]:
    """Write everything into a folder, which is made; gives the files by what they are.

    Raises:
        OSError: they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = document(study, making)
    files = {"csv": folder / "results.csv", "json": folder / "study.json"}
    _write_csv(study, figures, files["csv"])
    files["json"].write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    drawn = {
        "scatter": study_plots.scatter(study),
        "attainment": study_plots.attainment(study),
        "hypervolume": study_plots.volumes(study),
    }
    for name, figure in drawn.items():
        if figure is not None:
            files[name] = folder / f"{name}.png"
            saved(figure, files[name])
    moving = study_plots.animation(study)
    if moving is not None:
        files["animation"] = folder / "search.gif"
        files["animation"].write_bytes(moving)
    files["report"] = folder / "report.html"
    files["report"].write_text(page(study, figures, files), encoding="utf-8")
    return files


def _write_csv(study: Study, figures: Mapping[str, Any], path: Path) -> None:
    """All trainings of both searches; each row says, too, how it was made."""
    noted = list(facts(study))
    how = {key: figures[key] for key in ("preset", "seed")} | {"commit": figures["made"]["commit"]}
    rows = [
        {
            "search": search.label,
            **row,
            **how,
            **{f"made.{key}": observation.metadata.get(key) for key in noted},
        }
        for search in study.searches
        for observation, row in zip(
            search.observations,
            frame.rows(search.experiment, search.observations, search.front),
            strict=True,
        )
    ]
    own = frame.header(study.model_based.experiment)
    added = [name for name in ("preset", "seed", "commit") if name not in own]
    frame.write_csv(path, ["search", *own, *added, *(f"made.{key}" for key in noted)], rows)


# The page


def page(study: Study, figures: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """The report as one HTML page that needs no other file."""
    title = f"Study of {figures['name']}"
    substitutes = {
        "title": escape(title),
        "lead": escape(_lead(study)),
        "warning": _warning(figures),
        "figures": _table(("", MODEL_BASED, RANDOM), _figure_rows(study), "figures"),
        "comparison": _table(("", "here"), _comparison_rows(study), "figures"),
        "published": _published(study),
        "scatter": _picture(files, "scatter", "Every training of both searches in metric space."),
        "attainment": _picture(files, "attainment", "Confidence regions of the front of random search.")
        or "<p>There are no regions: they need two metrics and feasible trainings of random search.</p>",
        "attainment_text": escape(_attainment_text(study)),
        "hypervolume": _picture(files, "hypervolume", "Hypervolume over trainings."),
        "animation": _picture(files, "animation", "Both searches over time.", still="scatter"),
        "making": _table(("", ""), _making_rows(figures), "made"),
    }
    text = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(substitutes)
    return text.replace(" %", "&nbsp;%")


def _lead(study: Study) -> str:
    merged = study.merged
    ours, theirs = (len(search.observations) for search in study.searches)
    if not len(merged):
        return f"Neither search found anything feasible, in {ours:,} and {theirs:,} trainings."
    tied = f"; {len(merged.both)} were found by both" if merged.both else ""
    return (
        f"Model-based search with {ours:,} trainings found {len(merged.model_based)} of the {len(merged)} "
        f"points of the frontier of both together ({percent(merged.model_based_share)}), random search with "
        f"{theirs:,} trainings {len(merged.random)} ({percent(merged.random_share)}){tied}."
    )


def _warning(figures: Mapping[str, Any]) -> str:
    reasons = figures["not_comparable_because"]
    if not reasons:
        return ""
    text = f"The figures here are not comparable to the published ones: {'; '.join(reasons)}."
    return f'<p class="warning">{escape(text)}</p>'


def _figure_rows(study: Study) -> list[tuple[str, ...]]:
    both, merged = study.searches, study.merged
    rows = [
        ("trainings", *(f"{len(s.observations):,}" for s in both)),
        ("points of the merged frontier", str(len(merged.model_based)), str(len(merged.random))),
        ("share of the merged frontier", percent(merged.model_based_share), percent(merged.random_share)),
        ("efficient in its own search", *(str(len(s.front)) for s in both)),
        ("feasible", *(f"{percent(s.feasible_share)} ({s.feasible:,})" for s in both)),
        ("crashed", *(str(s.crashed) for s in both)),
        ("hypervolume", *(number(s.front.hypervolume) for s in both)),
        ("time of training, summed", *(duration(s.training_seconds) for s in both)),
    ]
    if merged.both:
        tied = f"{len(merged.both)} ({percent(merged.tied_share)})"
        rows.insert(3, ("found by both, counted for neither", tied, tied))
    return rows


def _comparison_rows(study: Study) -> list[tuple[str, ...]]:
    random, ours = len(study.random.observations), len(study.model_based.observations)
    point = ", ".join(f"{name} {number(value)}" for name, value in study.reference_point.items())
    catches, overtakes = study.random_catches_up, study.model_based_overtakes
    return [
        ("hypervolume, model-based over random", number(study.volume_ratio)),
        (f"the same, over the mean of random with {ours:,} trainings", number(study.equal_budget_ratio)),
        ("reference point of all hypervolumes", point or UNKNOWN),
        (
            "random search reaches the model-based hypervolume",
            f"after {catches:,} trainings" if catches else f"not within {random:,} trainings",
        ),
        (
            "model-based search reaches the hypervolume of random search",
            f"after {overtakes:,} trainings" if overtakes else f"not within {ours:,} trainings",
        ),
    ]


def _published(study: Study) -> str:
    workload = study.model_based.experiment.workload
    published = PUBLISHED.get(workload.name) if workload else None
    if published is None:
        return ""
    merged, ours, theirs = study.merged, study.model_based, study.random
    asked, device = published.trainings, facts(study).get("device", [])
    here = len(ours.observations), len(theirs.observations)
    saving = [f"{percent(1 - few / many)} fewer" if few < many else UNKNOWN for few, many in (asked, here)]
    shares = published.feasible_shares
    rows = [
        ("trainings, model-based", f"{asked[0]:,}", f"{here[0]:,}"),
        ("trainings, random", f"{asked[1]:,}", f"{here[1]:,}"),
        ("trainings, model-based against random", *saving),
        (
            "share of the merged frontier, model-based",
            percent(published.model_based_share),
            percent(merged.model_based_share),
        ),
        (
            "feasible, model-based",
            percent(shares[0]) if shares else "no failure region",
            percent(ours.feasible_share),
        ),
        (
            "feasible, random",
            percent(shares[1]) if shares else "no failure region",
            percent(theirs.feasible_share),
        ),
        ("preset", published.preset, preset_of(ours.experiment)),
        ("device", published.device or UNKNOWN, ", ".join(device[:MANY]) or UNKNOWN),
    ]
    return (
        f"<section><h2>Beside what was published</h2><p>{escape(published.title)}. "
        f"{escape(published.remark)}</p>{_table(('', 'published', 'here'), rows, 'figures')}</section>"
    )


def _attainment_text(study: Study) -> str:
    if study.attainment is None:
        return ""
    return (
        f"{study.attainment.samples} times, {study.attainment_size:,} of the "
        f"{len(study.random.observations):,} trainings of random search were drawn, as many as the "
        "model-based search had. The darker a place, the more of these draws attain it; the lines are the "
        "borders of what 5 %, 50 % and 95 % of them attain. "
        "Where the model-based front lies beyond the dotted line, random search with as many trainings "
        "gets there in fewer than 5 of 100 cases."
    )


def _making_rows(figures: Mapping[str, Any]) -> list[tuple[str, ...]]:
    made = figures["made"]
    searches = figures["searches"]
    settings = ", ".join(f"{key} = {value}" for key, value in sorted(figures["settings"].items()))
    rows: list[tuple[str, ...]] = [
        ("command", made["command"]),
        ("workload", figures["workload"] or UNKNOWN),
        ("preset", figures["preset"] or "the workload has none"),
        ("settings", settings or UNKNOWN),
        ("seed", str(figures["seed"])),
        ("trainings", ", ".join(f"{one['trainings']:,} {label}" for label, one in searches.items())),
        ("policies", ", ".join(f"{label}: {one['policy']}" for label, one in searches.items())),
        ("experiments", ", ".join(one["experiment"] for one in searches.values())),
        ("time of training, summed", duration(made["training_seconds"])),
        ("from first start to last result", _span_text(made)),
        ("paretune", made["paretune"]),
        ("commit", made["commit"] or "not known"),
    ]
    rows += [(key, _some(made[key])) for key in FACTS_SHOWN if key in made]
    rows.append(("report made on", f"{made['machine']}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"))
    return rows


def _span_text(made: Mapping[str, Any]) -> str:
    if not made["begun"]:
        return UNKNOWN
    begun, ended = (datetime.fromisoformat(made[key]) for key in ("begun", "ended"))
    return f"{duration((ended - begun).total_seconds())} (with pauses), since {begun:%Y-%m-%d %H:%M} UTC"


def _some(values: Sequence[str]) -> str:
    more = f" and {len(values) - MANY} more" if len(values) > MANY else ""
    return ", ".join(values[:MANY]) + more


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    cells = "".join(f'<th scope="col">{escape(word)}</th>' for word in head)
    top = f"<thead><tr>{cells}</tr></thead>" if any(head) else ""
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(one)}</td>" for one in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="wide"><table class="{kind}">{top}<tbody>{body}</tbody></table></div>'


def _picture(files: Mapping[str, Path], name: str, text: str, still: str = "") -> str:
    """A picture with its data in it; people who want no motion see `still` instead."""
    if name not in files:
        return ""
    instead = (
        f'<source media="(prefers-reduced-motion: reduce)" srcset="{_data(files[still])}">' if still else ""
    )
    return (
        f'<figure><picture>{instead}<img alt="{escape(text)}" src="{_data(files[name])}"></picture></figure>'
    )


def _data(path: Path) -> str:
    kind = "image/gif" if path.suffix == ".gif" else "image/png"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def percent(share: float) -> str:
    """A share as people write it: 85.7 %."""
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def number(value: float | None) -> str:
    """Four significant digits."""
    return UNKNOWN if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Seconds as people write them: 8.2 s, 12 min, 3.4 h; 0 is unknown."""
    if not seconds:
        return UNKNOWN
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
