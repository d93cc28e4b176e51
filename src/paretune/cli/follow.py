"""Follow experiments until their budgets are filled, showing what happens."""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from paretune.cli.console import err, remark
from paretune.cli.progress import Course, Display, end_line
from paretune.client import Client, calls
from paretune.errors import FailedPrecondition, InvalidArgument, ParetuneError
from paretune.experiment import Experiment, ExperimentState
from paretune.observation import Event
from paretune.parameters import Double

TICK = 0.25
IDLE_SECONDS = 8.0
"""Time without a running trial after which to ask why."""

_Item = tuple[int, Event | Experiment | ParetuneError]
"""Which experiment; what happened, the experiment when all is told anew, or why nothing is any more."""


def follow(
    client: Client,
    experiments: Sequence[Experiment],
    *,
    check: Callable[[], None] = lambda: None,
    idle: Callable[[Experiment], str] = lambda experiment: "",
    clock: Callable[[], float] = time.monotonic,
) -> list[Course]:
    """Show the experiments until every budget is filled or space exhausted; gives how they ended.

    Args:
        client: where they are.
        experiments: what to follow; without a budget, until the caller is interrupted.
        check: called often; raises when there is no sense in waiting any more.
        idle: asked for a remark when nothing runs for a while.
        clock: seconds, monotonic.

    Raises:
        FailedPrecondition: an experiment was paused, finished or archived meanwhile.
        ParetuneError: the services do not answer, or `check` raised it.
    """
    begun = clock()
    courses = [Course(e, begun_at=begun, begun_with=e.progress.observations) for e in experiments]
    events: queue.Queue[_Item] = queue.Queue()
    for index, experiment in enumerate(experiments):
        threading.Thread(target=_watch, args=(client, experiment.id, index, events), daemon=True).start()
    busy_at = begun
    with Display(err(), courses, clock) as display:
        while not all(course.done for course in courses):
            check()
            if _take(client, courses, events, display) or any(course.running for course in courses):
                busy_at = clock()
            elif clock() - busy_at > IDLE_SECONDS:
                busy_at = clock()
                if all(course.done or exhausted(client, course.experiment) for course in courses):
                    break
                for text in {idle(course.experiment) for course in courses if not course.done} - {""}:
                    display.tell(text)
            for course in courses:
                _check_active(course)
    for course in courses:
        remark(end_line(course, clock()))
    return courses


def _watch(client: Client, experiment_id: str, index: int, events: "queue.Queue[_Item]") -> None:
    try:
        while True:
            try:
                for event in client.watch(experiment_id):
                    events.put((index, event))
            except InvalidArgument as error:
                if error.reason != "INVALID_TOKEN":
                    raise
                # The Store was restored from a backup: what was told may be lost, and all is told again.
                events.put((index, client.get_experiment(experiment_id)))
    except ParetuneError as error:
        events.put((index, error))
    except ValueError:
        pass  # the client was closed: nobody listens any more


def _take(client: Client, courses: list[Course], events: "queue.Queue[_Item]", display: Display) -> bool:
    """Take what happened, waiting a moment for it; whether anything did."""
    try:
        items = [events.get(timeout=TICK)]
    except queue.Empty:
        return False
    while not events.empty():
        items.append(events.get())
    changed = set()
    for index, item in items:
        if isinstance(item, ParetuneError):
            raise item
        if isinstance(item, Experiment):
            before = courses[index]
            courses[index] = Course(item, begun_at=before.begun_at, begun_with=before.begun_with)
            continue
        observation = courses[index].take(item)
        if observation is not None:
            display.observed(courses[index], observation)
            changed.add(index)
    for index in changed:
        _measure(client, courses[index])
    return True


def _measure(client: Client, course: Course) -> None:
    """Bring the size of the front up to date; one that cannot be had now is had later."""
    try:
        front = client.run(calls.pareto_front(course.experiment.id, 0, 0.0, None), patience=1.0)
    except ParetuneError:
        return
    course.efficient = len(front)


def _check_active(course: Course) -> None:
    state = course.experiment.state
    if state is not ExperimentState.ACTIVE and not course.running and not course.done:
        raise FailedPrecondition(
            f"{course.experiment.name} is {state.name.lower()} and starts no more trials; "
            f"go on with `paretune resume {course.experiment.id}`."
        )


def exhausted(client: Client, experiment: Experiment) -> bool:
    """Whether every configuration of a finite space was suggested already."""
    if any(isinstance(parameter, Double) and not parameter.grid for parameter in experiment.space):
        return False
    try:
        (suggestion,) = client.suggest(experiment.id, worker="paretune-run", within_budget=True)
    except FailedPrecondition as error:
        return error.reason == "SPACE_EXHAUSTED"
    # There is work after all; the next worker gets it.
    client.release(suggestion.id, suggestion.lease.fence if suggestion.lease else "")
    return False
