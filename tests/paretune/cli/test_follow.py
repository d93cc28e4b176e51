"""Following experiments until they are done."""

import paretune as pt
from paretune.cli.follow import follow
from paretune.errors import InvalidArgument, Unavailable
from paretune.observation import Event, MetricValue, Observation

EXPERIMENT = pt.Experiment(
    "digits", pt.SearchSpace((pt.Double("x", 0, 1),)), (pt.Maximize("score"),), id="e", observation_budget=3
)


class RestoredMeanwhile:
    """A client whose Store is restored while it is watched: two of three results are lost, others come."""

    def __init__(self):
        self._lives = iter([(0.9, 0.8), (0.1, 0.2, 0.3)])

    def watch(self, experiment_id):
        for number, score in enumerate(next(self._lives), 1):
            values = (MetricValue("score", score),)
            yield Event(number, Observation({"x": score}, values, ordinal=number))
        if number == 2:
            raise InvalidArgument("from before this Store was restored", reason="INVALID_TOKEN")
        raise ValueError("the client was closed")

    def get_experiment(self, experiment_id):
        return EXPERIMENT

    def run(self, call, patience):
        raise Unavailable("no front")


def test_after_a_restore_everything_is_told_anew():
    (course,) = follow(RestoredMeanwhile(), [EXPERIMENT])
    assert (course.observed, course.best) == (3, {"score": 0.3})
