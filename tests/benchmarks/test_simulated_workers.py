"""The simulation of many workers, scaled down."""

from benchmarks.simulated_workers import measure


def test_twenty_workers_do_each_suggestion_once(tmp_path):
    figures = measure(workers=20, trials=40, seconds=0.2, folder=tmp_path, connections=4)
    assert figures["each suggestion once"]
    assert (figures["trials"], figures["attempts"]) == (40, 1)
    assert figures["overhead ms p50"] > 0
