import math
import statistics
import subprocess
import sys

import pytest
import torch

from paretune_trainer.workload import Infeasible
from paretune_trainer.workloads.catalog import ROTTEN_TOMATOES
from paretune_trainer.workloads.data import MissingData
from paretune_trainer.workloads.rotten_tomatoes import Training, rotten_tomatoes
from paretune_trainer.workloads.sentence_cnn import PRESETS, Configuration

# One epoch (a tenth of it, at least one) of a small network.
TINY = {"epochs": 5, "embed_dim": 100, "num_feature_maps": 20, "batch_size": 100}
LEARNING = {**TINY, "epochs": 30, "batch_size": 50, "log_learning_rate": math.log(3e-3)}


@pytest.fixture
def make_quick(make_trial, data_folder):
    def make(seed=0, stop_at=None, **settings):
        open_limits = {"min_accuracy": "0", "max_seconds": "1e9"}
        given = {"preset": "quick", "data": str(data_folder), **open_limits, **settings}
        return make_trial(seed=seed, stop_at=stop_at, settings=given)

    return make


def training(corpus, *, max_seconds=1e9, halve_every=50, seed=0, **parameters) -> Training:
    values = ROTTEN_TOMATOES.complete_parameters({**TINY, **parameters})
    return Training(
        Configuration.from_parameters(values, PRESETS["quick"]),
        corpus,
        halve_every=halve_every,
        max_seconds=max_seconds,
        seed=seed,
        device="cpu",
        threads=1,
    )


def test_reports_its_metrics_on_the_real_data(make_quick):
    trial = make_quick()
    metrics = rotten_tomatoes({**TINY, "epochs": 20}, trial)
    assert list(metrics) == ["accuracy", "training_time"]
    for value, error in metrics.values():
        assert math.isfinite(value)
        assert error > 0
    assert 40 < metrics["accuracy"][0] < 100
    assert metrics["accuracy"][1] == pytest.approx(1.5, rel=0.1)
    assert [step for step, _ in trial.checkpoints] == [1, 2]
    assert trial.checkpoints[-1][1] == {name: value for name, (value, _) in metrics.items()}
    times = [vector["training_time"] for _, vector in trial.checkpoints]
    assert 0 < times[0] < times[1]


def test_quick_preset_learns_and_repeats_itself(make_quick):
    curves = []
    for seed in (3, 3, 4):
        trial = make_quick(seed=seed)
        rotten_tomatoes(LEARNING, trial)
        curves.append([vector["accuracy"] for _, vector in trial.checkpoints])
    assert curves[0] == curves[1] != curves[2]
    assert max(curves[0]) > 60


def test_too_little_accuracy_is_infeasible(make_quick):
    with pytest.raises(Infeasible, match=r"the accuracy is \d\d\.\d %, below 99\.5 %"):
        rotten_tomatoes(TINY, make_quick(min_accuracy="99.5"))


def test_the_preset_s_limits_hold_unless_settings_say_otherwise(make_quick):
    hopeless = {**TINY, "log_learning_rate": math.log(1e-8)}
    with pytest.raises(Infeasible, match=f"below {PRESETS['quick'].min_accuracy:g} %"):
        rotten_tomatoes(hopeless, make_quick(min_accuracy=""))


def test_training_stops_when_its_time_is_over(make_quick):
    trial = make_quick(max_seconds="1e-3")
    with pytest.raises(Infeasible, match=r"training passed 0\.001 s in epoch 1 of 10"):
        rotten_tomatoes({**TINY, "epochs": 100}, trial)
    assert trial.checkpoints == []


def test_time_is_looked_at_within_an_epoch(sentences):
    run = training(sentences, max_seconds=0.0, batch_size=10)
    with pytest.raises(Infeasible):
        run.run_epoch()
    assert len(run.laps._laps) == 1


def test_loss_that_is_not_finite_is_infeasible(make_quick):
    with pytest.raises(Infeasible, match=r"the training loss is (nan|inf) in epoch [12]"):
        rotten_tomatoes({**TINY, "epochs": 20, "log_learning_rate": 85.0}, make_quick())


def test_weights_spoilt_by_the_last_step_are_infeasible(sentences):
    run = training(sentences, batch_size=64, log_learning_rate=85.0)
    run.run_epoch()  # one step, whose loss was computed before it
    with pytest.raises(Infeasible, match="outputs are not finite after epoch 1"):
        run.correct()


def test_stopped_early_with_the_metrics_it_has(make_quick):
    # Not held against an accuracy it was not given the time to reach.
    trial = make_quick(stop_at=1, min_accuracy="99.5")
    assert set(rotten_tomatoes({**TINY, "epochs": 100}, trial)) == {"accuracy", "training_time"}
    assert [step for step, _ in trial.checkpoints] == [1]


def test_gradients_are_clipped_before_each_step(sentences, monkeypatch):
    norms = []

    def record(self, rate):
        norms.append(torch.stack([p.grad.norm() for p in self._parameters]).norm().item())

    monkeypatch.setattr("paretune_trainer.workloads.rmsprop.RmsProp.step", record)
    for bound in (1e9, 0.01):
        run = training(sentences, max_grad_norm=bound, batch_size=16)
        run.run_epoch()
    free, clipped = norms[:4], norms[4:]
    assert min(free) > 0.02
    assert clipped == pytest.approx([0.01] * 4, rel=1e-3)


def test_each_step_is_taken_at_the_epoch_s_rate(sentences, monkeypatch):
    rates = []
    monkeypatch.setattr(
        "paretune_trainer.workloads.rmsprop.RmsProp.step", lambda self, rate: rates.append(rate)
    )
    run = training(sentences, batch_size=40, epochs=50, log_learning_rate=math.log(0.5), halve_every=2)
    for _ in range(5):
        run.run_epoch()
    assert rates == pytest.approx([0.5] * 4 + [0.25] * 4 + [0.125] * 2)


def test_an_epoch_sees_every_sentence_once_and_times_every_batch(sentences, monkeypatch):
    run = training(sentences, batch_size=10)
    seen = []
    loss = run._loss
    monkeypatch.setattr(run, "_loss", lambda rows: seen.append(rows) or loss(rows))
    run.run_epoch()
    assert [len(rows) for rows in seen] == [10] * 6 + [4]
    assert sorted(torch.cat(seen).tolist()) == list(range(64))
    assert [steps for steps, _ in run.laps._laps] == [2, 2, 2, 1]
    total, error = run.laps.measured()
    assert total > error > 0


def test_warming_up_changes_no_weight_and_no_time(sentences):
    run = training(sentences, seed=5)
    torch.manual_seed(5)
    fresh = type(run.network)(run._configuration, sentences.vocabulary)
    for ours, theirs in zip(run.network.parameters(), fresh.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
        assert ours.grad is None
    assert run.laps.total == 0


def test_it_learns_what_there_is_to_learn(sentences):
    run = training(sentences, batch_size=8, dropout_rate=0.1, log_learning_rate=math.log(3e-3))
    before = run.correct()
    for _ in range(15):
        run.run_epoch()
    assert before < 700 < 900 < run.correct()


def test_noise_of_repeated_trainings_of_one_model(sentences, capsys):
    """Prints the coefficient of variation; the bound only catches a broken timer."""
    runs = [training(sentences, batch_size=4) for _ in range(10)]
    for run in runs:
        for _ in range(2):
            run.run_epoch()
    totals, errors = zip(*(run.laps.measured() for run in runs), strict=True)
    variation = statistics.stdev(totals) / statistics.mean(totals)
    reported = statistics.median(errors) / statistics.mean(totals)
    with capsys.disabled():
        print(
            f"\ntraining time, 10 trainings of one model: coefficient of variation {variation:.2%}, "
            f"standard error reported by one of them {reported:.2%}"
        )
    assert variation < 0.5


def test_running_out_of_memory_is_infeasible(make_quick):
    # 40 TB of weights: more than any machine lends, whatever it overcommits.
    with pytest.raises(Infeasible, match="out of memory"):
        rotten_tomatoes({**TINY, "embed_dim": 4 * 10**7, "num_feature_maps": 10**6}, make_quick())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preset": "fast"}, "preset 'fast' is unknown; use full, medium, quick"),
        ({"device": "tpu"}, "device 'tpu' is not here"),
        ({"min_accuracy": "75 %"}, "setting min_accuracy: expected a finite number, got '75 %'"),
        ({"max_seconds": "nan"}, "setting max_seconds: expected a finite number, got 'nan'"),
        ({"epochs": "3"}, "no setting epochs"),
    ],
)
def test_settings_that_are_not_understood_are_refused(make_quick, settings, message):
    with pytest.raises(ValueError, match=message):
        rotten_tomatoes(TINY, make_quick(**settings))


def test_missing_data_is_not_the_configuration_s_fault(make_trial, tmp_path):
    with pytest.raises(MissingData, match=r"rt-polarity/rt-polarity\.pos is missing"):
        rotten_tomatoes({}, make_trial(settings={"data": str(tmp_path)}))


def test_a_trial_does_not_import_the_torch_compiler(data_folder):
    """It costs a trial's child process a second."""
    code = (
        "import sys, types\n"
        "from paretune_trainer.workloads.rotten_tomatoes import rotten_tomatoes\n"
        f"settings = {{'preset': 'quick', 'min_accuracy': '0', 'data': {str(data_folder)!r}}}\n"
        "trial = types.SimpleNamespace(seed=0, settings=settings, log=print,\n"
        "    checkpoint=lambda *a, **k: None, should_stop=lambda: False)\n"
        f"rotten_tomatoes({TINY!r}, trial)\n"
        "print(sorted({'sklearn', 'scipy', 'torch._dynamo', 'tensorflow'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
