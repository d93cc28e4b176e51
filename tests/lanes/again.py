"""Plugin of pytest for the long lanes: leaves out what passed before, and writes down what runs."""

import os
from pathlib import Path

import record


def pytest_collection_modifyitems(config, items):
    done = record.passed(Path(record.PATH))
    soak = os.environ["PARETUNE_LANE"] == "soak"
    wanted = [
        item
        for item in items
        if item.nodeid not in done and (not soak or item.get_closest_marker("soak") is not None)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


def pytest_runtest_logstart(nodeid):
    """Called in the process that runs the test, and with xdist in the one above it, too."""
    if "PYTEST_XDIST_WORKER" in os.environ or "PARETUNE_ALONE" in os.environ:
        record.write(test=nodeid, begin=True)


def pytest_runtest_logreport(report):
    if report.when == "call" and report.passed:
        record.write(test=report.nodeid, passed=True)
