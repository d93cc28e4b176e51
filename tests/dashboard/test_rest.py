"""The REST interface: the protos over HTTP, errors included."""

import json
import re

import pytest

from paretune.v1 import optimizer_pb2, store_pb2
from paretune_dashboard.routes import NOT_ROUTED, ROUTES
from paretune_dashboard.services import method_named


def test_every_rpc_is_routed_or_said_not_to_be():
    offered = {
        f"{service.name}.{method.name}"
        for module in (store_pb2, optimizer_pb2)
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {route.rpc for route in ROUTES} | {name for name in NOT_ROUTED if "*" not in name} == offered
    for route in ROUTES:
        for name in re.findall(r"{([\w.]+)}", route.path):
            message = method_named(route.rpc).input_type
            *parents, last = name.split(".")
            for parent in parents:
                message = message.fields_by_name[parent].message_type
            assert last in message.fields_by_name


def test_a_trial_over_http(dashboard):
    made = dashboard.experiment("over http")
    program = dashboard.program(Authorization="Bearer any")
    reply = program.post(f"/api/v1/experiments/{made.id}/suggestions", json={"worker": "curl"})
    (suggestion,) = reply.json()["suggestions"]
    assert suggestion["state"] == "SUGGESTION_STATE_LEASED"
    observation = {
        "suggestion_id": suggestion["id"],
        "values": [{"metric": "accuracy", "value": 0.5}, {"metric": "cost", "value": 2, "stddev": 0.1}],
    }
    reply = program.post(
        f"/api/v1/experiments/{made.id}/observations",
        json={"observation": observation, "fence": suggestion["lease"]["fence"]},
    )
    assert reply.status_code == 200, reply.text
    (point,) = program.get(f"/api/v1/experiments/{made.id}/front").json()["front"]["points"]
    assert point["observation"]["suggestion_id"] == suggestion["id"]
    with program.stream("GET", f"/api/v1/experiments/{made.id}/events?skip_checkpoints=true") as stream:
        lines = stream.iter_lines()
        event = next(json.loads(line[6:]) for line in lines if line.startswith("data: "))
        assert event["events"][0]["experiment"]["id"] == made.id


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/experiments/nowhere", None, 404, "There is no experiment"),
        ("GET", "/experiments/NO", None, 404, "NO"),
        ("GET", "/experiments?page_size=-1", None, 400, "page_size"),
        ("GET", "/experiments?page_size=many", None, 400, "page_size"),
        ("GET", "/experiments?size=1", None, 400, "is not a parameter here"),
        ("GET", "/elsewhere", None, 404, "There is nothing at"),
        ("POST", "/experiments", {"experiment": {"name": "x", "colour": 1}}, 400, "colour"),
        ("POST", "/experiments", {"experiment": {"name": "x"}}, 400, "parameters"),
        ("GET", "/experiments/nowhere/charts/trials?limit=0", None, 400, "limit"),
        ("GET", "/experiments/nowhere/charts/trials", None, 404, "There is no experiment"),
        ("GET", "/experiments/nowhere/live", None, 404, "There is no experiment"),
    ],
)
def test_mistakes_are_told(dashboard, method, path, body, status, said):
    reply = dashboard.browser().request(method, f"/api/v1{path}", json=body)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert said in error["message"] + str(error["violations"])


def test_bodies_that_are_no_json_object(dashboard):
    browser = dashboard.browser()
    for content in (b"{", b"[]", b"[" * 100_000, b"1" * (5 << 20)):
        reply = browser.post(
            "/api/v1/experiments", content=content, headers={"content-type": "application/json"}
        )
        assert reply.status_code == 400, content[:10]
