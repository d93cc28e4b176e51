"""Take the pictures of docs/dashboard.md anew, of a real search: python tools/dashboard_tour.py.

`paretune up`, `paretune run examples/digits.yaml`, and a look at its page in Debian's Chromium after 26 of 40
trainings. Takes two to four minutes; one trial is amended, so that there is something to show.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import paretune as pt
from paretune.local import free_ports

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
TRIALS = 26
QUALITY = 82
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


@contextmanager
def searching() -> Iterator[tuple[str, pt.ExperimentHandle]]:
    """A search that runs: the address of the dashboard, and the experiment."""
    paretune = [sys.executable, "-m", "paretune"]
    port = free_ports(1)[0]
    server = f"127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        up = subprocess.Popen([*paretune, "up", "--db", "tune.db", "--port", str(port)], cwd=folder)
        try:
            with pt.connect(server) as client:
                run = [*paretune, "run", "--server", server, str(ROOT / "examples" / "digits.yaml")]
                searching = subprocess.Popen(run, cwd=folder, stdout=subprocess.DEVNULL)
                while not (found := list(client.list_experiments())):
                    time.sleep(1)
                experiment = client.experiment(found[0].id)
                while experiment.refresh().progress.observations < TRIALS:
                    time.sleep(1)
                yield f"http://127.0.0.1:{port + 3}", experiment
                searching.terminate()
        finally:
            up.terminate()
            up.wait()


def save(page: Page, name: str, *, whole: bool = False) -> None:
    """Keep what the page shows, at 1200 pixels at most."""
    image = Image.open(io.BytesIO(page.screenshot(full_page=whole)))
    image.thumbnail((1200, 4000))
    image.save(IMAGES / f"dashboard-{name}.webp", quality=QUALITY, method=6)


def open_page(browser: Browser, width: int, height: int, theme: str = "light") -> Page:
    """A page of this size."""
    view = {"width": width, "height": height}
    return browser.new_context(viewport=view, color_scheme=theme).new_page()  # type: ignore[arg-type]


def tour(browser: Browser, address: str, experiment: pt.ExperimentHandle) -> None:
    """All pictures."""
    place = f"{address}/#/experiments/{experiment.id}"
    page = open_page(browser, 1280, 1000)
    page.goto(place)
    page.get_by_role("heading", name="Efficient trials").wait_for()
    page.wait_for_timeout(2500)
    save(page, "overview")

    front = experiment.pareto_front()
    chosen = front.points[len(front) // 2].observation
    old = {value.metric: value for value in chosen.values}["inference_ms"]
    experiment.amend(
        chosen, {"inference_ms": (old.value * 1.02, old.stddev or 0.01)}, reason="measured again, alone"
    )
    page.goto("about:blank")
    page.goto(f"{place}/trials")
    page.wait_for_timeout(2000)
    page.locator(".virtual tbody tr.link").filter(
        has_text=re.compile(f"^{chosen.ordinal}(efficient|ok)")
    ).click()
    page.get_by_role("dialog").get_by_text("measured again").wait_for()
    page.wait_for_timeout(1000)
    save(page, "trials")

    page = open_page(browser, 1280, 1000)
    page.goto(f"{place}/understand")
    page.get_by_role("region", name="What if?").locator("dd").first.wait_for(timeout=60_000)
    page.wait_for_timeout(3000)
    save(page, "understand", whole=True)
    page = open_page(browser, 390, 844, "dark")
    page.goto(place)
    page.wait_for_timeout(3000)
    save(page, "phone")


def main() -> None:
    """Search, look, save."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        sys.exit("The tour needs Chromium: apt-get install chromium, or set CHROMIUM=PATH.")
    with searching() as (address, experiment), sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=FLAGS)
        tour(browser, address, experiment)
        browser.close()


if __name__ == "__main__":
    main()
