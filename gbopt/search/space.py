"""SearchSpace: the variables of a search and the points that can be realised."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

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

    Raises:
        ConfigError: the range is reversed, or the choices are none or repeat.
    """

    name: str
    kind: Literal["integer", "real", "categorical"]
    low: float = 0.0
    high: float = 0.0
    choices: tuple[Scalar, ...] = ()

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

    def from_unit(self, u: float) -> Scalar:
        """Map u in [0, 1) to a value, equal lengths of u to equal shares of the range."""
        if self.kind == "categorical":
            return self.choices[int(u * len(self.choices))]
        if self.kind == "integer":
            return int(self.low) + int(u * (int(self.high) - int(self.low) + 1))
        return float(self.low + u * (self.high - self.low))

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

    def encode(self, value: Any) -> Scalar:
        """Return what scikit-optimize is told: a number in range, or the index of a choice.

        A realised value a little outside the range, which snapping may give, is told at the
        edge: scikit-optimize refuses points outside its bounds.
        """
        plain = self.plain(value)
        if self.kind == "categorical":
            return self.choices.index(plain)
        return type(plain)(min(max(float(plain), self.low), self.high))

    def decode(self, value: Any) -> Scalar:
        """Undo `encode`."""
        return self.choices[int(value)] if self.kind == "categorical" else self.plain(value)

    def for_skopt(self) -> Any:
        """Return the scikit-optimize dimension of a variable that is not fixed."""
        from skopt.space import Categorical, Integer, Real

        if self.kind == "categorical":
            return Categorical(list(range(len(self.choices))))
        if self.kind == "integer":
            return Integer(int(self.low), int(self.high))
        return Real(float(self.low), float(self.high))


@dataclass(frozen=True)
class SearchSpace:
    """The variables, and which of their combinations can be realised.

    Args:
        dimensions: the variables, in order, names unique.
        snap: maps a proposed point to the nearest realisable one, and a realisable one to
            itself; where it is None every point can be realised.
        candidates: all realisable points, where these are finitely many and listed.

    Raises:
        ConfigError: no dimension, a name twice, no candidate, or candidates without snap.
    """

    dimensions: tuple[Dimension, ...]
    snap: Snap | None = None
    candidates: tuple[Params, ...] | None = None

    def __post_init__(self) -> None:
        names = [d.name for d in self.dimensions]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"the space has the dimensions {names}", hint="give one or more, each once"
            )
        if self.candidates is not None and not self.candidates:
            raise ConfigError(
                "no point of the space can be realised", hint="widen the ranges of the space"
            )
        if self.candidates and self.snap is None:
            raise ConfigError(
                "the space has candidates but no way to snap to them",
                hint="give snap=, a function from a proposed point to the nearest candidate",
            )

    @cached_property
    def free(self) -> tuple[Dimension, ...]:
        """The dimensions with more than one value, the only ones scikit-optimize sees."""
        return tuple(d for d in self.dimensions if not d.fixed)

    @cached_property
    def _candidate_keys(self) -> frozenset[Key]:
        return frozenset(self.key(c) for c in self.candidates or ())

    def key(self, params: Params) -> Key:
        """Return the identity of a point: its plain values in the order of the dimensions."""
        return tuple(d.plain(params[d.name]) for d in self.dimensions)

    def plain(self, params: Params) -> Params:
        """Return a point with plain Python scalars, in the order of the dimensions."""
        return dict(zip((d.name for d in self.dimensions), self.key(params), strict=True))

    def realise(self, params: Params) -> Params:
        """Snap a proposed point to a realisable one.

        Raises:
            ConfigError: ``snap`` gave a point that is not among the candidates.
        """
        snapped = self.plain(self.snap(dict(params)) if self.snap else params)
        if self.candidates and self.key(snapped) not in self._candidate_keys:
            raise ConfigError(
                f"snap gave {snapped}, which is not among the candidates",
                hint="let snap return one of the candidates, unrounded",
            )
        return snapped

    def from_unit(self, u: Sequence[float]) -> Params:
        """Map a point of the unit cube of the free dimensions to a proposed point."""
        return self._with_fixed([d.from_unit(float(x)) for d, x in zip(self.free, u, strict=True)])

    def encode(self, params: Params) -> list[Scalar]:
        """Return the coordinates that scikit-optimize is told."""
        return [d.encode(params[d.name]) for d in self.free]

    def decode(self, point: Sequence[Any]) -> Params:
        """Return the point at the coordinates that scikit-optimize gave."""
        return self._with_fixed([d.decode(x) for d, x in zip(self.free, point, strict=True)])

    def _with_fixed(self, values: Sequence[Scalar]) -> Params:
        chosen = iter(values)
        return {d.name: d.from_unit(0.0) if d.fixed else next(chosen) for d in self.dimensions}
