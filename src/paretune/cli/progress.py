"""What a person sees of an experiment while it runs: the state, fed by events, and how it is drawn.

On a terminal: one bar for the experiment and one line for each running trial, redrawn in place. Elsewhere:
one plain line for each observation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from paretune.cli.console import clean, number
from paretune.experiment import Experiment, Goal, Metric
from paretune.observation import (
    Checkpoint,
    Event,
    MetricValue,
    Observation,
    OutcomeKind,
    Suggestion,
    SuggestionState,
)

_BARS = "▁▂▃▄▅▆▇█"
GOOD = (OutcomeKind.OK, OutcomeKind.STOPPED_EARLY)


@dataclass
class Running:
    """A trial that a worker holds, with its last checkpoint.

    Attributes:
        curve: values of the first metric that its checkpoints tell, oldest first.
    """

    suggestion: Suggestion
    step: int = 0
    values: tuple[MetricValue, ...] = ()
    curve: list[float] = field(default_factory=list)


@dataclass
class Course:
    """The state of one experiment, as its events tell it.

    Attributes:
        experiment: as last seen.
        begun_at: seconds of the caller's clock when watching began.
        begun_with: observations that there were then.
        observed: observations that there are now.
        running: trials held by a worker, by suggestion id.
        best: best value of each optimized metric so far.
        efficient: size of the front, when known.
    """

    experiment: Experiment
    begun_at: float = 0.0
    begun_with: int = 0
    observed: int = 0
    running: dict[str, Running] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)
    efficient: int | None = None
    failed: int = 0

    @property
    def budget(self) -> int:
        """Observations planned; 0 when open."""
        return self.experiment.observation_budget

    @property
    def done(self) -> bool:
        """Whether the budget is filled."""
        return 0 < self.budget <= self.observed

    def take(self, event: Event) -> Observation | None:
        """Let one event change the state; gives the observation, if it is a new one."""
        change = event.change
        if isinstance(change, Experiment):
            self._take_experiment(change)
        elif isinstance(change, Suggestion):
            self._take_suggestion(change)
        elif isinstance(change, Checkpoint):
            if change.suggestion_id in self.running:
                running = self.running[change.suggestion_id]
                running.step, running.values = change.step, change.values
                running.curve += [value.value for value in change.values[:1]]
        elif change.ordinal > self.observed:
            return self._take_observation(change)
        return None

    def _take_experiment(self, experiment: Experiment) -> None:
        # Events begin with the past: what the experiment was then must not hide what it is now.
        known, told = self.experiment.update_time, experiment.update_time
        if known is None or told is None or told >= known:
            self.experiment = experiment

    def _take_suggestion(self, suggestion: Suggestion) -> None:
        if suggestion.state is SuggestionState.LEASED:
            known = self.running.get(suggestion.id)
            if known is None or known.suggestion.attempt != suggestion.attempt:
                self.running[suggestion.id] = Running(suggestion)
            else:
                known.suggestion = suggestion
        else:
            self.running.pop(suggestion.id, None)

    def _take_observation(self, observation: Observation) -> Observation | None:
        self.observed = observation.ordinal
        self.running.pop(observation.suggestion_id, None)
        if observation.outcome.kind not in GOOD:
            self.failed += 1
        for metric in self.experiment.optimized_metrics:
            value = observation.value(metric.name)
            if value is not None and observation.outcome.kind in GOOD:
                better = max if metric.goal is Goal.MAXIMIZE else min
                self.best[metric.name] = better(value, self.best.get(metric.name, value))
        return observation if self.observed > self.begun_with else None

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the budget is filled, at the rate since watching began; None when unknown."""
        new = self.observed - self.begun_with
        if not self.budget or new <= 0 or now <= self.begun_at:
            return None
        return (now - self.begun_at) / new * max(self.budget - self.observed, 0)


def clock_text(seconds: float) -> str:
    """Seconds as 0:07, 12:34 or 1:02:03."""
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """A curve of at most `width` characters, from the lowest value to the highest; empty below two values."""
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    # The last value of each of equal parts, so that the end of the line is now.
    shown = [values[(i + 1) * len(values) // count - 1] for i in range(count)]
    low, high = min(shown), max(shown)
    return "".join(_BARS[round((v - low) / (high - low) * 7) if high > low else 3] for v in shown)


def values_text(metrics: Sequence[Metric], values: Sequence[MetricValue]) -> str:
    """Measured values in a line: ``accuracy 0.972  inference_ms 1.83 ms``."""
    units = {metric.name: metric.unit for metric in metrics}
    return "  ".join(
        clean(f"{v.metric} {number(v.value)} {units.get(v.metric, '')}".rstrip()) for v in values
    )


def end_line(course: Course, now: float) -> str:
    """How it ended, in a line."""
    of = f" of {course.budget}" if course.budget else ""
    failed = f", {course.failed} of them failed" if course.failed else ""
    took = clock_text(now - course.begun_at)
    return f"{clean(course.experiment.name)}: {course.observed}{of} observations{failed}, in {took}."


def observation_line(course: Course, observation: Observation) -> str:
    """One observation in a plain line."""
    of = f"/{course.budget}" if course.budget else ""
    outcome = observation.outcome
    text = values_text(course.experiment.metrics, observation.values)
    if outcome.kind is not OutcomeKind.OK:
        reason = " ".join(clean(outcome.reason).split())
        how = f"{outcome.kind.name.lower().replace('_', ' ')}{': ' + reason[:200] if reason else ''}"
        text = f"{how}  {text}".rstrip()
    return f"{clean(course.experiment.name)} [{observation.ordinal}{of}] {text}"


def summary_text(course: Course) -> str:
    """The state in a few words: size of the front, best of each metric, failures."""
    words = [] if course.efficient is None else [f"{course.efficient} on the front"]
    units = {metric.name: metric.unit for metric in course.experiment.metrics}
    words += [
        clean(f"best {name} {number(value)} {units[name]}".rstrip()) for name, value in course.best.items()
    ]
    if course.failed:
        words.append(f"{course.failed} failed")
    return " · ".join(words)


class Display:
    """Draws the courses of one or more experiments; use it in a ``with`` block.

    Args:
        console: where to draw.
        courses: what to draw.
        clock: seconds, monotonic; the one of `Course.begun_at`.
    """

    def __init__(self, console: Console, courses: Sequence[Course], clock: Callable[[], float]) -> None:
        self._console, self._courses, self._clock = console, courses, clock
        self._spinner = Spinner("dots")
        self._live = (
            Live(self, console=console, refresh_per_second=8, transient=True) if console.is_terminal else None
        )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def __rich__(self) -> RenderableType:
        return Group(*(part for course in self._courses for part in self._draw(course)))

    def _draw(self, course: Course) -> list[RenderableType]:
        now = self._clock()
        left = course.seconds_left(now)
        head = Table.grid(padding=(0, 1), expand=True)
        for column in ({"overflow": "ellipsis", "max_width": 24}, {"ratio": 1}, {}, {}):
            head.add_column(no_wrap=True, **column)
        count = f"{course.observed}/{course.budget}" if course.budget else str(course.observed)
        times = clock_text(now - course.begun_at) + (f" left {clock_text(left)}" if left is not None else "")
        bar = ProgressBar(
            total=course.budget or None,
            completed=course.observed,
            pulse=not course.budget,
            animation_time=now,
        )
        head.add_row(Text(clean(course.experiment.name), style="bold"), bar, count, times)
        lines: list[RenderableType] = [head]
        if summary := summary_text(course):
            lines.append(Text(f"  {summary}", style="dim", no_wrap=True, overflow="ellipsis"))
        running = sorted(course.running.values(), key=lambda running: running.suggestion.ordinal)
        return [*lines, *(self._draw_trial(course, one) for one in running)]

    def _draw_trial(self, course: Course, running: Running) -> RenderableType:
        again = f" (attempt {running.suggestion.attempt})" if running.suggestion.attempt > 1 else ""
        step = f"step {running.step}" if running.step else "starting"
        values = values_text(course.experiment.metrics, running.values)
        stopping = "  stopping early" if running.suggestion.stop_reason else ""
        row = Table.grid(padding=(0, 1))
        row.add_column(width=3, justify="right")
        row.add_column(no_wrap=True, overflow="ellipsis")
        words = [f"trial {running.suggestion.ordinal}{again}", step, sparkline(running.curve), values]
        text = Text("  ".join(word for word in words if word) + stopping)
        row.add_row(self._spinner, text)
        return row

    def tell(self, text: str) -> None:
        """A remark above the bars, or a plain line."""
        self._console.print(Text(clean(text)), soft_wrap=self._live is None)

    def observed(self, course: Course, observation: Observation) -> None:
        """An observation was recorded: a plain line, on a terminal only when the trial failed."""
        if self._live is None or observation.outcome.kind is not OutcomeKind.OK:
            self.tell(observation_line(course, observation))
