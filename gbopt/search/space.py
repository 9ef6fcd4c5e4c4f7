"""SearchSpace: the variables of a search and the points that can be realised."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gbopt.errors import ConfigError

Scalar = int | float | str
Params = dict[str, Scalar]
"""One point: a plain Python scalar by the name of each dimension."""
Snap = Callable[[Params], Params]
"""Maps a proposed point to the nearest one that can be realised."""
Key = tuple[Scalar, ...]


@dataclass(frozen=True)
class Dimension:
    """One variable: an integer or real range, both ends included, or a list of choices.

    Args:
        name: key of the variable in `Params`.
        kind: ``"integer"``, ``"real"`` or ``"categorical"``.
        low: least value of a range; may equal ``high``.
        high: greatest value of a range.
        choices: values of a categorical variable.
        periodic: whether the ends of a real range are the same place, as of a translation.

    Raises:
        ConfigError: the range is reversed, or the choices are none or repeat.
    """

    name: str
    kind: Literal["integer", "real", "categorical"]
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Scalar, ...] = ()
    periodic: bool = False

    def __post_init__(self) -> None:
        if self.kind == "categorical":
            if not self.choices or len(set(self.choices)) < len(self.choices):
                raise ConfigError(
                    f"'{self.name}' has the choices {self.choices}",
                    hint="give one or more different choices",
                )
        elif not -math.inf < self.low <= self.high < math.inf:
            raise ConfigError(
                f"'{self.name}' ranges from {self.low} to {self.high}",
                hint="give finite numbers, the lower one first",
            )

    @property
    def fixed(self) -> bool:
        """Whether there is a single value, so nothing to search."""
        return len(self.choices) == 1 if self.choices else self.low == self.high

    def outside(self, value: Any) -> bool:
        """Whether a number lies outside the range."""
        return self.kind != "categorical" and not self.low <= float(value) <= self.high

    def from_unit(self, u: float) -> Scalar:
        """Map u in [0, 1) to a value, equal lengths of u to equal shares of the range."""
        if self.kind == "categorical":
            return self.choices[int(u * len(self.choices))]
        if self.kind == "integer":
            return int(self.low) + int(u * (int(self.high) - int(self.low) + 1))
        return float(self.low + u * (self.high - self.low))

    def to_unit(self, value: Any) -> float:
        """Return where a number lies in the range, from 0 to 1."""
        width = self.high - self.low
        return (float(value) - self.low) / width if width else 0.0

    def moved(self, value: Any, step: float, u: float) -> Scalar:
        """Return a value nearby: a number by ``step`` ranges, a choice drawn anew by u."""
        if self.kind == "categorical":
            return self.from_unit(u)
        at = self.to_unit(value) + step
        at = at % 1.0 if self.periodic else 1 - abs(1 - abs(at) % 2)  # reflected at the ends
        if self.kind == "integer":
            return round(self.low + at * (self.high - self.low))
        return float(self.low + at * (self.high - self.low))

    def plain(self, value: Any) -> Scalar:
        """Return a value as a plain Python scalar of this variable's kind.

        Raises:
            ConfigError: the value is not one of the choices.
        """
        if self.kind == "integer":
            return round(float(value))
        if self.kind == "real":
            return float(value)
        if value not in self.choices:
            raise ConfigError(
                f"'{self.name}' = {value!r} is not one of {self.choices}",
                hint="start a new campaign when the choices change",
            )
        return self.choices[self.choices.index(value)]

    def encode(self, value: Any) -> list[Scalar]:
        """Return what scikit-optimize is told: a number in range, or the index of a choice.

        A realised value a little outside the range, which snapping may give, is told at the
        edge: scikit-optimize refuses points outside its bounds. A place on a circle is told by
        its cosine and sine.
        """
        plain = self.plain(value)
        if self.kind == "categorical":
            return [self.choices.index(plain)]
        if self.periodic:
            angle = 2 * math.pi * self.to_unit(plain)
            return [math.cos(angle), math.sin(angle)]
        return [type(plain)(min(max(float(plain), self.low), self.high))]

    def for_skopt(self) -> list[Any]:
        """Return the scikit-optimize dimensions of a variable that is not fixed."""
        from skopt.space import Categorical, Integer, Real

        if self.kind == "categorical":
            return [Categorical(list(range(len(self.choices))))]
        if self.kind == "integer":
            return [Integer(int(self.low), int(self.high))]
        if self.periodic:
            return [Real(-1.0, 1.0), Real(-1.0, 1.0)]
        return [Real(float(self.low), float(self.high))]


@dataclass(frozen=True)
class SearchSpace:
    """The variables, and which of their combinations can be realised.

    Args:
        dimensions: the variables, in order, names unique.
        snap: maps a proposed point to the nearest realisable one, and a realisable one to
            itself; where it is None every point can be realised. Not with candidates.
        candidates: all realisable combinations of some or all of the variables, where these are
            finitely many and listed; the other variables are free. A proposed point is moved to
            the nearest: that with the fewest other categories, then the least sum of squares in
            units of the ranges.
        cost: what an evaluation of a point costs, in any unit, where that is known.

    Raises:
        ConfigError: no dimension, a name twice, no candidate, or candidates with a snap or
            with different variables.
    """

    dimensions: tuple[Dimension, ...]
    snap: Snap | None = None
    candidates: tuple[Params, ...] | None = None
    cost: Callable[[Params], float] | None = None

    def __post_init__(self) -> None:
        names = [d.name for d in self.dimensions]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"the space has the dimensions {names}", hint="give one or more, each once"
            )
        if self.candidates is None:
            return
        if not self.candidates:
            raise ConfigError(
                "no point of the space can be realised", hint="widen the ranges of the space"
            )
        if self.snap is not None:
            raise ConfigError("the space has both candidates and a snap", hint="give one of them")
        listed = set(self.candidates[0])
        if not listed <= set(names) or any(set(c) != listed for c in self.candidates):
            raise ConfigError(
                "the candidates do not name the same dimensions of the space",
                hint="give each of them a value of the same dimensions",
            )

    @cached_property
    def free(self) -> tuple[Dimension, ...]:
        """The dimensions with more than one value, the only ones scikit-optimize sees."""
        return tuple(d for d in self.dimensions if not d.fixed)

    @cached_property
    def finite(self) -> bool:
        """Whether every realisable point is listed."""
        listed = set(self.candidates[0]) if self.candidates else set()
        return bool(self.candidates) and all(d.fixed or d.name in listed for d in self.dimensions)

    @cached_property
    def points(self) -> tuple[Params, ...]:
        """All points of a finite space."""
        rest = {d.name: d.from_unit(0.0) for d in self.dimensions}
        return tuple(self.plain({**rest, **c}) for c in self.candidates or ())

    def key(self, params: Mapping[str, Any]) -> Key:
        """Return the identity of a point: its plain values in the order of the dimensions."""
        return tuple(d.plain(params[d.name]) for d in self.dimensions)

    def plain(self, params: Mapping[str, Any]) -> Params:
        """Return a point with plain Python scalars, in the order of the dimensions."""
        return dict(zip((d.name for d in self.dimensions), self.key(params), strict=True))

    def realise(self, params: Params) -> Params:
        """Move a proposed point to the nearest realisable one."""
        if self.candidates:
            return self.plain({**params, **self.candidates[self._nearest(params)]})
        return self.plain(self.snap(dict(params)) if self.snap else params)

    def from_unit(self, u: Sequence[float]) -> Params:
        """Map a point of the unit cube of the free dimensions to a proposed point."""
        values = iter(u)
        return {
            d.name: d.from_unit(0.0 if d.fixed else float(next(values))) for d in self.dimensions
        }

    def near(self, params: Params, scale: float, rng: np.random.Generator) -> Params:
        """Return a realisable point near another one.

        Args:
            params: the other one.
            scale: standard deviation of the step of each number, in units of its range.
            rng: source of randomness; one variable is always moved, each other one at evens.
        """
        moved = rng.random(len(self.free)) < 0.5
        moved[rng.integers(len(self.free))] = True
        steps, draws = rng.normal(0.0, scale, len(self.free)), rng.random(len(self.free))
        changed = {
            d.name: d.moved(params[d.name], step, u)
            for d, move, step, u in zip(self.free, moved, steps, draws, strict=True)
            if move
        }
        return self.realise({**params, **changed})

    def encode(self, params: Mapping[str, Any]) -> list[Scalar]:
        """Return the coordinates that scikit-optimize is told."""
        return [x for d in self.free for x in d.encode(params[d.name])]

    @cached_property
    def _listed(self) -> tuple[list[Dimension], list[Dimension]]:
        """Categories and numbers that the candidates name."""
        names = self.candidates[0] if self.candidates else {}
        listed = [d for d in self.dimensions if d.name in names]
        categories = [d for d in listed if d.kind == "categorical"]
        return categories, [d for d in listed if d.kind != "categorical"]

    @cached_property
    def _candidate_arrays(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        return self._as_arrays(self.candidates or ())

    def _as_arrays(self, points: Sequence[Params]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        categories, numbers = self._listed
        chosen = [[d.choices.index(d.plain(p[d.name])) for d in categories] for p in points]
        at = [[d.to_unit(p[d.name]) for d in numbers] for p in points]
        shape = (len(points), -1)
        return np.array(chosen, np.intp).reshape(shape), np.array(at, float).reshape(shape)

    def _nearest(self, params: Params) -> int:
        chosen, at = self._as_arrays([params])
        categories, numbers = self._candidate_arrays
        mismatches = (categories != chosen).sum(axis=1)
        away = np.abs(numbers - at)
        for column, dimension in enumerate(self._listed[1]):
            if dimension.periodic:
                away[:, column] = np.minimum(away[:, column], 1 - away[:, column])
        # lexsort is stable: of equally near candidates the first listed is taken.
        return int(np.lexsort(((away**2).sum(axis=1), mismatches))[0])
