import math

import pytest

import paretune as pt
from paretune.errors import InvalidArgument

SPACE = pt.SearchSpace((pt.Double("x", 0, 1),))
METRICS = (pt.Maximize("a"), pt.Minimize("b"))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: pt.Experiment("", SPACE, METRICS), "name"),
        (lambda: pt.Experiment("e", SPACE, ()), "metrics"),
        (lambda: pt.Experiment("e", SPACE, (pt.Maximize("a"), pt.Minimize("a"))), "metrics[1].name"),
        (
            lambda: pt.Experiment("e", SPACE, (pt.Maximize("a", strategy=pt.Strategy.STORE),)),
            "metrics",
        ),
        (lambda: pt.Experiment("e", SPACE, METRICS, observation_budget=-1), "observation_budget"),
        (lambda: pt.Experiment("e", SPACE, METRICS, parallelism=-1), "parallelism"),
        (lambda: pt.Experiment("e", SPACE, METRICS, seed=2**63), "seed"),
        (lambda: pt.Experiment("e", SPACE, METRICS, observation_budget="5"), "observation_budget"),
        (lambda: pt.Experiment("e", SPACE, ("accuracy",)), "metrics[0]"),
        (lambda: pt.Metric("accuracy", "maximize"), "goal"),
        (lambda: pt.SearchSpace(({"name": "x"},)), "parameters[0]"),
        (lambda: pt.Experiment("e", SPACE, METRICS, metadata={"k": "v" * 70000}), "metadata"),
        (lambda: pt.Experiment("e", SPACE, METRICS, labels={"": "v"}), "labels"),
        (lambda: pt.Maximize("a", strategy=pt.Strategy.CONSTRAIN), "threshold"),
        (lambda: pt.Maximize("a", threshold=math.nan), "threshold.absolute"),
        (lambda: pt.Maximize("a", unit="u" * 65), "unit"),
        (lambda: pt.RelativeThreshold("", 1.0), "threshold.relative.baseline_observation_id"),
        (lambda: pt.RelativeThreshold("o-1", 0.0), "threshold.relative.factor"),
        (lambda: pt.LeasePolicy(ttl=0.5), "ttl"),
        (lambda: pt.LeasePolicy(max_attempts=0), "max_attempts"),
        (lambda: pt.Workload(""), "name"),
    ],
)
def test_refuses_with_the_path_of_the_field(make, field):
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert [violation.field for violation in caught.value.violations] == [field]


def test_optimized_metrics_leave_out_the_others():
    constraint = pt.Minimize("size", strategy=pt.Strategy.CONSTRAIN, threshold=3)
    stored = pt.Maximize("speed", strategy=pt.Strategy.STORE)
    experiment = pt.Experiment("e", SPACE, (METRICS[0], constraint, METRICS[1], stored))
    assert experiment.optimized_metrics == METRICS
    assert constraint.threshold == 3.0
