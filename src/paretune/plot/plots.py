"""Pictures of an experiment: what ``experiment.plot`` is.

A figure displays itself in a notebook; elsewhere call ``figure.savefig("front.png")`` or pass ``save=``.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.errors import InvalidArgument
from paretune.parameters import Scalar, unknown_name
from paretune.plot import fronts, insight
from paretune.plot.fronts import Series
from paretune.plot.style import saved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paretune.client.handle import ExperimentHandle

MOST_SLICES = 6


class Plots:
    """The pictures of one experiment; what ``experiment.plot`` is.

    `compare` overlays other experiments with the same metrics: a handle, or handles by label.
    """

    def __init__(self, handle: "ExperimentHandle") -> None:
        self._handle = handle

    def pareto(
        self,
        compare: "ExperimentHandle | Mapping[str, ExperimentHandle] | None" = None,
        *,
        save: str | Path | None = None,
    ) -> "Figure":
        """All observations in the space of the metrics, with the front marked.

        One optimized metric gives its course; three or more give a panel for each pair.

        Raises:
            InvalidArgument: a compared experiment lacks one of the metrics.
        """
        return saved(fronts.pareto(self._handle.refresh(), self._series(compare)), save)

    def history(
        self,
        compare: "ExperimentHandle | Mapping[str, ExperimentHandle] | None" = None,
        *,
        save: str | Path | None = None,
    ) -> "Figure":
        """Hypervolume against the number of observations, all from one reference point.

        Raises:
            InvalidArgument: a compared experiment lacks one of the metrics.
        """
        everyone = self._everyone(compare)
        point = self._handle.pareto_front().reference_point or None
        curves = {
            label: handle.hypervolume_history(reference_point=point) for label, handle in everyone.items()
        }
        return saved(fronts.history(self._handle.experiment, curves), save)

    hypervolume = history

    def attainment(self, *, save: str | Path | None = None, **options: Any) -> "Figure":
        """Regions that the front attains with given probability, with the front as measured.

        Args:
            save: file to write as well.
            options: as for ``experiment.attainment``.

        Raises:
            InvalidArgument: there are other than two optimized metrics.
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        found, front = self._handle.attainment(**options), self._handle.pareto_front()
        return saved(insight.attainment(self._handle.refresh(), found, front), save)

    def importance(self, *, save: str | Path | None = None) -> "Figure":
        """How much each parameter matters: for every metric, and for reaching the front.

        Raises:
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        return saved(insight.importance(self._handle.refresh(), self._handle.importance()), save)

    def slices(
        self,
        at: Mapping[str, Scalar] | None = None,
        parameters: Sequence[str] = (),
        *,
        save: str | Path | None = None,
    ) -> "Figure":
        """What the model expects of every metric when one parameter changes, with 95 % intervals.

        Args:
            at: configuration from which one parameter at a time is changed; None: the recommended one.
            parameters: which to change; empty: the six that matter most for reaching the front.
            save: file to write as well.

        Raises:
            InvalidArgument: an unknown parameter, or a configuration that is not in the search space.
            FailedPrecondition: TOO_FEW_OBSERVATIONS.
        """
        experiment, space = self._handle.experiment, self._handle.experiment.space
        centre = space.validate(self._handle.recommend().assignments if at is None else at, "at")
        names = list(parameters) or [one.parameter for one in self._handle.importance().front.parameters]
        for name in names:
            if name not in {parameter.name for parameter in space}:
                known = [parameter.name for parameter in space]
                raise InvalidArgument.of("parameters", unknown_name("parameter", name, known))
        names = [name for name in names if name in centre][: None if parameters else MOST_SLICES]
        changed = insight.slices(experiment, centre, names)
        told = iter(self._handle.client.predict(self._handle.id, [centre, *chain(*changed.values())]))
        here = next(told)
        series = {name: [(one[name], next(told)) for one in ones] for name, ones in changed.items()}
        return saved(insight.draw_slices(experiment, centre, here, series), save)

    def _everyone(self, compare: Any) -> "dict[str, ExperimentHandle]":
        others = compare if isinstance(compare, Mapping) else {compare.name: compare} if compare else {}
        names = {metric.name for metric in self._handle.experiment.optimized_metrics}
        for label, handle in others.items():
            if not names <= {metric.name for metric in handle.experiment.metrics}:
                raise InvalidArgument.of("compare", f"{label!r} lacks some of the metrics {sorted(names)}")
        own = self._handle.name
        if own in others:
            own = f"{own} ({self._handle.id})"
        return {own: self._handle, **others}

    def _series(self, compare: Any) -> list[Series]:
        point = None
        found = []
        for label, handle in self._everyone(compare).items():
            front = handle.pareto_front(reference_point=point)
            point = point or front.reference_point or None
            found.append(Series(label, handle.observations(), front))
        return found
