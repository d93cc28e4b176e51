"""paretune behind Ray Tune: Ray schedules the trials, paretune says what to try, for several metrics at once.

    python examples/ray_tune.py [DATABASE]

`ParetuneSearch` is all that is needed; copy it. To run trainings on Ray without Tune there is
`paretune trainer --executor ray`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.search import Searcher

import paretune as pt


class ParetuneSearch(Searcher):
    """Suggestions become configurations; the last result of a trial becomes an observation.

    Args:
        address: of the services.
        experiment_id: of an experiment whose lease outlasts a trial, for Ray sends no heartbeats.
    """

    def __init__(self, address: str, experiment_id: str) -> None:
        with pt.connect(address) as client:
            self._names = [metric.name for metric in client.get_experiment(experiment_id).metrics]
        super().__init__(metric=self._names, mode=["min"] * len(self._names))
        self._address, self._experiment_id = address, experiment_id
        self._open: dict[str, str] = {}  # plain values only: Ray pickles its search algorithm

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Called by Ray for each new trial."""
        with pt.connect(self._address) as client:
            suggestion = client.experiment(self._experiment_id).suggest()
        self._open[trial_id] = suggestion.id
        return dict(suggestion.assignments)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Called by Ray when a trial ended."""
        with pt.connect(self._address) as client:
            experiment = client.experiment(self._experiment_id)
            suggestion = client.get_suggestion(self._open.pop(trial_id))
            if error or result is None:
                experiment.observe(suggestion, crashed="failed in Ray Tune")
            else:
                experiment.observe(suggestion, {name: result[name] for name in self._names})

    def save(self, checkpoint_path: str) -> None:
        """Called by Ray so that a run can be resumed."""
        Path(checkpoint_path).write_text(json.dumps(self._open))

    def restore(self, checkpoint_path: str) -> None:
        """Called by Ray to resume."""
        self._open = json.loads(Path(checkpoint_path).read_text())


def train(config: dict[str, Any]) -> dict[str, float]:
    """A training that is over at once: two valleys, one for each metric."""
    x, y = config["x"], config["y"]
    return {"left": (x - 1) ** 2 + y**2, "right": (x + 1) ** 2 + y**2}


def main(database: str = "ray_tune.db") -> None:
    """Search, then print the efficient configurations."""
    with pt.local(database, trainer_slots=0) as client:
        experiment = client.create_experiment(
            name="valleys",
            parameters=[pt.Double("x", -2, 2), pt.Double("y", -2, 2)],
            metrics=[pt.Minimize("left"), pt.Minimize("right")],
            lease_policy=pt.LeasePolicy(ttl=3600),
        )
        search = ParetuneSearch(client.address, experiment.id)
        settings = tune.TuneConfig(search_alg=search, num_samples=8, max_concurrent_trials=2)
        tune.Tuner(train, tune_config=settings).fit()
        for point in experiment.pareto_front():
            print(point.assignments, point.values)


if __name__ == "__main__":
    main(*sys.argv[1:])
