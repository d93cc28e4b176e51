"""The page in a real browser, while somebody trains: creation, live points, selection, login."""

import re
import time

import pytest
from chromium import DRAWN, misdeeds, picture, visit, wait_for_points
from playwright.sync_api import expect

import paretune as pt

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=30_000)


YAML = """\
name: from the page
workload: toy:train
settings: {seconds: 0.4}
parameters:
  - {name: x, type: double, min: 0, max: 1}
  - {name: kind, type: categorical, choices: [plain, deep]}
metrics:
  - {name: score, goal: maximize}
  - {name: cost, goal: minimize, unit: s}
observation_budget: 12
policy: sobol
"""


def test_create_and_watch_points_arrive(browser, dashboard, trainer):
    page = visit(browser, dashboard, "new")
    page.get_by_role("button", name="YAML").click()
    page.get_by_label("YAML", exact=True).fill(YAML.replace("max: 1}", "max: none}", 1))
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("experiment:5: parameters[0].max")
    page.get_by_label("YAML", exact=True).fill(YAML)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="from the page")).to_be_visible()
    page.evaluate("window.__same = true")
    tile = page.locator(".tile .value").first
    seen = set()
    deadline = time.monotonic() + 90
    while tile.text_content() != "12" and time.monotonic() < deadline:
        seen.add(tile.text_content())
        page.wait_for_timeout(50)
    page.wait_for_function(f"() => ({DRAWN})('dominated') + ({DRAWN})('efficient') === 12")
    assert len(seen) > 3, "observations arrive one by one"
    assert page.evaluate("window.__same"), "without a reload"
    picture(page, "live")
    assert misdeeds(page) == []


def test_a_running_trial_tells_its_log_and_is_stopped(browser, dashboard, trainer):
    made = dashboard.client.create_experiment(
        name="slow",
        parameters=[pt.Double("x", 0, 1)],
        metrics=[pt.Maximize("score"), pt.Minimize("cost")],
        policy="sobol",
        lease_policy=pt.LeasePolicy(ttl=1.5),
        workload=pt.Workload("toy:train", {"seconds": "0.2", "steps": "500"}),
    )
    page = visit(browser, dashboard, f"experiments/{made.id}")
    page.get_by_role("region", name="In training").locator("tr.link").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_label("log")).to_contain_text("step 3")
    expect(drawer).to_contain_text("attempt 1")
    expect(drawer.locator("figure canvas").first).to_be_visible()
    picture(page, "running")
    drawer.get_by_role("button", name="Stop early").click()
    expect(drawer).to_contain_text("observed")
    dashboard.client.update_experiment(made.id, state=pt.ExperimentState.PAUSED)
    assert misdeeds(page) == []


def test_select_overlay_and_travel_in_time(browser, dashboard, search):
    dashboard.experiment("another search", 10)
    page = visit(browser, dashboard, f"experiments/{search.id}")
    wait_for_points(page, "efficient", 2)
    box = page.locator("figure .chart").first.bounding_box()
    page.mouse.move(box["x"] + 80, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 60, box["y"] + box["height"] - 80, steps=5)
    page.mouse.up()
    expect(page.locator(".legend")).to_contain_text(re.compile(r"\d+ trials selected"))
    wait_for_points(page, "selected", 2)
    page.get_by_label("Compare with").select_option(label="Overlay: another search")
    expect(page.locator(".legend")).to_contain_text("front of")
    page.get_by_label("Attainment").check()
    wait_for_points(page, "attainment", 3)
    now = page.evaluate(DRAWN, "efficient")
    page.get_by_label("Front after so many observations").fill("3")
    expect(page.locator(".play output")).to_have_text("after 3")
    assert page.evaluate(DRAWN, "efficient") < now
    page.get_by_label("Slack in standard errors").fill("3")
    picture(page, "overview")
    assert misdeeds(page) == []


def test_every_chart_has_its_numbers_as_a_table(browser, dashboard, search):
    page = visit(browser, dashboard, f"experiments/{search.id}")
    wait_for_points(page, "efficient", 2)
    figures = page.locator("figure")
    for index in range(figures.count()):
        assert figures.nth(index).locator(".chart").get_attribute("aria-label")
        figures.nth(index).get_by_text("Show as table").click()
        expect(figures.nth(index).locator("tbody tr").first).to_be_visible()


def test_login_is_refused_and_accepted(browser, guarded):
    dashboard, token = guarded
    page = visit(browser, dashboard, "")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.get_by_label("Access token").fill("pt_wrong_token")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not accept")
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Experiments", exact=True)).to_be_visible()
    assert token not in page.evaluate(
        "document.cookie + JSON.stringify({...localStorage, ...sessionStorage})"
    )
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
