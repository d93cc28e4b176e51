"""Streams are addressed, Sobol points fill the cube."""

import numpy as np

from paretune_optimizer.sampling import Stream, generator, sobol_points


def test_same_address_same_numbers_whatever_came_between():
    first = generator(7, 3, Stream.SEARCH).random(5)
    generator(7, 2, Stream.SEARCH).random(1000)
    assert np.array_equal(first, generator(7, 3, Stream.SEARCH).random(5))


def test_addresses_differ_in_every_part():
    base = generator(7, 3, Stream.SEARCH).random()
    others = [generator(8, 3, Stream.SEARCH), generator(7, 4, Stream.SEARCH), generator(7, 3, Stream.WORLDS)]
    assert base not in [other.random() for other in others]


def test_negative_and_huge_seeds():
    values = {generator(seed, 0, Stream.FIT).random() for seed in (-(2**63), -1, 0, 2**63 - 1)}
    assert len(values) == 4


def test_sobol_is_balanced_and_skips():
    points = sobol_points(5, 64, generator(1, 0, Stream.DESIGN))
    # One point per 64th of each axis: the property that plain random points lack.
    for column in points.T:
        assert len(set(np.floor(column * 64).astype(int))) == 64
    late = sobol_points(5, 8, generator(1, 0, Stream.DESIGN), skip=13)
    assert np.array_equal(late, points[13:21])


def test_counts_that_are_no_power_of_two_and_huge_dimensions():
    assert sobol_points(3, 0, generator(0, 0, Stream.SEARCH)).shape == (0, 3)
    assert sobol_points(3, 13, generator(0, 0, Stream.SEARCH)).shape == (13, 3)
    assert sobol_points(30_000, 2, generator(0, 0, Stream.SEARCH), skip=1).shape == (2, 30_000)
