"""Programs in other languages as workloads, in real processes: what they are given, and how each ends."""

import json
import threading
from pathlib import Path

import pytest

from paretune.experiment import Workload
from paretune.experiment_file import load_experiment
from paretune.observation import FailureReason, MetricValue, OutcomeKind
from paretune_trainer.ending import Listener
from paretune_trainer.job import seed_of
from paretune_trainer.node import Run, Task
from paretune_trainer.schema import CannotRun, check

OK, INFEASIBLE, CRASHED, STOPPED = (
    OutcomeKind.OK,
    OutcomeKind.INFEASIBLE,
    OutcomeKind.CRASHED,
    OutcomeKind.STOPPED_EARLY,
)
ROOT = Path(__file__).parents[2]


def task_of(*command, parameters=None, settings=None, metrics=("accuracy", "latency")):
    workload = Workload("command", settings or {}, command)
    return Task(workload, check(workload, (), ()), parameters or {}, 7, metrics)


def script_of(text, *arguments, **fields):
    """A shell script as the program; its braces are its own."""
    return task_of("sh", "-c", text.replace("{", "{{").replace("}", "}}"), *arguments, **fields)


@pytest.fixture
def sh(node):
    return lambda text, on=None, **fields: (on or node).train(Run(script_of(text, **fields)))


RESULT = """echo '{"accuracy": 0.9, "latency": [1.5, 0.25]}' >&$PARETUNE_METRICS_FD"""


def test_metrics_leave_on_the_descriptor(sh):
    verdict = sh(RESULT)
    assert verdict.outcome.kind is OK
    assert verdict.values == (MetricValue("accuracy", 0.9), MetricValue("latency", 1.5, 0.25))


def test_metrics_leave_by_the_file(sh):
    verdict = sh(RESULT.replace(">&$PARETUNE_METRICS_FD", '>> "$PARETUNE_METRICS_FILE"'))
    assert verdict.values == (MetricValue("accuracy", 0.9), MetricValue("latency", 1.5, 0.25))


def test_a_helper_that_outlives_its_program_and_reports_without_end_ends_with_it(node):
    run = Run(script_of("""(while :; do echo '{"accuracy": 0.1}'; done >&3) &\n""" + RESULT))
    enough = threading.Timer(20, run.steering.cancel)
    enough.start()
    verdict = node.train(run)
    enough.cancel()
    assert verdict is not None, "it had to be cancelled"
    assert verdict.outcome.kind is OK
    assert MetricValue("latency", 1.5, 0.25) in verdict.values


def test_checkpoints_are_streamed_and_the_latest_values_stand(node):
    steps = []
    text = """for i in 1 2 3; do printf '{"step": %d, "accuracy": 0.%d}\\n' $i $i >&3; done
    printf '{"latency": 2}' >&3"""
    verdict = node.train(Run(script_of(text)), Listener(steps.append))
    assert [(step.step, step.values) for step in steps] == [(i, {"accuracy": i / 10}) for i in (1, 2, 3)]
    assert verdict.values == (MetricValue("accuracy", 0.3), MetricValue("latency", 2.0))


def test_parameters_arrive_in_three_ways(tmp_path, node):
    kept = tmp_path / "seen.json"
    text = """cp "$PARETUNE_TRIAL_FILE" KEPT
    printf '{"accuracy": %s, "latency": %s}' $PARETUNE_PARAM_LEARNING_RATE $1 >&3
    echo "$2 $3 $4" """
    output = []
    task = script_of(
        text.replace("KEPT", str(kept)),
        *("sh", "{n}", "{act}", "{epochs}", "{seed}{{}}"),
        parameters={"learning rate": 1e-05, "n": 3, "act": "a b; echo no"},
        settings={"epochs": "50"},
    )
    verdict = node.train(Run(task), Listener(output=output.append))
    assert verdict.values == (MetricValue("accuracy", 1e-05), MetricValue("latency", 3.0))
    assert b"".join(output).decode() == "a b; echo no 50 7{}\n"
    assert json.loads(kept.read_text()) == {
        "parameters": {"learning rate": 1e-05, "n": 3, "act": "a b; echo no"},
        "settings": {"epochs": "50"},
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("script", "kind", "failure", "words"),
    [
        ("exit 3", CRASHED, "EXCEPTION", "sh ended with exit status 3."),
        ("kill -SEGV $$", CRASHED, "SIGNAL", "SIGSEGV"),
        ("kill -KILL $$", CRASHED, "SIGNAL", "SIGKILL"),
        ("kill -TERM $$", CRASHED, "SIGNAL", "SIGTERM"),
        (":", CRASHED, "NO_RESULT", "reported no metrics: write a line such as"),
        ("echo accuracy 0.9 >&3", CRASHED, "NO_RESULT", "reported 'accuracy 0.9', which is no JSON object"),
        ("""echo '{"accuracy": "high"}' >&3; sleep 60""", CRASHED, "NO_RESULT", "which is no JSON object"),
        ("""echo '{"accuracy": 0.9}' >&3""", CRASHED, "NO_RESULT", "did not return latency"),
        ("""echo '{"accuracy": NaN, "latency": 1}' >&3""", INFEASIBLE, "NOT_FINITE", "accuracy is nan"),
        ("""echo '{"infeasible": "no layers"}' >&3; exit 1""", INFEASIBLE, "DECLARED", "no layers"),
        ("""head -c 2000000 /dev/zero >&3; sleep 60""", CRASHED, "NO_RESULT", "more than 1 MiB"),
    ],
)  # fmt: skip
def test_each_bad_end_is_one_typed_outcome(sh, script, kind, failure, words):
    verdict = sh(script)
    assert (verdict.outcome.kind, verdict.outcome.failure) == (kind, FailureReason[failure])
    assert words in verdict.outcome.reason
    assert "Traceback" not in str(verdict.metadata)


def test_a_program_that_does_not_end_meets_the_time_limit(make_node, sh):
    verdict = sh(
        "trap '' TERM; sleep 300 & wait; sleep 300", on=make_node(time_limit=2.0, pid_namespace="never")
    )
    assert verdict.outcome.failure is FailureReason.TIMEOUT
    # A PID namespace would have ended it unseen.
    assert verdict.metadata["processes_left_behind"] >= "1"


def test_stopped_early_it_gets_sigterm_and_keeps_what_it_said(node):
    run = Run(script_of("""echo '{"step": 4, "accuracy": 0.5}' >&3; sleep 300"""))
    verdict = node.train(run, Listener(step=lambda _: run.steering.stop_early()))
    assert (verdict.outcome.kind, verdict.outcome.step) == (STOPPED, 4)
    assert verdict.values == (MetricValue("accuracy", 0.5),)


def test_a_program_may_tidy_up_when_it_is_stopped(node):
    text = """trap 'echo "{\\"latency\\": 3}" >&3; exit 0' TERM
    echo '{"step": 4, "accuracy": 0.5}' >&3
    while :; do sleep 0.02; done"""
    run = Run(script_of(text))
    verdict = node.train(run, Listener(step=lambda _: run.steering.stop_early()))
    assert verdict.outcome.kind is STOPPED
    assert verdict.values == (MetricValue("accuracy", 0.5), MetricValue("latency", 3.0))


def test_no_token_reaches_the_program(make_node):
    output = []
    node = make_node(
        environ={"PATH": "/usr/bin:/bin", "PARETUNE_TOKEN": "canary", "AWS_SECRET_KEY": "canary"}
    )
    node.train(Run(task_of("env")), Listener(output=output.append))
    assert "PARETUNE_SEED=7" in b"".join(output).decode()
    assert "canary" not in b"".join(output).decode()


@pytest.mark.parametrize(
    ("program", "where"), [("no-such-program", "on this node's PATH"), ("./none", "in ")]
)
def test_a_missing_program_is_found_out_before_any_suggestion_is_taken(node, program, where):
    task = task_of(program)
    with pytest.raises(CannotRun) as caught, node.slot(task):
        node.prepare(task)
    assert f"There is no program '{program}' {where}" in str(caught.value)


def test_the_example_in_awk_learns(make_node):
    experiment = load_experiment(ROOT / "examples" / "fit.yaml")
    workload = Workload("command", experiment.settings, experiment.workload.command)
    node = make_node(python_path=(str(ROOT),))
    task = Task(
        workload,
        check(workload, (), ()),
        {"degree": 3, "rate": 1.0},
        seed_of(0, 1),
        ("rmse", "multiplications"),
    )
    steps = []
    verdict = node.train(Run(task), Listener(steps.append))
    assert verdict.outcome.kind is OK
    assert len(steps) == 30
    assert steps[-1].values["rmse"] < steps[0].values["rmse"]
    assert verdict.values == (
        MetricValue("rmse", steps[-1].values["rmse"]),
        MetricValue("multiplications", 4.0),
    )
