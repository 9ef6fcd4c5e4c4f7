"""Observation: one evaluation as the search sees it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gbopt.errors import ConfigError
from gbopt.search.space import Params


@dataclass(frozen=True)
class Observation:
    """One evaluation, finished or not.

    Args:
        number: its number, unique in a history: from 0, or below 0 where the search did not ask
            for it.
        params: the point as realised, not as requested.
        state: ``"complete"``, ``"failed"``, ``"running"``, or ``"possible"`` where it is only known
            from elsewhere that its point can be evaluated.
        value: the objective, to be minimised; None unless complete.
        std_err: its standard error, in the same unit; None or 0 where it is not known.
        completion: rank in the order in which evaluations finished; None while running.
        bound: ``"lower"`` where the true value is only known to be at least ``value``,
            ``"upper"`` where it is at most that.
        others: further observables of the same evaluation by name, each with its standard error,
            which the search may learn from or keep within limits.
        source: where the value comes from; empty for an evaluation of this search. Values of
            another source (an earlier campaign, an experiment) count as far as the surrogate finds
            that they go with ours.
        chosen_by: the acquisition that proposed it.

    Raises:
        ConfigError: complete without a finite value, or a negative error.
    """

    number: int
    params: Params
    state: Literal["complete", "failed", "running", "possible"]
    value: float | None = None
    std_err: float | None = None
    completion: int | None = None
    bound: Literal["lower", "upper"] | None = None
    others: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    source: str = ""
    chosen_by: str | None = None

    def __post_init__(self) -> None:
        finite = self.value is not None and math.isfinite(self.value) and self.error >= 0
        if self.state == "complete" and not (finite and math.isfinite(self.error)):
            raise ConfigError(
                f"evaluation {self.number} has the value {self.value} +- {self.std_err}",
                hint="record an evaluation without a finite value as failed",
            )

    @property
    def error(self) -> float:
        """The standard error, 0 where it is not known."""
        return self.std_err or 0.0

    @property
    def y(self) -> float:
        """The value of a complete evaluation."""
        if self.value is None:
            raise ValueError(f"evaluation {self.number} is {self.state} and has no value")
        return self.value

    @property
    def claims_low(self) -> bool:
        """Whether it shows that its point is as low as its value.

        A lower bound does not, and neither does a value of another source.
        """
        return self.state == "complete" and self.bound != "lower" and not self.source


def complete(history: Iterable[Observation]) -> list[Observation]:
    """Return the complete evaluations by number, so that the order of storage is no matter."""
    return sorted((o for o in history if o.state == "complete"), key=lambda o: o.number)


def own(history: Iterable[Observation]) -> list[Observation]:
    """Return what this search asked for itself, in any state."""
    return [o for o in history if not o.source]
