"""The report of a study that people read: one page with everything, which needs no other file."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from paretune.study.comparison import MODEL_BASED, RANDOM, Study
from paretune.study.figures import FACTS_SHOWN, facts
from paretune.study.published import PUBLISHED, preset_of

TEMPLATE = Path(__file__).with_name("page.html")
MANY = 6
"""Of a fact that differs from training to training, so many values are told."""

UNKNOWN = "—"


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
