"""The page in a real browser: what people do, and what guests may not do."""

import re

import pytest
from chromium import misdeeds, page_of, picture, visit, wait_for_points
from playwright.sync_api import expect

import paretune as pt

pytestmark = pytest.mark.xdist_group("browser")
expect.set_options(timeout=30_000)


def test_brush_lines_and_ask_what_if(browser, dashboard, search):
    page = visit(browser, dashboard, f"experiments/{search.id}/understand", theme="dark")
    expect(page.get_by_role("region", name="What if?").locator("dd").first).to_contain_text("±")
    before = page.get_by_role("region", name="What if?").locator("dd").first.text_content()
    page.get_by_role("region", name="What if?").locator("input[type=number]").first.fill("0.05")
    expect(page.get_by_role("region", name="What if?").locator("dd").first).not_to_have_text(before)
    expect(page.get_by_role("region", name="Which one to take?")).to_contain_text("Trial")
    expect(page.get_by_role("region", name="Which parameters matter")).to_contain_text("The model explains")
    chart = page.get_by_role("region", name="Parallel coordinates").locator(".chart")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + 44, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 44, box["y"] + box["height"] * 0.6, steps=5)
    page.mouse.up()
    expect(page.locator(".brush-note")).to_contain_text("selected")
    page.wait_for_function("() => document.querySelector('.slices canvas')")
    picture(page, "understand")
    page.get_by_role("link", name="Find them in the table").click()
    expect(page.locator(".virtual tbody tr.link").first).to_be_visible()
    assert misdeeds(page) == []


def test_table_drawer_and_keyboard(browser, dashboard, search):
    page = visit(browser, dashboard, f"experiments/{search.id}/trials")
    expect(page.get_by_role("status").first).to_contain_text("24 trials")
    page.get_by_label("Filter").fill("accuracy>0.8 kind=deep")
    expect(page.locator(".controls [role=status]")).to_contain_text(" of 24 trials")
    row = page.locator(".virtual tbody tr.link").first
    row.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Configuration")
    page.get_by_role("button", name="Queue it again").click()
    page.get_by_role("button", name="Queue", exact=True).click()
    expect(page.locator(".toast")).to_contain_text("Queued as suggestion")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_label("Filter").fill("not a number")
    expect(page.locator(".controls [role=status]")).to_contain_text("3 of 24")
    assert misdeeds(page) == []


def test_amend_a_result(browser, dashboard):
    made = dashboard.experiment("to be amended", 12)
    before = [point.observation.ordinal for point in made.pareto_front()]
    page = visit(browser, dashboard, f"experiments/{made.id}/trials")
    page.locator(".virtual tbody tr.link").filter(has_text=re.compile(f"^{before[0]}efficient")).click()
    page.get_by_role("button", name="Amend …").click()
    form = page.get_by_role("dialog", name=f"Amend trial {before[0]}")
    form.get_by_label("accuracy", exact=True).fill("0.125")
    form.get_by_role("button", name="Amend").click()
    expect(form.get_by_role("alert")).to_contain_text("reason")
    form.get_by_label("Why do you amend it?").fill("<b>the wrong data</b>")
    form.get_by_label("Who are you?").fill("ada")
    form.get_by_role("button", name="Amend").click()
    drawer = page.get_by_role("dialog", name=f"Trial {before[0]}", exact=True)
    expect(drawer).to_contain_text("<b>the wrong data</b>")
    expect(drawer).to_contain_text("by ada")
    picture(page, "amended")
    assert before[0] not in [point.observation.ordinal for point in made.pareto_front()]
    page.keyboard.press("Escape")
    row = page.locator(".virtual tbody tr.link").filter(has_text=re.compile(f"^{before[0]}ok0.125"))
    expect(row).to_be_visible()
    assert misdeeds(page) == []


@pytest.mark.parametrize(
    "place", ["", "experiments/{}", "experiments/{}/understand", "compare?ids={}", "nodes", "new"]
)
def test_a_phone_shows_everything_in_its_width(browser, dashboard, search, place):
    page = visit(browser, dashboard, place.format(search.id), width=360, theme="dark")
    expect(page.locator("main h1").first).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    picture(page, f"phone-{place.replace('/{}', '').split('/')[-1].split('?')[0] or 'list'}")
    assert misdeeds(page) == []


def test_a_share_link_shows_one_experiment_and_changes_nothing(browser, dashboard, search):
    page = visit(browser, dashboard, f"experiments/{search.id}")
    page.get_by_role("button", name="Share").click()
    link = page.get_by_label("Link").input_value()
    guest = page_of(browser)
    guest.goto(link)
    expect(guest.get_by_role("heading", name="a search")).to_be_visible()
    wait_for_points(guest, "efficient", 2)
    expect(guest.get_by_role("button", name="Pause")).to_have_count(0)
    ask = """async (path) => {
      const { csrf } = await (await fetch("/api/v1/session")).json();
      const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
      return (await fetch(path, { method: "POST", body: "{}", headers })).status;
    }"""
    assert guest.evaluate(ask, f"/api/v1/experiments/{search.id}/queue") == 403
    assert guest.evaluate(ask, "/api/v1/experiments") == 403
    assert guest.evaluate("async () => (await fetch('/api/v1/experiments')).status") == 403
    guest.goto(link[:-3] + "abc")
    expect(guest.locator("body")).to_contain_text("was not made by this dashboard")


PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "javascript:alert(1)",
    "{a|<b onmouseover=alert(1)>}",
    "'-alert(1)-'",
    "</textarea><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "__proto__",
)


def test_markup_in_every_string_stays_text(browser, dashboard):
    notes = {f"{payload} {number}": payload for number, payload in enumerate(PAYLOADS)}
    made = dashboard.client.create_experiment(
        name=" ".join(PAYLOADS),
        parameters=[
            *(pt.Double(f"p{payload}", 0, 1) for payload in PAYLOADS),
            pt.Categorical(f"c{PAYLOADS[0]}", list(PAYLOADS)),
        ],
        metrics=[pt.Maximize(payload, unit=payload) for payload in PAYLOADS[:4]],
        labels=notes, metadata=notes, policy="random", workload=pt.Workload("x:y", notes),
    )  # fmt: skip
    for number, payload in enumerate(PAYLOADS):
        place = {f"p{name}": 0.1 * number for name in PAYLOADS} | {f"c{PAYLOADS[0]}": payload}
        if number % 2:
            made.observe(place, {}, infeasible=payload, metadata={"log": payload} | notes)
        else:
            made.observe(place, dict.fromkeys(PAYLOADS[:4], 0.1 * number), metadata=notes)
    markup = PAYLOADS[0]
    made.amend(made.observations()[0], {PAYLOADS[0]: 0.5}, reason=" ".join(PAYLOADS), crashed=markup)
    running = dashboard.client.suggest(made.id, worker=f"w {markup}")[0]
    dashboard.client.heartbeat(running.id, running.lease.fence, log_tail="\n".join(PAYLOADS))
    dashboard.client.stop(running.id, markup)
    below = f"experiments/{made.id}"
    page = page_of(browser)
    for place in (
        "",
        below,
        f"{below}/understand",
        f"{below}/settings",
        f"compare?ids={made.id}",
        "nodes",
        f"{below}/trials",
    ):
        page.goto(f"{dashboard.url}/#/{place}")
        expect(page.locator("main h1").first).to_be_visible()
        expect(page.locator("main")).to_contain_text(PAYLOADS[0])
        if place.endswith("trials"):
            page.locator(".virtual tbody tr.link").first.click()
            expect(page.get_by_role("dialog")).to_contain_text(PAYLOADS[-1])
            page.keyboard.press("Escape")
            page.locator(".virtual tbody tr.link").last.click()
            expect(page.get_by_role("dialog")).to_contain_text("amended")
        elif place == below:
            page.get_by_role("region", name="In training").locator("tr.link").first.click()
            expect(page.get_by_role("dialog")).to_contain_text(f"Asked to stop early: {markup}")
            expect(page.get_by_role("dialog").get_by_label("log")).to_contain_text(PAYLOADS[-1])
        foreign = (
            "main img, main iframe, main script, main [onload], main [onerror], dialog img, dialog iframe"
        )
        assert page.locator(foreign).count() == 0
        assert misdeeds(page) == [], place
