"""All figures of a study as one document, and every training as a row."""

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from paretune import frame
from paretune.study.comparison import Study
from paretune.study.published import differences, preset_of

FACTS_SHOWN = ("device", "python", "torch", "tensorflow", "keras", "scikit-learn", "numpy")


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
        tracked = _git(folder, "ls-files", "--", "__init__.py").strip()
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


def write_csv(study: Study, figures: Mapping[str, Any], path: Path) -> None:
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
