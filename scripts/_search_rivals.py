"""Other libraries' searches, for ``bench_search``: as shipped, or as a practised user calls them.

Each is made by ``make(name, space, seed, noisy=...)`` and has ``ask() -> Params`` and
``tell(params, value, std_err)``, value None for a failed evaluation. The first ``n_initial``
points are each library's own. None is a dependency of the package.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from gbopt.search import SearchSpace

Params = dict[str, Any]


class Rival(Protocol):
    def ask(self) -> Params: ...
    def tell(self, params: Params, value: float | None, std_err: float) -> None: ...


def _need(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SystemExit(f"{error}: pip install {package}") from error


def _need_torch() -> Any:
    torch = _need("torch", "torch")
    torch.set_num_threads(1)
    return torch


class Random:
    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)

    def ask(self) -> Params:
        if self._space.finite:
            return self._space.points[self._rng.integers(len(self._space.points))]
        return self._space.from_unit(self._rng.random(len(self._space.free)))

    def tell(self, params: Params, value: float | None, std_err: float) -> None:
        pass


class Skopt:
    """`skopt.Optimizer` as shipped. It knows no error bars, and no failures: told the worst."""

    def __init__(self, space: SearchSpace, seed: int, n_initial: int, acquisition: str) -> None:
        skopt = _need("skopt", "scikit-optimize")
        of = _need("skopt.space", "scikit-optimize")
        make = {
            "categorical": lambda d: of.Categorical(list(d.choices)),
            "integer": lambda d: of.Integer(int(d.low), int(d.high)),
            "real": lambda d: of.Real(float(d.low), float(d.high)),
        }
        self._names = [d.name for d in space.dimensions]
        self._optimizer = skopt.Optimizer(
            [make[d.kind](d) for d in space.dimensions],
            base_estimator="GP",
            n_initial_points=n_initial,
            acq_func=acquisition,
            random_state=seed,
        )

    def ask(self) -> Params:
        return dict(zip(self._names, self._optimizer.ask(), strict=True))

    def tell(self, params: Params, value: float | None, std_err: float) -> None:  # noqa: ARG002
        told = self._optimizer.yi
        y = value if value is not None else max(told, default=0.0)
        self._optimizer.tell([params[n] for n in self._names], float(y))


class Optuna:
    """An Optuna study. It knows no error bars."""

    def __init__(self, space: SearchSpace, sampler: Any) -> None:
        optuna = _need("optuna", "optuna")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        of = optuna.distributions
        make = {
            "categorical": lambda d: of.CategoricalDistribution(list(d.choices)),
            "integer": lambda d: of.IntDistribution(int(d.low), int(d.high)),
            "real": lambda d: of.FloatDistribution(float(d.low), float(d.high)),
        }
        self._distributions = {d.name: make[d.kind](d) for d in space.dimensions}
        self._study = optuna.create_study(sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL
        self._trial: Any = None

    def ask(self) -> Params:
        self._trial = self._study.ask(self._distributions)
        return dict(self._trial.params)

    def tell(self, params: Params, value: float | None, std_err: float) -> None:  # noqa: ARG002
        if value is None:
            self._study.tell(self._trial, state=self._failed)
        else:
            self._study.tell(self._trial, value)


def _optuna_tpe(space: SearchSpace, seed: int, n_initial: int) -> Optuna:
    samplers = _need("optuna.samplers", "optuna")
    return Optuna(space, samplers.TPESampler(seed=seed, n_startup_trials=n_initial))


def _optuna_gp(space: SearchSpace, seed: int, n_initial: int, noisy: bool) -> Optuna:
    _need_torch()
    samplers = _need("optuna.samplers", "optuna")
    options = {"deterministic_objective": False} if noisy else {}
    return Optuna(space, samplers.GPSampler(seed=seed, n_startup_trials=n_initial, **options))


def _one_hot(space: SearchSpace, params: Params) -> list[float]:
    """Return numbers over their range, and a column for each choice of a category."""
    columns: list[float] = []
    for d in space.dimensions:
        if d.kind == "categorical":
            columns += [float(c == params[d.name]) for c in d.choices]
        else:
            columns.append((params[d.name] - d.low) / (d.high - d.low))
    return columns


class Physbo:
    """PHYSBO: its range policy for boxes, else its discrete policy on a random pool.

    Expected improvement. Hyperparameters are learnt anew after every ``INTERVAL`` evaluations. It
    knows no error bars and no failures: failed points are not told, but leave the pool.
    """

    POOL = 2_000
    INTERVAL = 5

    def __init__(self, space: SearchSpace, seed: int, n_initial: int) -> None:
        physbo = _need("physbo", "physbo")
        self._space, self._n_initial = space, n_initial
        self._asked = 0
        self._action: Any = None
        self._learnt_at: int | None = None
        # It draws from the global state of numpy, which is kept apart here.
        self._state = np.random.RandomState(seed).get_state()
        self._told = 0
        self._in_pool = any(d.kind != "real" for d in space.dimensions)
        if self._in_pool:
            rng = np.random.default_rng(seed)
            self._pool = [space.from_unit(u) for u in rng.random((self.POOL, len(space.free)))]
            coded = np.array([_one_hot(space, p) for p in self._pool])
            self._policy = physbo.search.discrete.Policy(test_X=coded)
        else:
            n = len(space.dimensions)
            self._policy = physbo.search.range.Policy(min_X=np.zeros(n), max_X=np.ones(n))

    def ask(self) -> Params:
        outer = np.random.get_state()
        np.random.set_state(self._state)
        try:
            self._action = self._next()
        finally:
            self._state = np.random.get_state()
            np.random.set_state(outer)
        self._asked += 1
        if self._in_pool:
            return dict(self._pool[int(self._action[0])])
        return self._space.from_unit(np.clip(self._action[0], 0.0, 1.0))

    def _next(self) -> Any:
        if self._asked < self._n_initial or self._told < 2:
            return self._policy.random_search(max_num_probes=1, simulator=None, is_disp=False)
        learn = self._learnt_at is None or self._told - self._learnt_at >= self.INTERVAL
        if learn:
            self._learnt_at = self._told
        return self._policy.bayes_search(
            max_num_probes=1,
            simulator=None,
            is_disp=False,
            score="EI",
            interval=0 if learn else -1,
        )

    def tell(self, params: Params, value: float | None, std_err: float) -> None:  # noqa: ARG002
        if value is not None:
            self._policy.write(self._action, np.array([-value]))  # it maximises
            self._told += 1
        elif self._in_pool:
            self._policy.actions = np.setdiff1d(self._policy.actions, self._action)


class Botorch:
    """BoTorch: a Gaussian process told the error bars, log noisy expected improvement.

    Failed evaluations are left out.
    """

    RESTARTS = 4
    RAW_SAMPLES = 512
    MC_SAMPLES = 128
    FIT_STEPS = 75
    """A fit stopped here is within 0.5 of the greatest log likelihood, at a third of the time."""
    CLEAN_VARIANCE = 1e-6
    """Of the variance of the values: what a known variance of 0 is set to, for stability."""

    def __init__(self, space: SearchSpace, seed: int, n_initial: int) -> None:
        from scipy.stats import qmc

        self._torch = _need_torch()
        _need("botorch", "botorch")
        self._space, self._seed = space, seed
        sobol = qmc.Sobol(len(space.free), seed=seed).random(n_initial)
        self._initial = [space.from_unit(u) for u in sobol]
        self._asked = 0
        self._x: list[list[float]] = []
        self._y: list[float] = []
        self._errors: list[float] = []
        kinds = [d.kind for d in space.dimensions]
        self._categories = [i for i, kind in enumerate(kinds) if kind == "categorical"]
        self._integers = [i for i, kind in enumerate(kinds) if kind == "integer"]

    def ask(self) -> Params:
        self._asked += 1
        if self._asked <= len(self._initial):
            return self._initial[self._asked - 1]
        if len(self._y) < 2:
            rng = np.random.default_rng([self._seed, self._asked])
            return self._space.from_unit(rng.random(len(self._space.free)))
        with self._torch.random.fork_rng():
            self._torch.manual_seed(1_000 * self._seed + self._asked)
            return self._decode(self._optimal().reshape(-1).tolist())

    def tell(self, params: Params, value: float | None, std_err: float) -> None:
        if value is not None:
            self._x.append(self._encode(params))
            self._y.append(-value)
            self._errors.append(std_err)

    def _encode(self, params: Params) -> list[float]:
        return [
            float(d.choices.index(params[d.name]))
            if d.kind == "categorical"
            else (params[d.name] - d.low) / (d.high - d.low)
            for d in self._space.dimensions
        ]

    def _decode(self, x: list[float]) -> Params:
        return {
            d.name: d.choices[round(u)]
            if d.kind == "categorical"
            else d.plain(d.low + min(max(u, 0.0), 1.0) * (d.high - d.low))
            for d, u in zip(self._space.dimensions, x, strict=True)
        }

    def _optimal(self) -> Any:
        from botorch.acquisition.logei import qLogNoisyExpectedImprovement
        from botorch.optim import optimize_acqf, optimize_acqf_mixed_alternating
        from botorch.sampling.normal import SobolQMCNormalSampler

        torch = self._torch
        x = torch.tensor(self._x, dtype=torch.double)
        size = torch.Size([self.MC_SAMPLES])
        acquisition = qLogNoisyExpectedImprovement(
            self._model(x),
            X_baseline=x,
            sampler=SobolQMCNormalSampler(size, seed=self._asked),
            prune_baseline=True,
        )
        top = [len(d.choices) - 1.0 if d.choices else 1.0 for d in self._space.dimensions]
        bounds = torch.tensor([[0.0] * len(top), top], dtype=torch.double)
        if not (self._categories or self._integers):
            return optimize_acqf(
                acquisition,
                bounds,
                q=1,
                num_restarts=self.RESTARTS,
                raw_samples=self.RAW_SAMPLES,
                options={"maxiter": 100},
            )[0]
        sizes = {i: self._space.dimensions[i] for i in self._integers}
        steps = {i: int(d.high) - int(d.low) for i, d in sizes.items()}
        return optimize_acqf_mixed_alternating(
            acquisition,
            bounds,
            discrete_dims={i: [k / n for k in range(n + 1)] for i, n in steps.items()},
            cat_dims={
                i: [float(k) for k in range(len(self._space.dimensions[i].choices))]
                for i in self._categories
            },
            q=1,
            num_restarts=self.RESTARTS,
            raw_samples=self.RAW_SAMPLES,
            options={"maxiter_alternating": 4, "maxiter_discrete": 2},
        )[0]

    def _model(self, x: Any) -> Any:
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import MixedSingleTaskGP, SingleTaskGP
        from gpytorch.mlls import ExactMarginalLogLikelihood

        torch = self._torch
        y = torch.tensor(self._y, dtype=torch.double).unsqueeze(-1)
        variance = torch.tensor(self._errors, dtype=torch.double).unsqueeze(-1) ** 2
        variance = variance.clamp_min(self.CLEAN_VARIANCE * float(y.var()))
        if self._categories:
            model = MixedSingleTaskGP(x, y, cat_dims=self._categories, train_Yvar=variance)
        else:
            model = SingleTaskGP(x, y, train_Yvar=variance)
        fit_gpytorch_mll(
            ExactMarginalLogLikelihood(model.likelihood, model),
            optimizer_kwargs={"options": {"maxiter": self.FIT_STEPS}},
        )
        return model


_MAKERS: dict[str, Callable[[SearchSpace, int, int, bool], Rival]] = {
    "random": lambda space, seed, _n, _noisy: Random(space, seed),
    "skopt-EI": lambda space, seed, n, _noisy: Skopt(space, seed, n, "EI"),
    "skopt-hedge": lambda space, seed, n, _noisy: Skopt(space, seed, n, "gp_hedge"),
    "optuna-TPE": lambda space, seed, n, _noisy: _optuna_tpe(space, seed, n),
    "optuna-GP": _optuna_gp,
    "physbo": lambda space, seed, n, _noisy: Physbo(space, seed, n),
    "botorch": lambda space, seed, n, _noisy: Botorch(space, seed, n),
}
NAMES = tuple(_MAKERS)


def make(
    name: str, space: SearchSpace, seed: int, n_initial: int = 10, *, noisy: bool = True
) -> Rival:
    """Return the search of a name.

    Args:
        name: one of ``NAMES``.
        space: where to search.
        seed: of its random numbers.
        n_initial: its random or Sobol points before the first of a model.
        noisy: whether the user knows the values to be noisy.
    """
    if name not in _MAKERS:
        raise SystemExit(f"no method '{name}': give ours or one of {', '.join(NAMES)}")
    return _MAKERS[name](space, seed, n_initial, noisy)
