"""What the page is told: live changes, files, the report, the description of the interface."""

import csv
import json
import re

from dashboard_cases import measure

import paretune as pt
from paretune_dashboard.openapi import document
from paretune_dashboard.report import MODULES, bundle
from paretune_dashboard.routes import ROUTES


def events(lines):
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line[6:])


def test_an_observation_reaches_whoever_watches(dashboard):
    made = dashboard.experiment("watched", 3)
    with dashboard.program().stream("GET", f"/api/v1/experiments/{made.id}/live?rows=3") as stream:
        told = events(stream.iter_lines())
        assert next(told)["rows"]["total"] == 3
        for number in (3, 4):
            measure(made, number)
            change = next(told)
            while change["rows"]["total"] < number + 1:
                change = next(told)
            assert change["rows"]["ordinals"][-1] == number + 1
            assert change["experiment"]["progress"]["observations"] == number + 1
            assert not change["reload"]
        suggestion = dashboard.client.suggest(made.id, worker="somebody")[0]
        while not (active := next(told)["active"]):
            pass
        assert [one["id"] for one in active] == [suggestion.id]
        made.amend(made.observations()[0], reason="no", crashed="wrong data")
        while not (change := next(told))["reload"]:
            pass
        progress = change["experiment"]["progress"]
        assert (progress["observations"], progress["crashed"], progress["leased"]) == (5, 1, 1)


def test_a_page_that_is_far_behind_is_told_to_ask_again(dashboard):
    made = dashboard.experiment("far ahead", 0)
    for number in range(210):
        measure(made, number, 210)
    with dashboard.program().stream("GET", f"/api/v1/experiments/{made.id}/live?rows=0") as stream:
        first = next(events(stream.iter_lines()))
    assert first["reload"]
    assert first["rows"]["ordinals"] == []


def test_csv_and_table_hold_the_same(dashboard):
    made = dashboard.experiment("a file", 9)
    program = dashboard.program()
    text = program.get(f"/api/v1/experiments/{made.id}/trials.csv").text
    rows = list(csv.DictReader(text.splitlines()))
    table = program.get(f"/api/v1/experiments/{made.id}/trials?sort=ordinal&order=asc").json()
    assert [int(row["trial"]) for row in rows] == table["ordinals"] == list(range(1, 10))
    assert [row["accuracy"] for row in rows if row["accuracy"]] == [
        str(value) for value in table["values"][0] if value is not None
    ]
    assert {row["kind"] for row in rows} == {"plain", "deep"}


def test_slices_follow_the_model(dashboard):
    made = dashboard.experiment("sliced", 20)
    asked = {
        "assignments": {"x": {"double_value": 0.5}, "n": {"int_value": 2}, "kind": {"string_value": "deep"}},
        "slices": [["x"], ["kind"], ["x", "n"]],
    }
    page = dashboard.browser()
    reply = page.post(f"/api/v1/experiments/{made.id}/charts/slices", json=asked)
    along, kinds, both = reply.json()["slices"]
    assert along["axes"][0][0] == 0.0
    assert along["axes"][0][-1] == 1.0
    assert along["means"][0][-1] > along["means"][0][0], "accuracy grows with x"
    assert kinds["axes"] == [["plain", "deep"]]
    assert len(both["means"][1]) == len(both["axes"][0]) * len(both["axes"][1])
    asked["slices"] = [["y"]]
    refused = page.post(f"/api/v1/experiments/{made.id}/charts/slices", json=asked)
    assert refused.status_code == 400


def test_slices_leave_out_what_a_linear_constraint_forbids(dashboard):
    made = dashboard.client.create_experiment(
        name="constrained",
        parameters=[pt.Double("a", 0, 1), pt.Double("b", 0, 1)],
        metrics=[pt.Maximize("score"), pt.Minimize("cost")],
        linear_constraints=[pt.LinearConstraint({"a": 1, "b": 1}, 1)],
        policy="random",
    )
    for number in range(12):
        a = number / 12
        b = (number * 0.618 % 1.0) * (1 - a)
        made.observe({"a": a, "b": b}, {"score": a * b, "cost": a + b})
    half = {"a": {"double_value": 0.5}, "b": {"double_value": 0.5}}
    page = dashboard.browser()
    below = f"/api/v1/experiments/{made.id}"
    asked = {"assignments": half, "slices": [["a"], ["a", "b"]]}
    along, both = page.post(f"{below}/charts/slices", json=asked).json()["slices"]
    assert [mean is not None for mean in along["means"][0]] == [a <= 0.5 for a in along["axes"][0]]
    inside = [a + b <= 1 + 1e-9 for a in both["axes"][0] for b in both["axes"][1]]
    for column in (*both["means"], *both["stddevs"], both["feasibility"]):
        assert [value is not None for value in column] == inside
    asked["assignments"] = {"a": {"double_value": 2.0}, "b": {"double_value": 0.0}}
    refused = page.post(f"{below}/charts/slices", json=asked)
    assert refused.status_code == 400
    assert "assignments['a']" in refused.text
    report = page.get(f"{below}/report").text
    data = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', report, re.DOTALL)[1]
    )
    assert [slice_["parameters"] for slice_ in data["slices"]["slices"]] == [["a"], ["b"]]


def test_a_probability_that_was_not_computed_is_none(dashboard):
    made = dashboard.experiment("asked for quickly", 9)
    below = f"/api/v1/experiments/{made.id}/charts/front"
    quick, whole = (dashboard.program().get(f"{below}?quick={word}").json() for word in ("true", "false"))
    assert quick["ordinals"] == whole["ordinals"]
    assert set(quick["probabilities"]) == {None}
    assert all(0 < one <= 1 for one in whole["probabilities"])
    known = {observation.ordinal: observation.id for observation in made.observations()}
    assert quick["ids"] == [known[ordinal] for ordinal in quick["ordinals"]]


def test_the_report_needs_nothing_else(dashboard):
    made = dashboard.experiment("<script>report</script>", 12)
    text = dashboard.program().get(f"/api/v1/experiments/{made.id}/report").text
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", text.split("<script>")[0])
    assert "<script>report" not in text
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    told = json.loads(data)
    assert told["experiment"]["name"] == "<script>report</script>"
    assert told["trials"]["total"] == 12
    assert told["front"]["ordinals"]


def test_the_bundle_has_no_imports_left():
    code = bundle()
    assert not re.search(r"^(import|export) ", code, re.MULTILINE)
    for name in re.findall(r'modules\["([\w.]+)"\];', code):
        assert name in {module.split("/")[-1] for module in MODULES}


def test_every_route_is_described():
    described = document()
    assert {(route.path, route.method.lower()) for route in ROUTES} == {
        (path, method) for path, methods in described["paths"].items() for method in methods
    }
    for methods in described["paths"].values():
        for operation in methods.values():
            assert operation["summary"], operation["operationId"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert references <= set(described["components"]["schemas"])
