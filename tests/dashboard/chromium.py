"""A real browser for tests: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SCREENSHOTS = Path(__file__).resolve().parents[2] / "results" / "dashboard"

# What a page may never do: run what a user wrote, or break its own content policy.
WATCH = """
window.__bad = [];
addEventListener("securitypolicyviolation", (event) => {
  window.__bad.push(`${event.violatedDirective} ${event.blockedURI}`);
});
addEventListener("error", (event) => window.__bad.push(event.message));
window.alert = (text) => window.__bad.push(`alert ${text}`);
"""


def executable() -> str:
    """Where the browser is.

    Raises:
        RuntimeError: nowhere; says how to install it.
    """
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        raise RuntimeError(
            "These tests need Chromium: run `apt-get install -y chromium`, or set CHROMIUM=PATH."
        )
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """A running browser without a window."""
    with sync_playwright() as player:
        running = player.chromium.launch(executable_path=executable(), args=FLAGS)
        yield running
        running.close()


def page_of(browser: Browser, width: int = 1280, theme: str = "light") -> Page:
    """A page of its own: with cookies of its own, and an eye on what it must not do."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(60_000)
    return page


def misdeeds(page: Page) -> list[str]:
    """What it did all the same."""
    return page.evaluate("window.__bad")


def picture(page: Page, name: str) -> None:
    """Keep a screenshot, to be looked at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


# Points drawn in the first chart, by the name of the series.
DRAWN = """(name) => {
  const box = document.querySelector("figure .chart");
  const chart = box && echarts.getInstanceByDom(box);
  return !chart ? -1 : chart.getOption().series.filter((one) => one.name === name)
    .flatMap((one) => one.data).length;
}"""


def visit(browser: Any, dashboard: Any, place: str, **looks: Any) -> Page:
    page = page_of(browser, **looks)
    page.goto(f"{dashboard.url}/#/{place}")
    return page


def wait_for_points(page: Page, name: str, count: int) -> None:
    page.wait_for_function(f"([name, count]) => ({DRAWN})(name) >= count", arg=[name, count])
