"""Parzen mixtures: they are densities, in every branch of a tree, and draws follow them."""

import numpy as np
import optimizer_cases as cases
import pytest

from paretune.parameters import Categorical, Double, Int, Normal
from paretune.space import SearchSpace
from paretune_optimizer.policies.parzen import Parzen, cells
from paretune_optimizer.space.encoding import Encoding

FINITE = (
    Categorical("kind", ["a", "b", "c"]),
    Int("depth", 1, 5, when={"kind": ["a"]}),
    Int("width", 1, 8, log=True, when={"kind": ["b", "c"]}),
    Double("g", grid=[0.1, 0.2, 0.9], prior=Normal(0.2, 0.3)),
)


def centres_of(encoding, count):
    return encoding.from_unit(np.random.default_rng(3).random((count, encoding.dimension)))


def volumes(encoding, Z):
    """The share of the sampling cube of each configuration: its density is relative to this."""
    sizes = [cells(axis)[axis.level(Z[:, i]).astype(int)] for i, axis in enumerate(encoding.axes)]
    return np.prod(np.where(encoding.active(Z), np.stack(sizes, axis=1), 1.0), axis=1)


@pytest.mark.parametrize("count", [0, 1, 2, 30])
def test_masses_over_a_finite_tree_sum_to_one_and_draws_follow(count):
    encoding = Encoding(SearchSpace(FINITE))
    mixture = Parzen(encoding, centres_of(encoding, count))
    everything = encoding.enumerate()
    mass = np.exp(mixture.log_density(everything)) * volumes(encoding, everything)
    assert mass.sum() == pytest.approx(1.0, rel=1e-9)
    drawn = mixture.draw(20_000, np.random.default_rng(1))
    share = np.array([np.mean(np.all(drawn == z, axis=1)) for z in everything])
    assert np.abs(share - mass).max() < 0.01


def test_a_mixture_over_numbers_integrates_to_one():
    encoding = Encoding(SearchSpace((Double("x", 0, 1), Double("y", 0, 1, prior=Normal(0.9, 0.2)))))
    mixture = Parzen(encoding, np.array([[0.0, 0.5], [0.1, 1.0], [0.9, 0.2]]))
    at = (np.arange(400) + 0.5) / 400
    Z = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    assert np.exp(mixture.log_density(Z)).mean() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("space", [cases.MIXED, cases.TREE, cases.CATEGORIES, cases.GRIDS])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_draws_are_valid_and_densities_finite(space, count):
    encoding = Encoding(SearchSpace(tuple(space)))
    centres = centres_of(encoding, count)
    mixture = Parzen(encoding, np.vstack([centres, centres]))  # replicates, too
    drawn = mixture.draw(200, np.random.default_rng(0))
    assert np.array_equal(encoding.snap(drawn), drawn)
    assert np.all(np.isfinite(mixture.log_density(drawn)))
