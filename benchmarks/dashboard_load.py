"""How the dashboard bears a long history: python -m benchmarks.dashboard_load [--trials 50000] [--metrics 3].

Real services, a real dashboard and Debian's Chromium, all on this machine. Prints, in milliseconds: how long
a reader waits for the first chart (with the gateway's view cold, then warm), how long interactions take until
they are drawn, how long an observation takes from Observe's OK to the page; and the gateway's memory over
reloads. Figures depend on what else the machine does: the load average is printed with them.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Page, sync_playwright

import paretune as pt
from paretune.local import free_ports, listens
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
BATCH = 500
RELOADS = 8

# Two frames later what was asked for is on the screen.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def observation(experiment_id: str, metrics: int, rng: random.Random) -> Observation:
    """A random configuration with a trade-off between all metrics, one in ten without a measurement."""
    point = [rng.random() for _ in range(6)]
    assignments = {f"x{k}": value for k, value in enumerate(point)}
    if rng.random() < 0.1:
        outcome = Outcome(OutcomeKind.INFEASIBLE, "the loss is not a number")
        return Observation(assignments, outcome=outcome, experiment_id=experiment_id)
    waste = sum(point[3:])
    values = tuple(
        MetricValue(f"m{k}", (point[k % 3] - 1.0) ** 2 + sum(point[:3]) / 3 + waste, 0.01)
        for k in range(metrics)
    )
    return Observation(assignments, values, experiment_id=experiment_id)


def fill(client: pt.Client, trials: int, metrics: int) -> pt.ExperimentHandle:
    """An experiment with a long history."""
    made = client.create_experiment(
        name="long",
        id="long",
        parameters=[pt.Double(f"x{k}", 0, 1) for k in range(6)],
        metrics=[pt.Minimize(f"m{k}") for k in range(metrics)],
        policy="random",
    )
    rng = random.Random(1)
    for begin in range(0, trials, BATCH):
        batch = [observation(made.id, metrics, rng) for _ in range(min(BATCH, trials - begin))]
        client.observe_batch(made.id, batch)
    return made


@contextmanager
def dashboard(server: str) -> Iterator[tuple[str, psutil.Process]]:
    """A dashboard; its address and process."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    command = [sys.executable, "-m", "paretune_dashboard", "--server", server, "--listen", address]
    with subprocess.Popen([*command, "--log-level", "WARNING"]) as process:
        while not listens(address):
            time.sleep(0.05)
        try:
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()


def first_chart(page: Page, url: str) -> float:
    """Milliseconds from asking for the page to the first chart."""
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_function("() => performance.getEntriesByName('chart').length > 0", timeout=120_000)
    return float(page.evaluate("performance.getEntriesByName('chart')[0].startTime"))


def took(page: Page, act: Callable[[], Any]) -> float:
    """Milliseconds until what `act` asks for is drawn."""
    begin = time.perf_counter()
    act()
    page.evaluate(DRAWN)
    return 1000 * (time.perf_counter() - begin)


def interactions(page: Page) -> dict[str, float]:
    """Medians of what people do most."""

    def of(name: str, selector: str) -> float:
        script = f"document.querySelector({selector!r}).click()"
        return statistics.median(took(page, lambda: page.evaluate(script)) for _ in range(5))

    vertical = page.get_by_label("Vertical")
    axis = [took(page, lambda k=k: vertical.select_option(str(k % 2))) for k in range(5)]
    return {
        "error bars on or off": of("errors", ".controls input[type=checkbox]"),
        "another metric": statistics.median(axis),
        "theme": of("theme", ".bar-end button"),
    }


def live(page: Page, made: pt.ExperimentHandle, metrics: int) -> list[float]:
    """Milliseconds from Observe's OK to the page, several times."""
    rng, waits = random.Random(2), []
    for _ in range(5):
        before = made.refresh().progress.observations
        made.client.observe(observation(made.id, metrics, rng))
        begin = time.perf_counter()
        wanted = f"{before + 1:,}"
        page.wait_for_function(
            "(wanted) => document.querySelector('.tile .value')?.textContent === wanted",
            arg=wanted,
            polling=20,
        )
        waits.append(1000 * (time.perf_counter() - begin))
        time.sleep(1)
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=50_000)
    parser.add_argument("--metrics", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, pt.local(Path(folder) / "t.db", trainer_slots=0) as client:
        made = fill(client, asked.trials, asked.metrics)
        client.pareto_front(made.id)  # the Optimizer has followed the experiment, as in a search
        with dashboard(client.address) as (address, process), sync_playwright() as player:
            browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            url = f"http://{address}/#/experiments/{made.id}"
            print(f"{asked.trials:,} trials, {asked.metrics} metrics; load {os.getloadavg()[0]:.1f}")
            print(f"first chart, cold  {first_chart(page, url):8.0f} ms")
            warm = [first_chart(page, url) for _ in range(3)]
            print(f"first chart, warm  {statistics.median(warm):8.0f} ms")
            page.wait_for_timeout(3000)
            for name, milliseconds in interactions(page).items():
                print(f"{name:18} {milliseconds:8.0f} ms")
            waits = live(page, made, asked.metrics)
            print(f"observed to shown  {statistics.median(waits):8.0f} ms, at most {max(waits):.0f}")
            sizes = []
            for _ in range(RELOADS):
                first_chart(page, url)
                sizes.append(process.memory_info().rss / 2**20)
            print(f"gateway memory     {sizes[0]:8.0f} MiB, after {RELOADS} reloads {sizes[-1]:.0f} MiB")
            browser.close()


if __name__ == "__main__":
    main()
