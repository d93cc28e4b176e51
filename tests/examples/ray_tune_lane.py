"""paretune behind Ray Tune; needs Ray, so it runs with `make test-ray`."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

import paretune as pt
from paretune.observation import OutcomeKind

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ray_tune.py"


@pytest.mark.filterwarnings("ignore")
def test_the_search_algorithm_suggests_and_observes(tmp_path):
    spec = spec_from_file_location("ray_tune_example", EXAMPLE)
    example = module_from_spec(spec)
    spec.loader.exec_module(example)
    with pt.local(tmp_path / "tune.db", trainer_slots=0) as client:
        experiment = client.create_experiment(
            name="ray", parameters=[pt.Double("x", -2, 2), pt.Double("y", -2, 2)],
            metrics=[pt.Minimize("left"), pt.Minimize("right")],
        )  # fmt: skip
        search = example.ParetuneSearch(client.address, experiment.id)
        configurations = {name: search.suggest(name) for name in ("a", "b")}
        search.save(str(tmp_path / "state"))
        resumed = example.ParetuneSearch(client.address, experiment.id)
        resumed.restore(str(tmp_path / "state"))
        resumed.on_trial_complete("a", example.train(configurations["a"]))
        resumed.on_trial_complete("b", error=True)
        good, bad = experiment.observations()
        assert good.assignments == configurations["a"]
        assert bad.outcome.kind is OutcomeKind.CRASHED


def test_ray_tune_runs_the_example(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "'left'" in done.stdout
