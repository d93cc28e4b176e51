"""The decomposition: disjoint, complete, and with the volume that hypervolume implies."""

import numpy as np
import pytest

from paretune_optimizer.fronts.hypervolume import hypervolume
from paretune_optimizer.search.boxes import improvement_boxes


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 2, 15, 60])
def test_every_improving_point_is_in_exactly_one_box(m, count):
    rng = np.random.default_rng(m * 100 + count)
    Y = rng.random((count, m)) * 1.3
    reference = np.full(m, 1.1)
    boxes = improvement_boxes(Y, reference)
    points = rng.random((3000, m)) * 1.3 - 0.1
    inside = np.all((boxes.low < points[:, None]) & (points[:, None] <= boxes.high), axis=2).sum(axis=1)
    improves = np.all(points < reference, axis=1)
    if count:
        improves &= ~np.any(np.all(Y[None] <= points[:, None], axis=2), axis=1)
    assert np.array_equal(inside, improves.astype(int))


@pytest.mark.parametrize("m", [2, 3])
def test_volume_within_the_cube(m):
    rng = np.random.default_rng(m)
    Y = rng.random((40, m))
    boxes = improvement_boxes(Y, np.ones(m))
    volume = np.prod(boxes.high - np.maximum(boxes.low, 0.0), axis=1).sum()
    assert np.isclose(volume, 1.0 - hypervolume(Y, np.ones(m)))


def test_number_of_boxes_in_three_dimensions_is_linear():
    direction = np.abs(np.random.default_rng(0).standard_normal((200, 3)))
    Y = 1.0 - direction / np.linalg.norm(direction, axis=1, keepdims=True)
    assert improvement_boxes(Y, np.full(3, 1.1)).high.shape[0] <= 2 * 200 + 1


def test_equal_points_give_no_empty_box():
    Y = np.array([[0.2, 0.8, 0.5], [0.2, 0.8, 0.5], [0.8, 0.2, 0.5], [0.2, 0.2, 0.9]])
    for m in (2, 3):
        boxes = improvement_boxes(Y[:, :m], np.ones(m))
        assert np.all(boxes.high > boxes.low)


def test_four_metrics_are_refused():
    with pytest.raises(ValueError, match="at most 3"):
        improvement_boxes(np.zeros((1, 4)), np.ones(4))
