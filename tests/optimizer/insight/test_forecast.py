"""The forecast: right about what the search then finds, certain when nothing is left, the same every time."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.experiment import Minimize
from paretune.parameters import Categorical, Double
from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.history import History
from paretune_optimizer.insight.forecast import default_trials, should_stop
from paretune_optimizer.policy import suggest

REFERENCE = {"f": 1.1, "g": 1.1}
SPACE = [Double(f"x{i}", 0.0, 1.0) for i in range(4)]


def zdt1(a):
    x = np.array(list(a.values()))
    g = 1.0 + 9.0 * x[1:].mean()
    return float(x[0]), float(g * (1.0 - np.sqrt(x[0] / g)))


@pytest.fixture(scope="module")
def searches():
    """Three searches, each with forecasts of ten trials on the way: after 14 observations, and after 40."""
    found = []
    for seed in (3, 4, 5):
        history = History(cases.experiment(SPACE, seed=seed))
        told = {}
        for n in range(1, 51):
            (proposal,) = suggest(history, ordinal=n)
            values = zdt1(proposal.assignments)
            history.add_observation(cases.result(history, proposal.assignments, values, n))
            if n in (14, 40):
                told[n] = should_stop(history, 10, reference=REFERENCE)
        found.append((history, told))
    return found


@pytest.fixture
def search(searches):
    return searches[0]


def test_most_forecasts_come_true(searches):
    """Five of six 90 % intervals hold what the search then found; all gains are of the right size."""
    inside = 0
    for history, told in searches:
        for count, advice in told.items():
            now, later = (hypervolume(history.Y[:n], np.array([1.1, 1.1])) for n in (count, count + 10))
            assert advice.hypervolume == pytest.approx(now, rel=0.03)
            last = advice.forecast[-1]
            inside += last.low <= later <= last.high
            assert 1 / 3 < (last.mean - now) / (later - now) < 3
            assert advice.observation_count == count
            assert advice.reference_point == REFERENCE
    assert inside >= 5


def test_go_on_early_and_stop_late(searches):
    for _, told in searches:
        assert not told[14]
        assert told[14].expected_relative_gain > 0.05
        assert told[40].stop
        assert told[40].expected_relative_gain < 0.01
        assert "below 1.00%: stop" in told[40].reason


def test_intervals_narrow_as_the_search_learns(searches):
    for _, told in searches:
        early, late = (told[n].forecast[-1] for n in (14, 40))
        assert late.high - late.low < 0.5 * (early.high - early.low)


def test_forecasts_grow_and_stay_in_order(search):
    _, told = search
    for advice in told.values():
        assert [one.trials for one in advice.forecast] == list(range(1, 11))
        for name in ("low", "mean", "high"):
            assert np.all(np.diff([getattr(one, name) for one in advice.forecast]) >= -1e-12)
        assert all(one.low <= one.mean <= one.high for one in advice.forecast)
        assert advice.forecast[0].mean >= advice.hypervolume


def test_the_same_history_gives_the_same_forecast(search):
    history, _ = search
    again = History(history.experiment)
    for observation in history.observations:
        again.add_observation(observation)
    assert should_stop(history, 3) == should_stop(again, 3)


def test_the_threshold_is_the_users(search):
    history, _ = search
    assert should_stop(history, 3, threshold=1.0).stop
    assert not should_stop(history, 3, threshold=0.0).stop


def test_trials_in_progress_come_first(search):
    history, _ = search
    before = should_stop(history, 1, reference=REFERENCE)
    history.add_pending("s", 51, {"x0": 0.9, "x1": 1.0, "x2": 1.0, "x3": 1.0})
    try:
        bad = should_stop(history, 1, reference=REFERENCE)
    finally:
        history.remove_pending("s")
    assert bad.expected_relative_gain < 0.2 * before.expected_relative_gain


def test_an_exhausted_space_says_stop():
    experiment = cases.experiment([Categorical("c", ["a", "b", "c"])], (Minimize("f"),))
    history = cases.scattered(experiment, lambda a: ("abc".index(a["c"]),), 3)
    told = should_stop(history)
    assert told.stop
    assert told.forecast == ()
    assert "Every configuration" in told.reason


def test_too_little_to_say_means_go_on():
    told = should_stop(History(cases.experiment()))
    assert not told.stop
    assert told.forecast == ()
    assert "Too few" in told.reason


def test_failures_cost_trials():
    def evaluate(a):
        return None if a["x1"] > 0.1 else zdt1(a)

    experiment = cases.experiment(SPACE[:2])
    free = should_stop(cases.scattered(experiment, zdt1, 20), 5, reference=REFERENCE)
    failing = should_stop(cases.scattered(experiment, evaluate, 20), 5, reference=REFERENCE)
    assert free.hypervolume >= failing.hypervolume
    assert np.isfinite([one.mean for one in failing.forecast]).all()


def test_how_many_trials_by_default():
    plain, budget, over = (History(cases.experiment(observation_budget=count)) for count in (0, 12, 500))
    assert (default_trials(plain), default_trials(budget), default_trials(over)) == (10, 12, 20)
