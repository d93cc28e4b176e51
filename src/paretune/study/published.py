"""What was published about a use case, and why a study of it may not be comparable."""

from dataclasses import dataclass

from paretune.experiment import Experiment
from paretune.study.comparison import Study


@dataclass(frozen=True)
class Published:
    """What was published about a use case: shares 0..1, None where nothing was said.

    Attributes:
        title: what it is, for people.
        preset: the fidelity at which figures may be compared.
    """

    title: str
    trainings: tuple[int, int]
    model_based_share: float
    feasible_shares: tuple[float, float] | None
    device: str | None
    remark: str
    preset: str = "full"


PUBLISHED = {
    "diatoms": Published(
        "Sequence classification: diatom outlines (UCR Adiac), fully convolutional network",
        (480, 4800),
        0.857,
        None,
        "one NVIDIA K80",
        "With 480 trainings each, random search has one point above 0.77 accuracy and under 0.125 s; the "
        "model-based front has six there, all dominating it.",
    ),
    "rotten_tomatoes": Published(
        "Sentiment of movie reviews (Rotten Tomatoes), sentence CNN",
        (480, 1800),
        1.0,
        (0.48, 0.26),
        None,
        "The shares are those of models that train in under 250 s and reach 75 % accuracy.",
    ),
}
"""The published use cases, by the name of their workload."""

INNOCENT = frozenset({"preset", "data", "device", "threads", "framework"})
"""Settings that change nothing in what is trained."""


def differences(study: Study) -> list[str]:
    """Why the figures of a study cannot be compared to the published ones, in phrases for people.

    Empty when they can be, and when nothing was published about the use case.
    """
    workload = study.model_based.experiment.workload
    published = PUBLISHED.get(workload.name) if workload else None
    if workload is None or published is None:
        return []
    found = []
    preset = preset_of(study.model_based.experiment)
    if preset != published.preset:
        found.append(f"trainings are those of preset {preset}, not {published.preset}")
    if overridden := sorted(set(workload.settings) - INNOCENT):
        found.append(f"settings differ from the preset's ({', '.join(overridden)})")
    counts = tuple(len(search.observations) for search in study.searches)
    if counts != published.trainings:
        asked = " and ".join(f"{count:,}" for count in published.trainings)
        found.append(f"{counts[0]:,} and {counts[1]:,} trainings instead of {asked}")
    return found


def preset_of(experiment: Experiment) -> str:
    """The fidelity at which an experiment trains; empty when its workload knows none."""
    if experiment.workload is None:
        return ""
    default = "full" if experiment.workload.name in PUBLISHED else ""
    return experiment.workload.settings.get("preset", default)
