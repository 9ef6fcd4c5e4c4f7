"""Posterior: the surrogate fitted by scikit-optimize, in the units of the objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gbopt.search.censored import site
from gbopt.search.history import Observation, complete
from gbopt.search.settings import Surrogate
from gbopt.search.space import Params, Scalar, SearchSpace

Array = NDArray[np.float64]

LEAST_COMPLETE = 2
"""Fewer complete evaluations have no spread to standardise with, so no model."""
_DIGITS = 9
# Leads enter in units of their own spread; further out they are told as this.
_LEAD_RANGE = 4.0


@dataclass(frozen=True)
class _Scale:
    """What makes values standard, so that the unit of the objective is no matter."""

    centre: float
    spread: float

    @classmethod
    def of(cls, done: Sequence[Observation]) -> _Scale:
        resolved = [o for o in done if o.bound is None]
        if len(resolved) < LEAST_COMPLETE:  # one value has no spread
            resolved = list(done)
        values = [o.y for o in resolved]
        # Where the error bars exceed the scatter, the scatter says little of how far the true
        # values differ: the larger of the two sets what the model thinks possible.
        noise = float(np.sqrt(np.mean([o.error**2 for o in resolved])))
        return cls(float(np.mean(values)), max(float(np.std(values)), noise) or 1.0)

    def standard(self, value: float) -> float:
        # Rounded, so that the same values in another unit give the same bits.
        return round((value - self.centre) / self.spread, _DIGITS)

    def variance(self, std_err: float) -> float:
        return round((std_err / self.spread) ** 2, _DIGITS)


@dataclass(frozen=True)
class Lead:
    """Another observable, whose own surrogate is an input of that of the objective.

    Args:
        name: its name.
        posterior: its surrogate.
        left_out: what the surrogate predicts at each evaluated point without its evaluations: the
            input that the model of the objective is trained on, since it will be asked at points
            where the observable is not measured either.
    """

    name: str
    posterior: Posterior
    left_out: Mapping[tuple[Scalar, ...], float]

    def inputs(self, points: Sequence[Params], *, training: bool) -> list[float]:
        """Return the input at each point, in units of the observable's spread."""
        mean, _ = self.posterior.predict(points)
        raw = [
            self.left_out.get(self.posterior.space.key(p), float(m)) if training else float(m)
            for p, m in zip(points, mean, strict=True)
        ]
        centre, spread = self.posterior.centre, self.posterior.spread
        return [float(np.clip((x - centre) / spread, -_LEAD_RANGE, _LEAD_RANGE)) for x in raw]


@dataclass(frozen=True)
class _Layout:
    """The columns that scikit-optimize is told: variables, source, leads."""

    space: SearchSpace
    sources: tuple[str, ...] = ()
    leads: tuple[Lead, ...] = ()

    def dimensions(self) -> tuple[list[Any], tuple[int, ...], tuple[float, ...]]:
        """Dimensions of scikit-optimize, the variable of each column, the typical lengths."""
        from skopt.space import Categorical, Real

        from gbopt.search.surrogate import CATEGORY_MEDIAN, LENGTH_MEDIAN

        variables = [d.for_skopt() for d in self.space.free]
        if self.sources:
            variables.append([Categorical(list(range(len(self.sources) + 1)))])
        variables += [[Real(-_LEAD_RANGE, _LEAD_RANGE)] for _ in self.leads]
        groups = tuple(
            i for i, group in enumerate(variables) for d in group for _ in range(d.transformed_size)
        )
        medians = tuple(
            CATEGORY_MEDIAN if isinstance(group[0], Categorical) else LENGTH_MEDIAN
            for group in variables
        )
        return [d for group in variables for d in group], groups, medians

    def rows(
        self, points: Sequence[Params], sources: Sequence[str] | None = None, *, training: bool
    ) -> list[list[Any]]:
        """Encode points; of this search's own source unless ``sources`` says otherwise."""
        rows = [self.space.encode(p) for p in points]
        if self.sources:
            numbers = {source: 1 + i for i, source in enumerate(self.sources)}
            for i, row in enumerate(rows):
                row.append(numbers.get(sources[i], 0) if sources else 0)
        for lead in self.leads:
            for row, value in zip(rows, lead.inputs(points, training=training), strict=True):
                row.append(value)
        return rows


@dataclass(frozen=True)
class Posterior:
    """What the evaluations so far say about every point.

    Args:
        layout: the columns of the model.
        columns: the scikit-optimize space, which gives points their coordinates.
        model: the fitted surrogate.
        at: (n, columns) coordinates of the evaluations that it was fitted to.
        standard: (n,) their values as it was told them, in units of spread about the centre.
        centre: mean of the values that are no bounds.
        spread: standard deviation of them, or their error where that is larger.
        error: standard error that the next evaluation is expected to have, in units of spread.
        noise: the same with what errors leave unexplained.
        told: the evaluations that the model was fitted to, row by row.
        surrogate: the kind of model.
    """

    layout: _Layout
    columns: Any
    model: Any
    at: Array
    standard: Array
    centre: float
    spread: float
    error: float
    noise: float
    told: tuple[Observation, ...]
    surrogate: Surrogate

    @property
    def space(self) -> SearchSpace:
        """The space."""
        return self.layout.space

    @property
    def theta(self) -> tuple[float, ...] | None:
        """Its hyperparameters; None of a forest, which has none."""
        return getattr(self.model, "fitted_theta", None)

    @property
    def leads(self) -> tuple[str, ...]:
        """Observables that the surrogate takes as inputs."""
        return tuple(lead.name for lead in self.layout.leads)

    def coordinates(self, points: Sequence[Params]) -> Array:
        """Return the coordinates of points in the model, (n, columns)."""
        rows = self.layout.rows(points, training=False)
        return np.asarray(self.columns.transform(rows), dtype=float)

    def predict(self, points: Sequence[Params]) -> tuple[Array, Array]:
        """Return the mean and standard deviation of the true objective, (n,) each."""
        mean, sd = self.model.predict(self.coordinates(points), return_std=True)
        return self.centre + self.spread * mean, self.spread * sd

    def left_out(self) -> tuple[Array, Array]:
        """Predict every value told from the evaluations of all other points.

        Returns:
            Mean and standard deviation (of the value, noise included), (n,) each, in units of the
            objective.
        """
        order: dict[Any, int] = {}
        keys = [self.space.key(o.params) for o in self.told]
        blocks = np.array([order.setdefault(key, len(order)) for key in keys], dtype=np.intp)
        mean, sd = self.model.left_out(blocks)
        return self.centre + self.spread * mean, self.spread * sd

    def believing(self, running: Sequence[Observation]) -> Posterior:
        """Return the posterior that takes its own predictions for the running evaluations.

        That lowers the uncertainty there and leaves the mean and the hyperparameters (Desautels
        et al., J. Mach. Learn. Res. 15 (2014) 4053).
        """
        if not running:
            return self
        new = self.coordinates([o.params for o in running])
        at = np.vstack([self.at, new])
        standard = np.append(self.standard, self.model.predict(new))
        variance = np.append(self.model.alpha, [self.error**2] * len(new))
        model = self._alike(variance).fit(at, standard)
        return replace(self, model=model, at=at, standard=standard)

    def _alike(self, variance: Array) -> Any:
        """The surrogate, not yet fitted, with these hyperparameters; a forest is grown anew."""
        _, groups, medians = self.layout.dimensions()
        known = _errors_known(self.told)
        return _model(groups, medians, variance, self.surrogate, known, self.theta)

    def without(self, numbers: Set[int]) -> Posterior:
        """Return what all but these evaluations say, the hyperparameters kept.

        Args:
            numbers: of evaluations; what is left has `LEAST_COMPLETE` or more.
        """
        kept = [i for i, o in enumerate(self.told) if o.number not in numbers]
        done, at = [self.told[i] for i in kept], self.at[kept]
        scale, y, alpha = _standard(done, lambda: at, self._alike)
        model = self._alike(alpha).fit(at, y)
        return _posterior(self.layout, self.columns, model, at, y, scale, done, self.surrogate)


def model_covariance(model: Any, a: Array, b: Array) -> Array:
    """Return the covariance of a surrogate between coordinates, (n, m), in units of its spread."""
    if hasattr(model, "covariance"):
        return np.asarray(model.covariance(a, b))
    _, sd = model.predict(a, return_std=True)
    same = (a[:, None, :] == b[None, :, :]).all(axis=2)
    return np.asarray(same * sd[:, None] ** 2)


def fit_posterior(
    space: SearchSpace,
    history: Sequence[Observation],
    *,
    surrogate: Surrogate = "gp",
    leads: tuple[Lead, ...] = (),
) -> Posterior:
    """Tell a new `skopt.Optimizer` all complete evaluations at once.

    A failed evaluation has no value to tell (see ``gbopt.search.feasibility``), a running one is
    told by ``Posterior.believing``. A bound is told as what it adds to what the other evaluations
    say of its point (see ``gbopt.search.censored``), with fewer than two other ones as a value.

    Args:
        space: the space, with at least one free dimension.
        history: evaluations, at least `LEAST_COMPLETE` of them complete.
        surrogate: the kind of model.
        leads: observables that are inputs beside the variables.
    """
    from skopt.utils import normalize_dimensions

    done = complete(history)
    layout = _Layout(space, tuple(sorted({o.source for o in done} - {""})), leads)
    x = layout.rows([o.params for o in done], [o.source for o in done], training=True)
    dimensions, groups, medians = layout.dimensions()
    known = _errors_known(done)

    def make(variance: Array) -> Any:
        return _model(groups, medians, variance, surrogate, known, None)

    def coordinates() -> Array:
        # Only asked about bounds, and not for a proposal: no Optimizer is told.
        return np.asarray(normalize_dimensions(layout.dimensions()[0]).transform(x), dtype=float)

    scale, y, alpha = _standard(done, coordinates, make)
    optimizer = _tell(dimensions, make(alpha), x, y.tolist())
    at = np.asarray(optimizer.space.transform(x), dtype=float)
    return _posterior(layout, optimizer.space, optimizer.models[-1], at, y, scale, done, surrogate)


def _standard(
    done: Sequence[Observation], coordinates: Callable[[], Array], make: Callable[[Array], Any]
) -> tuple[_Scale, Array, Array]:
    """Values and their variances in units of their spread, bounds as what they add to the rest.

    Args:
        done: complete evaluations.
        coordinates: gives theirs; called only where there are bounds.
        make: the surrogate of values of these variances.
    """
    scale = _Scale.of(done)
    y = np.array([scale.standard(o.y) for o in done])
    alpha = np.array([scale.variance(o.error) for o in done])
    bounds = [o.bound for o in done]
    if sum(bound is None for bound in bounds) >= LEAST_COMPLETE:
        _resolve(coordinates, y, alpha, bounds, make)
    else:  # nothing to hold the bounds against: values that are known to a spread
        alpha += [0.0 if bound is None else 1.0 for bound in bounds]
    return scale, y, alpha


def _posterior(
    layout: _Layout,
    columns: Any,
    model: Any,
    at: Array,
    standard: Array,
    scale: _Scale,
    done: Sequence[Observation],
    surrogate: Surrogate,
) -> Posterior:
    alpha = np.asarray(model.alpha)
    own = [a for a, o in zip(alpha, done, strict=True) if not o.source and o.bound is None]
    error2 = float(np.median(own or alpha))
    return Posterior(
        layout,
        columns,
        model,
        at,
        standard,
        scale.centre,
        scale.spread,
        error=float(np.sqrt(error2)),
        noise=float(np.sqrt(error2 + getattr(model, "noise_", 0.0))),
        told=tuple(done),
        surrogate=surrogate,
    )


def _errors_known(done: Sequence[Observation]) -> bool:
    return any(o.error for o in done if o.bound is None)


def _resolve(
    coordinates: Callable[[], Array],
    y: Array,
    alpha: Array,
    bounds: Sequence[str | None],
    make: Callable[[Array], Any],
) -> None:
    """Replace bounds, in place, by the values that say the same to the model."""
    if all(bound is None for bound in bounds):
        return
    at = coordinates()
    resolved = [i for i, bound in enumerate(bounds) if bound is None]
    bounded = [i for i, bound in enumerate(bounds) if bound is not None]
    first = make(alpha[resolved]).fit(at[resolved], y[resolved])
    mean, sd = first.predict(at[bounded], return_std=True)
    for i, m, s in zip(bounded, mean.tolist(), sd.tolist(), strict=True):
        y[i], alpha[i] = site(m, s, float(y[i]), float(alpha[i]), lower=bounds[i] == "lower")


def _tell(dimensions: list[Any], model: Any, x: list[list[Any]], y: list[float]) -> Any:
    from skopt import Optimizer

    optimizer = Optimizer(
        dimensions,
        base_estimator=model,
        n_initial_points=0,
        acq_func="LCB",
        acq_optimizer="sampling",
        # It fits the model; where its acquisition is least is found by `gbopt.search.pool`.
        acq_optimizer_kwargs={"n_points": 1},
        random_state=0,
    )
    optimizer.tell(x, y)
    return optimizer


def _model(
    groups: tuple[int, ...],
    medians: tuple[float, ...],
    variance: Array,
    surrogate: Surrogate,
    errors_known: bool,
    theta: tuple[float, ...] | None,
) -> Any:
    """The surrogate, not yet fitted, of columns as ``_Layout`` has them."""
    from gbopt.search.surrogate import ErrorBarExtraTrees, ErrorBarGPR, ErrorBarRandomForest

    if surrogate == "gp":
        return ErrorBarGPR(groups, medians, variance, errors_known, theta)
    forests = {"extra-trees": ErrorBarExtraTrees, "random-forest": ErrorBarRandomForest}
    return forests[surrogate](variance)
