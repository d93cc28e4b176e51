"""Methods under one roof: ask for a configuration, tell what came of it.

Peers are imported only when asked for, so that a machine without them still runs the rest. Every method
starts with its own default number of points that no model made, but BoTorch, which has none: there 2 (d + 1)
scrambled Sobol points, as its tutorials use. Nobody is told the reference point but BoTorch, which needs one,
and `paretune_reference`, which gets it as thresholds.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from benchmarks.comparison.problems import Problem
from numpy.typing import NDArray

from paretune.experiment import Experiment, Maximize, Minimize
from paretune.observation import MetricValue, Observation, Outcome, OutcomeKind
from paretune.parameters import Assignments, Int
from paretune.space import SearchSpace
from paretune_optimizer.history import History
from paretune_optimizer.policy import suggest

Array = NDArray[np.float64]


class Method(Protocol):
    """A way to search."""

    def ask(self) -> Assignments:
        """Return the next configuration."""

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Take a measurement in the user's units (None: the training failed), asked for or not."""


class Paretune:
    """This project's engine with policy AUTO, in process."""

    def __init__(self, problem: Problem, seed: int, budget: int, thresholds: bool = False) -> None:
        metrics = tuple(
            (Maximize if up else Minimize)(
                f"f{j + 1}", threshold=problem.reference[j] if thresholds else None
            )
            for j, up in enumerate(problem.maximized)
        )
        self._metrics = metrics
        space = SearchSpace(problem.parameters)
        self._history = History(Experiment(problem.name, space, metrics, budget, seed=seed))

    def ask(self) -> Assignments:
        """Return one suggestion; a fallback is an error here, so that no model trouble stays hidden."""
        proposal = suggest(self._history)[0]
        if proposal.provenance.fallback_reason:
            raise RuntimeError(proposal.provenance.fallback_reason)
        return proposal.assignments

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Add an observation, INFEASIBLE if the training failed."""
        n = len(self._history) + 1
        if values is None:
            failed = Outcome(OutcomeKind.INFEASIBLE, "failed")
            self._history.add_observation(Observation(assignments, id=str(n), ordinal=n, outcome=failed))
            return
        measured = tuple(MetricValue(m.name, float(v)) for m, v in zip(self._metrics, values, strict=True))
        self._history.add_observation(Observation(assignments, id=str(n), ordinal=n, values=measured))


class Workers(Paretune):
    """The same with eight trainings in progress, each as long as any other.

    A worker that reports asks at once: suggestion n is made with the results of the first n - 8.
    """

    def __init__(self, problem: Problem, seed: int, budget: int, workers: int = 8) -> None:
        super().__init__(problem, seed, budget)
        self._workers, self._training = workers, deque[tuple[str, Assignments]]()

    def ask(self) -> Assignments:
        """Keep every worker busy; return what the next to finish has trained."""
        while len(self._training) < self._workers:
            ordinal, assignments = self._history.next_ordinal, super().ask()
            self._history.add_pending(str(ordinal), ordinal, assignments)
            self._training.append((str(ordinal), assignments))
        return self._training[0][1]

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Add the result of the training that `ask` returned."""
        self._history.remove_pending(self._training.popleft()[0])
        super().tell(assignments, values)


class Optuna:
    """A sampler of Optuna through ask and tell; failed trials are told as FAIL, or as the penalty."""

    def __init__(self, problem: Problem, seed: int, budget: int, sampler: str, penalized: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kind = getattr(optuna.samplers, sampler)
        self._optuna, self._problem, self._penalized = optuna, problem, penalized
        self._space = {
            p.name: (
                optuna.distributions.IntDistribution(p.min, p.max)
                if isinstance(p, Int)
                else optuna.distributions.FloatDistribution(p.min, p.max)
            )
            for p in problem.parameters
        }
        directions = ["maximize" if up else "minimize" for up in problem.maximized]
        self._study = optuna.create_study(directions=directions, sampler=kind(seed=seed))
        self._trial: Any = None

    def ask(self) -> Assignments:
        """Start a trial."""
        self._trial = self._study.ask(self._space)
        return dict(self._trial.params)

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Finish the trial, or add one that nobody asked for."""
        if values is None and self._penalized:
            values = np.array(self._problem.penalty)
        told = None if values is None else [float(v) for v in values]
        state = self._optuna.trial.TrialState
        if self._trial is not None and self._trial.params == assignments:
            self._study.tell(self._trial, told, state=state.FAIL if told is None else None)
        else:
            self._study.add_trial(
                self._optuna.trial.create_trial(
                    params=dict(assignments),
                    distributions=self._space,
                    values=told,
                    state=state.FAIL if told is None else state.COMPLETE,
                )
            )
        self._trial = None


class BoTorch:
    """One SingleTaskGP per metric, refitted each time, and qLogNEHVI with the true reference point.

    128 Monte Carlo samples, 4 restarts of 128 raw samples; integers by the mixed alternating optimizer.
    Failed trials are told as the penalty, or, with `feasibility`, kept from the models of the metrics and
    given to a model of their own, whose output (1: trained, 0: failed) is a constraint: at least one half.
    """

    def __init__(self, problem: Problem, seed: int, budget: int, feasibility: bool = False) -> None:
        import torch

        torch.manual_seed(seed)
        self._torch, self._problem, self._seed, self._feasibility = torch, problem, seed, feasibility
        d = len(problem.parameters)
        self._designed, self._start = 2 * (d + 1), self._design(budget)
        self._X: list[list[float]] = []
        self._Y: list[Array] = []

    def _design(self, count: int) -> Array:
        sobol = self._torch.quasirandom.SobolEngine(len(self._problem.parameters), True, seed=self._seed)
        unit = sobol.draw(count, dtype=self._torch.double).numpy()
        low = np.array([p.min for p in self._problem.parameters], dtype=float)
        high = np.array([p.max for p in self._problem.parameters], dtype=float)
        whole = np.array([isinstance(p, Int) for p in self._problem.parameters])
        stretched = np.floor(low + unit * (high - low + 1))
        return np.where(whole, np.minimum(stretched, high), low + unit * (high - low))

    def ask(self) -> Assignments:
        """Return a point of the design, or the maximizer of the acquisition function."""
        done, trained = len(self._X), sum(np.isfinite(values[0]) for values in self._Y)
        row = self._start[done] if done < self._designed or trained < 2 else self._model_point()
        return self._problem.assignments(row)

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Keep a row; NaN where a training failed and there is a model of feasibility."""
        if values is None:
            size = len(self._problem.reference)
            values = np.full(size, np.nan) if self._feasibility else np.array(self._problem.penalty)
        self._X.append([float(assignments[p.name]) for p in self._problem.parameters])
        self._Y.append(-values * self._problem.signs)

    def _model_point(self) -> Array:
        from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
        from botorch.acquisition.multi_objective.objective import IdentityMCMultiOutputObjective
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import ModelListGP, SingleTaskGP
        from botorch.models.transforms import Normalize, Standardize
        from botorch.optim import optimize_acqf
        from botorch.optim.optimize_mixed import optimize_acqf_mixed_alternating
        from botorch.sampling import SobolQMCNormalSampler
        from gpytorch.mlls import SumMarginalLogLikelihood

        torch, ranges = self._torch, self._problem.parameters
        X = torch.tensor(self._X, dtype=torch.double)
        Y = torch.tensor(np.array(self._Y), dtype=torch.double)
        bounds = torch.tensor([[p.min for p in ranges], [p.max for p in ranges]], dtype=torch.double)
        d, m = len(ranges), Y.shape[1]
        trained = torch.isfinite(Y[:, 0])

        def regression(rows: Any, values: Any) -> Any:
            normalize = Normalize(d, bounds=bounds)
            return SingleTaskGP(rows, values, input_transform=normalize, outcome_transform=Standardize(1))

        models = [regression(X[trained], Y[trained, j : j + 1]) for j in range(m)]
        constraints = {}
        if self._feasibility:
            models.append(regression(X, trained.double().unsqueeze(-1)))
            constraints = {"constraints": [lambda samples: 0.5 - samples[..., m]]}
        model = ModelListGP(*models)
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        acquisition = qLogNoisyExpectedHypervolumeImprovement(
            model,
            ref_point=list(-np.array(self._problem.reference) * self._problem.signs),
            X_baseline=X[trained],
            objective=IdentityMCMultiOutputObjective(outcomes=list(range(m))),
            sampler=SobolQMCNormalSampler(torch.Size([128]), seed=self._seed),
            prune_baseline=True,
            cache_root=False,
            **constraints,
        )
        whole = {
            i: [float(v) for v in range(p.min, p.max + 1)] for i, p in enumerate(ranges) if isinstance(p, Int)
        }
        search: Callable[..., Any] = optimize_acqf
        extra: dict[str, Any] = {}
        if whole:
            search, extra = optimize_acqf_mixed_alternating, {"discrete_dims": whole}
        found, _ = search(acquisition, bounds=bounds, q=1, num_restarts=4, raw_samples=128, **extra)
        return found.detach().numpy()[0]


class Ax:
    """Ax with its default generation strategy, by the ask and tell of its client.

    It finds out objective thresholds by itself. A failed trial is marked as failed, or told as the penalty.
    """

    def __init__(self, problem: Problem, seed: int, budget: int, penalized: bool = False) -> None:
        import logging

        from ax.api.client import Client
        from ax.api.configs import RangeParameterConfig

        logging.disable(logging.INFO)  # each trial is a line otherwise
        self._problem, self._penalized = problem, penalized
        self._names = [f"f{j + 1}" for j in range(len(problem.reference))]
        self._client: Any = Client(random_seed=seed)
        parameters = [
            RangeParameterConfig(
                name=p.name, bounds=(p.min, p.max), parameter_type="int" if isinstance(p, Int) else "float"
            )
            for p in problem.parameters
        ]
        self._client.configure_experiment(parameters)
        # Ax maximises what has no minus before it.
        goals = zip(self._names, problem.maximized, strict=True)
        self._client.configure_optimization(", ".join(name if up else f"-{name}" for name, up in goals))
        self._client.configure_generation_strategy(initialization_random_seed=seed)
        self._trial, self._assignments = -1, dict[str, Any]()

    def ask(self) -> Assignments:
        """Start a trial."""
        ((self._trial, parameters),) = self._client.get_next_trials(max_trials=1).items()
        self._assignments = dict(parameters)
        return self._assignments

    def tell(self, assignments: Assignments, values: Array | None) -> None:
        """Finish the trial, or add one that nobody asked for."""
        if assignments is not self._assignments:
            self._trial = self._client.attach_trial(assignments)
        if values is None and self._penalized:
            values = np.array(self._problem.penalty)
        if values is None:
            self._client.mark_trial_failed(self._trial)
            return
        told = {name: float(v) for name, v in zip(self._names, values, strict=True)}
        self._client.complete_trial(self._trial, raw_data=told)


def _optuna(sampler: str, penalized: bool = False) -> Callable[[Problem, int, int], Method]:
    return lambda problem, seed, budget: Optuna(problem, seed, budget, sampler, penalized)


METHODS: dict[str, Callable[[Problem, int, int], Method]] = {
    "paretune": Paretune,
    "paretune_reference": lambda problem, seed, budget: Paretune(problem, seed, budget, thresholds=True),
    "paretune_8": Workers,
    "tpe": _optuna("TPESampler"),
    "nsga2": _optuna("NSGAIISampler"),
    "gpsampler": _optuna("GPSampler"),
    "botorch": BoTorch,
    "ax": Ax,
    # Only where trainings fail: a model of feasibility.
    "botorch_feasibility": lambda problem, seed, budget: BoTorch(problem, seed, budget, feasibility=True),
    # Only where trainings fail: the same, told the penalty instead of a failure.
    "tpe_penalized": _optuna("TPESampler", penalized=True),
    "nsga2_penalized": _optuna("NSGAIISampler", penalized=True),
    "ax_penalized": lambda problem, seed, budget: Ax(problem, seed, budget, penalized=True),
    "gpsampler_penalized": _optuna("GPSampler", penalized=True),
}


def applies(method: str, problem: Problem) -> bool:
    """Tell whether the pair says something that no other pair says."""
    return bool(problem.penalty) or not method.endswith(("_penalized", "_feasibility"))


def timed(call: Callable[[], Assignments]) -> tuple[Assignments, float]:
    """Return what a call returns, and its CPU seconds over all threads."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start
