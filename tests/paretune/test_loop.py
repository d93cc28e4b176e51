"""The loop over trials, against real services."""
import paretune as pt


def test_fills_the_budget_and_stops(experiment: pt.ExperimentHandle):
    for trial in experiment.trials():
        with trial:
            trial.observe(accuracy=trial["x"], cost=(float(trial["n"]), 0.5))
    progress = experiment.refresh().progress
    assert (progress.observations, progress.ok, progress.leased) == (6, 6, 0)
    assert list(experiment.trials()) == []
