import math

import pytest

import paretune as pt
from paretune.errors import InvalidArgument
from paretune.observation import check_values

METRICS = (pt.Maximize("accuracy"), pt.Minimize("cost"))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "1", None, True])
def test_only_finite_numbers_are_measurements(value):
    with pytest.raises(InvalidArgument):
        pt.MetricValue("accuracy", value)


@pytest.mark.parametrize("stddev", [-0.1, math.nan, math.inf])
def test_a_standard_error_is_finite_and_not_negative(stddev):
    with pytest.raises(InvalidArgument, match="stddev"):
        pt.MetricValue("accuracy", 1.0, stddev)


@pytest.mark.parametrize("kind", [pt.OutcomeKind.INFEASIBLE, pt.OutcomeKind.CRASHED])
def test_a_failure_says_why(kind):
    with pytest.raises(InvalidArgument, match="reason"):
        pt.Outcome(kind)
    with pytest.raises(InvalidArgument, match="reason"):
        pt.Outcome(kind, "x" * 70_000)


def test_check_values_names_every_offender():
    values = (pt.MetricValue("acuracy", 1.0), pt.MetricValue("cost", 1.0), pt.MetricValue("cost", 2.0))
    with pytest.raises(InvalidArgument) as caught:
        check_values(METRICS, values, complete=True)
    assert [violation.field for violation in caught.value.violations] == [
        "values[0].metric",
        "values[2].metric",
        "values",
    ]
    assert "did you mean 'accuracy'" in str(caught.value)
    check_values(METRICS, values[1:2], complete=False)


def test_a_front_is_a_sequence_of_points():
    observation = pt.Observation({"x": 1.0}, (pt.MetricValue("accuracy", 0.5), pt.MetricValue("cost", 2.0)))
    front = pt.ParetoFront((pt.ParetoPoint(observation),), 1.0, {})
    (point,) = front
    assert (len(front), front[0]) == (1, point)
    assert point.assignments == {"x": 1.0}
    assert point.values == {"accuracy": 0.5, "cost": 2.0}
    assert observation.value("cost") == 2.0
    assert observation.value("typo") is None


def test_which_states_are_final():
    final = [state.name for state in pt.SuggestionState if state.final]
    assert final == ["OBSERVED", "CANCELLED", "LOST"]
