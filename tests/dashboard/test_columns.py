"""Trials as columns: thinned out without losing what matters, sorted and filtered."""

import random

import numpy as np
import pytest

from paretune.v1 import types_pb2 as pb
from paretune_dashboard.columns import Columns

EXPERIMENT = pb.Experiment(
    parameters=[
        pb.Parameter(name="x", double_domain=pb.DoubleDomain(min=0, max=1)),
        pb.Parameter(name="kind", categorical_domain=pb.CategoricalDomain(choices=["plain", "deep"])),
    ],
    metrics=[
        pb.Metric(name="gain", goal=pb.GOAL_MAXIMIZE),
        pb.Metric(name="cost", goal=pb.GOAL_MINIMIZE),
    ],
)


def observation(ordinal: int, gain: float | None, cost: float = 0.0, reason: str = "") -> pb.Observation:
    made = pb.Observation(id=f"o{ordinal}", ordinal=ordinal, worker="w")
    made.assignments["x"].double_value = ordinal / 10_000
    made.assignments["kind"].string_value = ("plain", "deep")[ordinal % 2]
    if gain is None:
        made.outcome.kind, made.outcome.reason = pb.OUTCOME_KIND_INFEASIBLE, reason
    else:
        made.values.add(metric="gain", value=gain).stddev.value = 0.25
        made.values.add(metric="cost", value=cost)
    return made


@pytest.fixture(scope="module")
def columns() -> Columns:
    made, rng = Columns(EXPERIMENT), random.Random(3)
    for ordinal in range(1, 9001):
        gain = None if ordinal % 9 == 0 else rng.random()
        made.put(observation(ordinal, gain, (gain or 0) ** 2 + rng.random(), "diverged: NaN"))
    return made


def test_a_sample_keeps_what_is_efficient_and_what_is_new(columns):
    shown = columns.sample(1000)
    assert len(shown) == 1000
    assert set(columns.efficient()) <= set(shown)
    assert set(range(8900, 9000)) <= set(shown)
    values = columns.values(slice(None))
    spans = [np.ptp(values[rows][~np.isnan(values[rows][:, 0])], axis=0) for rows in (shown, slice(None))]
    assert spans[0] == pytest.approx(spans[1], rel=0.05), "the outline of all points is kept"
    assert len(columns.sample(20_000)) == 9000


def test_rows_come_in_order_and_are_replaced_in_place():
    made = Columns(EXPERIMENT)
    assert not made.put(observation(2, 1.0))
    assert made.put(observation(1, 1.0))
    assert made.put(observation(1, 2.0))
    assert made.count == 1
    document = made.document([0])
    assert document["values"] == [[2.0], [0.0]]
    assert document["stddevs"] == [[0.25], None]
    assert document["parameters"] == [[0.0001], [1.0]]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("gain>0.5", lambda d, k: (d["values"][0][k] or 0) > 0.5),
        ("kind=deep cost<=0.5", lambda d, k: d["parameters"][1][k] == 1 and (d["values"][1][k] or 9) <= 0.5),
        ("ordinal!=7", lambda d, k: d["ordinals"][k] != 7),
        ("NAN", lambda d, k: d["outcomes"][k] == pb.OUTCOME_KIND_INFEASIBLE),
        ("nowhere", lambda d, k: False),
    ],
)
def test_filters(columns, text, holds):
    document = columns.document(range(columns.count))
    wanted = [k for k in range(columns.count) if holds(document, k)]
    assert columns.matching(text).tolist() == wanted


def test_sorting_puts_rows_without_a_value_last(columns):
    rows = columns.ordered(np.arange(columns.count), "gain", descending=True)
    values = columns.values(rows)[:, 0]
    known = values[~np.isnan(values)]
    assert (np.diff(known) <= 0).all()
    assert np.isnan(values[len(known) :]).all()
