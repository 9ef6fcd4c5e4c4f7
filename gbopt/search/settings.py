"""SearchSettings: how the next point is chosen, and when to stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gbopt.errors import ConfigError

Acquisition = Literal["knowledge-gradient", "noisy-ei", "lcb", "hedge"]
Surrogate = Literal["gp", "extra-trees", "random-forest"]

ACQUISITIONS: tuple[Acquisition, ...] = ("knowledge-gradient", "noisy-ei", "lcb")
"""Those that ``hedge`` chooses between."""
SURROGATES: tuple[Surrogate, ...] = ("gp", "extra-trees", "random-forest")


@dataclass(frozen=True)
class SearchSettings:
    """What a search may be told.

    Args:
        evaluations: most evaluations, failed ones included.
        initial: length of the space-filling initial design.
        patience: stop after this many evaluations in a row without significant improvement.
        min_improvement: least decrease of the objective that counts as one.
        least_expected: stop when no point is expected to improve on the best by more than this;
            0: never.
        finalists: before stopping, so many of the best points are evaluated again.
        replicates: until each has so many evaluations; 1: none is.
        acquisition: what the next point maximises (see ``gbopt.search.acquisition``).
        surrogate: the model of the objective.
        cost_aware: whether gain is reckoned per cost, where the space knows costs.
        leads: further observables whose own surrogates may inform that of the objective.
        limits: the range that each of these observables must lie in.

    Raises:
        ConfigError: a number is out of range, or a name unknown.
    """

    evaluations: int = 60
    initial: int = 10
    patience: int = 20
    min_improvement: float = 0.0
    least_expected: float = 0.0
    finalists: int = 3
    replicates: int = 2
    acquisition: Acquisition = "knowledge-gradient"
    surrogate: Surrogate = "gp"
    cost_aware: bool = False
    leads: tuple[str, ...] = ()
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("evaluations", "initial", "patience", "finalists", "replicates"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}", hint="give 1 or more")
        if self.acquisition not in (*ACQUISITIONS, "hedge"):
            raise ConfigError(
                f"the acquisition is '{self.acquisition}'",
                hint=f"give one of {', '.join(ACQUISITIONS)}, hedge",
            )
        if self.surrogate not in SURROGATES:
            raise ConfigError(
                f"the surrogate is '{self.surrogate}'", hint=f"give one of {', '.join(SURROGATES)}"
            )
        for name in ("min_improvement", "least_expected"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}", hint="give 0 or more")
        for name, (low, high) in self.limits.items():
            if not low < high:
                raise ConfigError(
                    f"the limits of '{name}' are {low} and {high}", hint="give the lower one first"
                )
