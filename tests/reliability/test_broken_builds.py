"""Every build that is broken on purpose is caught by the scenario that is there for it, by its sign."""

import re

import delivery
import lanes
import leases
import network
import optimizer_kills
import overload
import power_loss
import pytest
import store_kills
from broken_builds import BUILDS
from lanes import Finding, judge

pytestmark = pytest.mark.timeout(900)

CAUGHT_BY = {
    "answers_before_commit": lambda nursery, folder, broken: store_kills.run(
        nursery, folder, 6, place="after_write", broken=broken
    ),
    "no_request_ids": lambda nursery, folder, broken: network.lost_replies(nursery, folder, 5, broken=broken),
    "fences_ignored": lambda nursery, folder, broken: leases.run(nursery, folder, 0, 2, 0, broken=broken),
    "expiry_in_two_steps": lambda nursery, folder, broken: leases.reaper_kills(
        nursery, folder, 4, broken=broken
    ),
    "suggestions_recorded_early": lambda nursery, folder, broken: optimizer_kills.run(
        nursery, folder, 1, broken=broken
    ),
    "errors_do_not_stop": lambda nursery, folder, broken: leases.run(nursery, folder, 0, 2, 0, broken=broken),
    "no_bound": lambda nursery, folder, broken: overload.run(nursery, folder, 3, broken=broken, strict=False),
}
SIGNS = {
    "answers_before_commit": "lost",
    "no_request_ids": "two answers",
    "fences_ignored": "given out again",
    "expiry_in_two_steps": "never given out again",
    "suggestions_recorded_early": "another answer",
    "errors_do_not_stop": "given out again",
    "no_bound": "flood",
    "synchronous_off": "0 left",
}
"""What is wrong with each, in the words of its scenario: one that does not even start shows nothing."""
SHORT = ["no_request_ids"]
"""Those that `make test` has the time for."""


def caught(name: str, finding: Finding) -> Finding:
    signs = [text for text in finding.violations if re.search(SIGNS[name], text)]
    wrong = [] if signs else [f"{name} was not caught", *finding.violations]
    return Finding(1, wrong, (signs or [""])[0].replace("|", "/")[:100])


@pytest.mark.parametrize("name", SHORT if lanes.LANE == "ci" else CAUGHT_BY)
def test_broken_build_is_caught(nursery, tmp_path, name):
    def scenario() -> Finding:
        try:
            finding = CAUGHT_BY[name](nursery, tmp_path, name)
        except AssertionError as error:
            finding = Finding(1, [str(error)])
        return caught(name, finding)

    judge(f"Broken build caught: {name.replace('_', ' ')}", scenario)


def test_synchronous_off_is_caught(tmp_path):
    from paretune_store import database

    prepare = database._prepare
    try:
        judge(
            "Broken build caught: synchronous off",
            lambda: caught(
                "synchronous_off",
                power_loss.run(tmp_path, 60, commits=60, break_it=BUILDS["synchronous_off"]),
            ),
        )
    finally:
        database._prepare = prepare


def test_every_broken_build_has_its_scenario():
    assert {*SIGNS, "small_log"} == {*BUILDS} == {*CAUGHT_BY, "synchronous_off", "small_log"}
    assert callable(delivery.run)
