"""Pages in a real browser: what they say of unusual experiments, and where the keyboard stays."""

import json

import pytest
from chromium import misdeeds, picture, visit, wait_for_points
from dashboard_cases import measure
from playwright.sync_api import expect

import paretune as pt

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=30_000)

DOMINATED = """(box) => echarts.getInstanceByDom(box).getOption().series
  .filter((one) => one.name === "dominated").flatMap((one) => one.data.map((point) => point.value))"""
FOCUSED = "document.activeElement.textContent"


def test_form_and_yaml_describe_one_experiment(browser, dashboard):
    page = visit(browser, dashboard, "new", width=360)
    form, text = (page.get_by_role("button", name=name, exact=True) for name in ("Form", "YAML"))
    yaml = page.get_by_label("YAML", exact=True)
    page.get_by_role("button", name="Remove the parameter").first.click()
    text.click()
    assert "learning_rate" not in yaml.input_value()
    page.get_by_label("YAML", exact=True).fill(
        yaml.input_value().replace('name: "my network"', 'name: "as written"').replace("max: 6", "max: 9")
    )
    form.click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("as written")
    expect(page.get_by_label("Largest").first).to_have_value("9")
    page.get_by_label("Workload").evaluate("(box) => box.append(new Option('a long summary '.repeat(9)))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, "phone-form")
    made = dashboard.experiment("to be copied", linear_constraints=[pt.LinearConstraint({"x": 1, "n": 1}, 7)])
    page.goto(f"{dashboard.url}/#/new?from={made.id}")
    page.reload()
    form.click()
    expect(page.get_by_role("alert")).to_contain_text("cannot hold all of this: linear constraints")
    expect(yaml).to_be_visible()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="to be copied")).to_be_visible()
    copied = next(iter(dashboard.client.list_experiments()))
    assert copied.id != made.id
    assert copied.space == made.experiment.space
    assert misdeeds(page) == []


@pytest.mark.parametrize("place", ["new?from=nope", "experiments/%E0%A4%A"])
def test_an_address_of_nothing_is_told(browser, dashboard, place):
    page = visit(browser, dashboard, place)
    expect(page.get_by_role("alert")).to_contain_text("could not be loaded")
    assert misdeeds(page) == []


def test_the_keyboard_stays_where_it_was(browser, dashboard):
    made = dashboard.experiment("focused", 4)
    page = visit(browser, dashboard, "")
    row = page.get_by_role("row").filter(has_text=made.id)
    row.get_by_role("button", name="Pause").focus()
    measure(made, 4)
    expect(row).to_contain_text("5")
    assert page.evaluate(FOCUSED) == "Pause"
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name="Resume")).to_be_focused()
    page.keyboard.press("Enter")
    expect(row.get_by_role("button", name="Pause")).to_be_focused()

    page.goto(f"{dashboard.url}/#/experiments/{made.id}/trials")
    expect(page.get_by_role("status").first).to_contain_text("5 trials")
    head = page.get_by_role("button", name="Trial", exact=False).first
    head.focus()
    measure(made, 5)
    expect(page.get_by_role("status").first).to_contain_text("6 trials")
    expect(head).to_be_focused()
    third = page.locator(".virtual tbody tr.link").nth(3)
    ordinal = third.locator("td").first.text_content()
    third.focus()
    measure(made, 6)
    expect(page.get_by_role("status").first).to_contain_text("7 trials")
    expect(page.locator(".virtual tr:focus td").first).to_have_text(ordinal)
    page.get_by_role("button", name="Pause").focus()
    dashboard.client.suggest(made.id, worker="somebody")
    expect(page.locator("main h1").locator("..")).to_contain_text("1 trial running")
    expect(page.get_by_role("button", name="Pause")).to_be_focused()
    assert misdeeds(page) == []


def test_one_metric_is_drawn_over_the_trials(browser, dashboard):
    metric = [pt.Maximize("accuracy")]
    # All with the same name; of the last nothing was measured.
    made = [dashboard.experiment("one metric", metrics=metric, observation_budget=4) for _ in range(3)]
    for number in range(4):
        place = {"x": number / 4, "n": 1, "kind": "deep"}
        made[0].observe(place, {"accuracy": number / 4})
        made[1].observe(place, {"accuracy": 0.1 * number})
        made[2].observe(place, {}, crashed="out of memory")
    page = visit(browser, dashboard, f"experiments/{made[0].id}")
    wait_for_points(page, "efficient", 1)
    chart = page.get_by_role("region", name="Metric space").locator(".chart")
    expect(chart).to_have_attribute("aria-label", "accuracy against trial: 4 trials, 1 of them efficient")
    drawn = chart.evaluate(DOMINATED)
    assert drawn == [[1, 0], [2, 0.25], [3, 0.5]]
    overlay = page.get_by_label("Compare with")
    overlay.select_option(label=f"Overlay: one metric ({made[1].id})")
    wait_for_points(page, f"front of {made[1].id}", 1)
    picture(page, "one-metric")

    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{dashboard.url}/#/compare?ids={made[0].id},{made[1].id}")
    wait_for_points(page, f"one metric ({made[0].id})", 1)
    for one in made[:2]:
        expect(page.locator(".chip").filter(has_text=f"one metric ({one.id})")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, "same-name")

    page.goto(f"{dashboard.url}/#/")
    for one, kind, said in ((made[0], "good", "budget used"), (made[2], "bad", "budget used, all failed")):
        expect(page.get_by_role("row").filter(has_text=one.id).locator(f".chip.{kind}")).to_have_text(said)
    assert misdeeds(page) == []


def test_limits_where_nothing_was_measured(browser, dashboard):
    made = dashboard.experiment("all failed")
    for number in range(3):
        made.observe({"x": number / 4, "n": 1, "kind": "deep"}, {}, infeasible="too large")
    page = visit(browser, dashboard, f"experiments/{made.id}/understand", width=360)
    card = page.get_by_role("region", name="Which one to take?")
    card.get_by_role("button", name="By limits").click()
    expect(card.get_by_role("status")).to_have_text("Nothing feasible was observed yet.")
    expect(card).not_to_contain_text("Infinity")
    assert misdeeds(page) == []


def test_an_older_front_without_probabilities(browser, dashboard, search):
    """What a page knows of a search that runs, and of a long one, whose probabilities are not asked for."""
    page = visit(browser, dashboard, "")
    truth = {str(point.observation.ordinal): point.observation for point in search.pareto_front()}
    assert len(truth) > 3

    def older(route):
        front = route.fetch().json()
        for column in {"ids", "ordinals", "probabilities", "contributions", "values"} & set(front):
            del front[column][0]
        front["probabilities"] = [None] * len(front["ordinals"])
        route.fulfill(body=json.dumps(front), content_type="application/json")

    page.route("**/charts/front?*", older)
    page.goto(f"{dashboard.url}/#/experiments/{search.id}/understand")
    card = page.get_by_role("region", name="How robust is the front?")
    rows = card.locator("tbody tr")
    expect(rows.first).to_be_visible()
    shown = [rows.nth(k).locator("td").all_text_contents() for k in range(rows.count())]
    assert shown[0][0] == "…"
    for ordinal, accuracy, *_ in shown[1:]:
        value = truth[ordinal].values[0].value
        assert float(accuracy) == pytest.approx(value, abs=0.03), ordinal
    if len(truth) > 12:
        card.get_by_role("button", name=f"Show all {len(truth)}").click()
        expect(rows).to_have_count(len(truth))
    rows.nth(1).click()
    expect(page.get_by_role("dialog").locator(".chip.front")).to_have_text("efficient")
    page.goto(f"{dashboard.url}/#/experiments/{search.id}")
    listed = page.get_by_role("region", name="Efficient trials").locator("tbody tr").first.locator("td")
    expect(listed.last).to_have_text("–")
    assert misdeeds(page) == []


def test_settings_and_expectations_know_linear_constraints(browser, dashboard):
    made = dashboard.client.create_experiment(
        name="a mixture",
        parameters=[pt.Double("a", 0, 1), pt.Double("b", 0, 1), pt.Int("n", 1, 4)],
        metrics=[pt.Maximize("score"), pt.Minimize("cost")],
        linear_constraints=[
            pt.LinearConstraint({"a": 1, "b": 1}, 1),
            pt.LinearConstraint({"a": -2, "n": 1}, 3.5),
        ],
        policy="random",
        fidelity=pt.Fidelity("epochs", 5, 50),
        early_stopping=pt.EarlyStopping(),
        lease_policy=pt.LeasePolicy(ttl=90, max_attempts=2),
    )
    for number in range(12):
        a = number / 12
        b = (number * 0.618 % 1.0) * (1 - a)
        made.observe({"a": a, "b": b, "n": 1 + number % 3}, {"score": a * (1 - b) + a, "cost": a + b})
    page = visit(browser, dashboard, f"experiments/{made.id}/settings", width=360, theme="dark")
    for line in ("a + b <= 1", "−2 a + n <= 3.5"):
        expect(page.get_by_text(line, exact=True)).to_be_visible()
    for fact in (
        "epochs, 5 to 50",
        "feasibility, dominated; with probability 0.9",
        "90 s without a sign of life, 2 attempts",
    ):
        expect(page.locator("dl.facts")).to_contain_text(fact)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, "phone-settings")
    page.goto(f"{dashboard.url}/#/experiments/{made.id}/understand")
    card = page.get_by_role("region", name="What the model expects")
    expect(card).to_contain_text("Where a linear constraint is broken there is nothing.")
    expect(card.locator(".chart:has(canvas)")).to_have_count(4)
    picture(page, "constrained")
    assert misdeeds(page) == []
