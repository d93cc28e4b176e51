"""Long histories: a bounded set of rows that keeps the front and is not fooled by luck."""

import numpy as np
import optimizer_cases as cases

from paretune_optimizer.history import History
from paretune_optimizer.model.active import ACTIVE_ROWS, active_rows, best_ranked
from paretune_optimizer.model.surrogate import surrogate_of

COUNT = ACTIVE_ROWS + 700


def long_history(noise, failing=0.0):
    rng = np.random.default_rng(0)
    history = History(cases.experiment())
    for n in range(1, COUNT + 1):
        x = rng.random(3)
        values = (x[0] + (x[1] - 0.3) ** 2 + noise[n - 1], 1.0 - x[0] + (x[2] - 0.6) ** 2)
        at = {f"x{i}": float(x[i]) for i in range(3)}
        history.add_observation(cases.result(history, at, None if x[2] < failing else values, n))
    return history


def test_every_model_is_bounded_and_keeps_the_front():
    history = long_history(np.zeros(COUNT), failing=0.1)
    surrogate = surrogate_of(history)
    models = [surrogate.metrics[0].gp, surrogate.metrics[1].gp, surrogate.feasibility]
    assert [gp.rows.y.size for gp in models] == [ACTIVE_ROWS] * 3
    front = history.encoding.features(history.Z[best_ranked(history, history.ok, 20)])
    kept = {row.tobytes() for row in models[0].rows.X}
    assert all(row.tobytes() in kept for row in front)


def test_few_rows_are_all_kept():
    history = long_history(np.zeros(COUNT))
    assert active_rows(history, np.arange(50), np.ones(3), 0).tolist() == list(range(50))


def test_rows_are_not_chosen_for_their_luck():
    noise = 0.5 * np.random.default_rng(1).standard_normal(COUNT)
    history = long_history(noise)
    chosen = active_rows(history, np.arange(COUNT), np.ones(3), 0)
    lucky = best_ranked(history, np.arange(COUNT), ACTIVE_ROWS)
    error = 0.5 / np.sqrt(ACTIVE_ROWS)
    assert abs(noise[chosen].mean()) < 3.0 * error
    assert noise[lucky].mean() < -3.0 * error
