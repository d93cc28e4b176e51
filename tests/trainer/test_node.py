"""Each way in which a training can end, in real processes."""

import json
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from paretune.errors import FailedPrecondition, NotFound
from paretune.observation import FailureReason, MetricValue, OutcomeKind
from paretune_trainer.ending import Listener
from paretune_trainer.node import Run
from paretune_trainer.schema import CannotRun

OK, INFEASIBLE, CRASHED, STOPPED = (
    OutcomeKind.OK,
    OutcomeKind.INFEASIBLE,
    OutcomeKind.CRASHED,
    OutcomeKind.STOPPED_EARLY,
)


def test_a_good_training_gives_values_errors_steps_log_and_notes(train):
    steps, output = [], []
    verdict = train("ok", {"x": 0.125}, listener=Listener(steps.append, output.append), seed=77)
    assert verdict.outcome.kind is OK
    assert verdict.values == (MetricValue("accuracy", 0.875, 0.01), MetricValue("latency", 2.0, None))
    assert [(step.step, step.values) for step in steps] == [
        (1, {"accuracy": 0.1}),
        (2, {"accuracy": 0.2}),
        (3, {"accuracy": 0.3}),
    ]
    assert "hello" in b"".join(output).decode()
    assert "printed" in b"".join(output).decode()
    assert verdict.metadata["seed"] == "77"
    assert verdict.metadata["workload"] == "sample_workloads:ok"
    assert float(verdict.metadata["duration_s"]) > 0
    assert {"python", "device"} <= set(verdict.metadata)


@pytest.mark.parametrize(
    ("function", "kind", "failure", "words"),
    [
        ("infeasible", INFEASIBLE, "DECLARED", "more weights than the device allows"),
        ("nan", INFEASIBLE, "NOT_FINITE", "accuracy is nan"),
        ("infinite", INFEASIBLE, "NOT_FINITE", "latency is inf"),
        ("out_of_memory", INFEASIBLE, "OUT_OF_MEMORY", "MemoryError: no more"),
        ("torch_out_of_memory", INFEASIBLE, "OUT_OF_MEMORY", "Tried to allocate"),
        ("declared_after_out_of_memory", INFEASIBLE, "OUT_OF_MEMORY", "out of memory"),
        ("crash", CRASHED, "EXCEPTION", "ValueError: first line second line"),
        ("huge_message", CRASHED, "EXCEPTION", "RuntimeError: xxx"),
        ("segfault", CRASHED, "SIGNAL", "SIGSEGV"),
        ("kill_itself", CRASHED, "SIGNAL", "SIGKILL"),
        ("leave", CRASHED, "NO_RESULT", "exit status 0 before"),
        ("replace_itself", CRASHED, "NO_RESULT", "exit status 0 before"),
        ("wrong_names", CRASHED, "NO_RESULT", "did not return accuracy (it returned acc, latency): make it"),
        ("no_mapping", CRASHED, "NO_RESULT", "returned 0.5; it must return a mapping"),
        ("no_number", CRASHED, "NO_RESULT", "'high' for metric 'accuracy'; it must be a number"),
        ("garbage", CRASHED, "NO_RESULT", "something that is not a result"),
        ("endless_line", CRASHED, "NO_RESULT", "more than 4 MiB"),
    ],
)
def test_each_bad_end_is_one_typed_outcome(train, function, kind, failure, words):
    verdict = train(function)
    assert verdict.outcome.kind is kind
    assert verdict.outcome.failure is FailureReason[failure]
    assert words in verdict.outcome.reason
    assert "\n" not in verdict.outcome.reason
    assert sum(len(k) + len(v) for k, v in verdict.metadata.items()) < 32 * 1024
    assert not verdict.not_run


def test_an_exit_status_is_named(train):
    assert "exit status 3" in train("leave", {"code": 3}).outcome.reason


def test_a_crash_comes_with_its_traceback_and_the_end_of_its_log(train):
    metadata = train("crash").metadata
    assert metadata["traceback"].startswith("Traceback")
    assert "in crash" in metadata["traceback"]
    assert "before the crash" in metadata["log_tail"]


def test_finite_metrics_of_a_diverged_training_are_kept(train):
    assert train("nan").values == (MetricValue("latency", 2.0, None),)


def test_an_unusable_standard_error_is_an_unknown_one(train):
    assert [value.stddev for value in train("unknown_error").values] == [None, None]


def test_metrics_that_the_experiment_does_not_have_are_named_in_the_notes(train):
    verdict = train("more_names")
    assert verdict.outcome.kind is OK
    assert [value.metric for value in verdict.values] == ["accuracy", "latency"]
    assert verdict.metadata["unrecorded_metrics"] == "weights"


def test_without_an_experiment_all_metrics_are_taken(train):
    assert [v.metric for v in train("more_names", metrics=None).values] == ["accuracy", "latency", "weights"]


def test_fifty_thousand_metrics_do_no_harm(train):
    verdict = train("many_metrics")
    assert verdict.outcome.kind is CRASHED
    assert len(verdict.outcome.reason) < 5000
    assert sum(len(v) for v in verdict.metadata.values()) < 32 * 1024


@pytest.mark.parametrize(("infeasible", "kind"), [(False, CRASHED), (True, INFEASIBLE)])
def test_a_training_past_the_time_limit_is_killed(make_node, train, infeasible, kind):
    node = make_node(time_limit=0.5, timeout_is_infeasible=infeasible)
    verdict = train("forever", on=node)
    assert verdict.outcome.kind is kind
    assert verdict.outcome.failure is FailureReason.TIMEOUT
    assert "within 0.5 s" in verdict.outcome.reason


def test_a_training_that_closed_all_its_channels_still_meets_the_time_limit(make_node, train):
    verdict = train("close_everything", on=make_node(time_limit=0.5))
    assert verdict.outcome.failure is FailureReason.TIMEOUT


def test_the_memory_limit_is_felt_as_out_of_memory(make_node, train):
    verdict = train("allocate", on=make_node(memory_bytes=1024**3))
    assert verdict.outcome.kind is INFEASIBLE
    assert verdict.outcome.failure is FailureReason.OUT_OF_MEMORY


def test_stopped_early_gives_the_values_of_the_last_step(train, task):
    run = Run(task("until_told"))
    verdict = train(
        "", run=run, listener=Listener(step=lambda step: step.step == 5 and run.steering.stop_early())
    )
    assert verdict.outcome.kind is STOPPED
    assert verdict.outcome.step >= 5
    assert verdict.values == (MetricValue("accuracy", verdict.outcome.step / 1000),)


def test_a_workload_that_does_not_listen_ends_as_usual(train, task):
    run = Run(task("deaf"))
    verdict = train("", run=run, listener=Listener(step=lambda _: run.steering.stop_early()))
    assert verdict.outcome.kind is OK


def test_a_cancelled_training_has_no_verdict(train, task):
    run = Run(task("forever"))
    assert train("", run=run, listener=Listener(step=lambda _: run.steering.cancel())) is None


def test_a_training_cancelled_before_its_start_has_no_verdict(train, task):
    run = Run(task("forever"))
    run.steering.cancel()
    assert train("", run=run) is None


def test_output_is_kept_within_bounds_and_no_megabyte_of_it_holds_the_training_up(train):
    output = []
    verdict = train("flood", {"mib": 64}, listener=Listener(output=lambda data: output.append(len(data))))
    assert verdict.outcome.kind is OK
    assert sum(output) >= 64 * 1024 * 1024


def test_a_trial_sees_no_token(make_node, train):
    environ = {
        "PATH": "/usr/bin:/bin",
        "PARETUNE_TOKEN": "canary",
        "AWS_SECRET_ACCESS_KEY": "canary",
        "TORCH_API_KEY": "canary",
        "HTTPS_PROXY": "http://user:canary@proxy",
        "PARETUNE_DATA": "/data",
        "WANTED": "yes",
    }
    node = make_node(environ=environ, pass_env=("WANTED",))
    output = []
    train("see_environment", on=node, listener=Listener(output=output.append))
    seen = json.loads(b"".join(output).decode())
    assert "canary" not in json.dumps(seen)
    assert seen["PARETUNE_DATA"] == "/data"
    assert seen["WANTED"] == "yes"


def test_files_written_by_a_trial_are_gone_afterwards(node, train):
    output = []
    assert train("write_files", listener=Listener(output=output.append)).outcome.kind is OK
    assert not Path(b"".join(output).decode().strip()).exists()
    assert not list(node._folder.path.glob("trial-*"))


def test_global_generators_differ_between_seeds_and_repeat_with_one(train):
    first, again, other = (train("draw", seed=seed).values[0].value for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("warm", "same"), [("always", True), ("never", False), ("auto", False)])
def test_a_warm_launcher_is_kept_between_trials_and_user_code_starts_cold(make_node, train, warm, same):
    node = make_node(warm=warm, pid_namespace="never")
    first, second = (train("pid", on=node).values for _ in range(2))
    assert first[0].value != second[0].value
    assert (first[1].value == second[1].value) is same


def test_modules_that_start_threads_are_not_forked_from(make_node, train):
    node = make_node(warm="always", slots=1, pid_namespace="never")
    first, second = (train("sample_threaded:pid", on=node) for _ in range(2))
    assert first.outcome.kind is second.outcome.kind is OK
    assert first.values[1].value != second.values[1].value


def test_modules_that_take_the_launchers_alarm_away_in_forked_processes_do_no_harm(make_node, train):
    node = make_node(warm="always", slots=1, pid_namespace="never")
    first, second = (train("sample_fork_hook:pid", on=node) for _ in range(2))
    assert first.outcome.kind is second.outcome.kind is OK
    assert first.values[1].value == second.values[1].value


def test_warm_and_cold_trials_give_the_same_result(make_node, train):
    cold, warm = (train("draw", on=make_node(warm=mode)).values for mode in ("never", "always"))
    assert cold == warm


def test_measurements_exclude_each_other(make_node, train):
    spans, node = [], make_node(slots=3)

    def measure():
        begin, end = (value.value for value in train("measure", on=node).values)
        spans.append((begin, end))

    threads = [threading.Thread(target=measure) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans.sort()
    assert len(spans) == 3
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_a_trial_that_dies_measuring_frees_the_lock(train):
    assert train("die_measuring").outcome.failure is FailureReason.SIGNAL
    assert train("measure").outcome.kind is OK


def test_runs_are_listed_and_cancelled_by_id(node, task):
    run = Run(task("forever"))
    verdicts = []
    thread = threading.Thread(target=lambda: verdicts.append(node.train(run)))
    thread.start()
    while run.last_step is None:
        time.sleep(0.01)
    assert [known.id for known in node.runs()] == [run.id]
    node.cancel(run.id)
    thread.join()
    assert verdicts == [None]
    assert node.runs() == []
    with pytest.raises(NotFound, match="no run"):
        node.cancel(run.id)


def test_a_full_or_draining_node_is_busy(node, task):
    with node.slot(task("ok")), node.slot(task("ok")):
        with pytest.raises(FailedPrecondition, match="no free slot") as caught, node.slot(task("ok")):
            pass
        assert caught.value.reason == "NODE_BUSY"
        assert caught.value.metadata == {"slots": "2", "running": "2"}
    with node.slot(task("ok")):
        pass
    node.draining.set()
    with pytest.raises(FailedPrecondition, match="draining"), node.slot(task("ok")):
        pass


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("sample_workloads:nothing", "has no attribute 'nothing'"),
        ("json:__name__", "is not a function"),
    ],
)
def test_code_that_cannot_be_loaded_is_no_crash_of_the_configuration(node, task, function, words):
    with pytest.raises(CannotRun, match=r"cannot be loaded on this node") as caught:
        node.prepare(task(function))
    assert words in str(caught.value)
    assert words in node.train(Run(task(function))).not_run


def test_what_a_builtin_workload_misses_on_this_node_is_no_crash_of_the_configuration(node, train):
    verdict = train("diatoms", settings={"data": "/nonexistent"})
    assert "/nonexistent" in verdict.not_run


def test_code_is_loaded_for_the_check_once(node, task):
    calls = []
    execute = node._execute
    node._execute = lambda *a, **k: calls.append(1) or execute(*a, **k)
    node.prepare(task("ok"))
    node.prepare(task("ok"))
    assert calls == [1]


@pytest.mark.parametrize(
    ("function", "failure", "kind"),
    [
        ("killed_once", "UNSPECIFIED", OK),
        ("kill_itself", "SIGNAL", CRASHED),
        ("out_of_memory", "OUT_OF_MEMORY", INFEASIBLE),
    ],
)
def test_what_may_be_the_machines_doing_is_tried_again(make_node, train, tmp_path, function, failure, kind):
    verdict = train(function, {"folder": str(tmp_path)}, on=make_node(retries=1))
    assert (verdict.outcome.kind, verdict.outcome.failure) == (kind, FailureReason[failure])
    assert verdict.metadata["tries"] == "2"


def test_an_exception_is_not_tried_again(make_node, train):
    assert "tries" not in train("crash", on=make_node(retries=3)).metadata
