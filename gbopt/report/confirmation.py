"""What the runs of a confirmation come to: by how much the best is better, and at 300 K."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gbopt.analysis.replicates import Improvement, SeedScatter, seed_scatter
from gbopt.analysis.statistics import interval
from gbopt.campaign.confirm import Rung, temperatures
from gbopt.campaign.reference import ROLES, Role, film_of, melt_of
from gbopt.config import CampaignConfig
from gbopt.errors import AnalysisError
from gbopt.model.evaluation import Evaluation, Status
from gbopt.model.observables import QUANTITIES, Estimate
from gbopt.potentials.library import get_potential
from gbopt.report.ladders import (
    LADDERS,
    Ladder,
    fit_crystal,
    fit_ladder,
    fitted_rows,
    ladder_row,
    measured_rows,
)
from gbopt.report.numbers import number_table
from gbopt.report.replicas import compared, mean_of, own_log
from gbopt.report.routes import route_rows, route_sentences
from gbopt.report.tables import Rows

Results = Sequence[tuple[Rung, Evaluation]]

_LEVEL = 0.95
_ASR = "area_specific_resistance"
_GLASS = ("film_melted", "film_disordered", "film_whole")


@dataclass(frozen=True)
class Confirmation:
    """The comparison of the best boundary with the reference."""

    config: CampaignConfig
    results: Results
    better: Improvement | None
    """By how much the best beats the reference at the temperature of the search."""
    why_not: str
    """Why that cannot be said, where it cannot."""
    scatter: SeedScatter | None
    """What other seeds of one geometry differ by; None where it is not known."""
    ladders: tuple[Ladder, ...]
    better_per_area: Improvement | None = None
    """By how much the best beats a film of glass per area; None without a film."""
    better_than_random: Improvement | None = None
    """By how much the best beats boundaries that nothing was known of; None where that is open."""

    def rows(self) -> Rows:
        """One row for each boundary and temperature."""
        found = []
        for role in ROLES:
            for T in sorted({rung.temperature_K for rung, _ in self.results}):
                group = _group(self.results, role, T)
                if group:
                    found.append(_row(role, T, group, self.config.search.objective))
        return found

    def ladder_rows(self) -> Rows:
        """One row for each Arrhenius fit."""
        return [ladder_row(ladder, self.at_K) for ladder in self.ladders]

    def arrhenius_rows(self) -> Rows:
        """One row for each point of the ladders, and for points along their fits.

        ``low`` and ``high`` are a standard error away from what was measured, and the ends of the
        95 % interval of what was fitted.
        """
        return [
            {"boundary": ladder.of, "quantity": ladder.what, **row}
            for ladder in self.ladders
            for row in (*measured_rows(ladder), *fitted_rows(ladder, self.at_K))
        ]

    @property
    def improvement(self) -> dict[str, Any] | None:
        """By how much the best beats the reference, with the ends of the 95 % interval."""
        if self.better is None:
            return None
        T = self.config.md.temperature_K
        best, reference = (_group(self.results, role, T)[0].spec for role in ROLES)
        return {
            **self.better.as_dict(),
            "quantity": self.config.search.objective,
            "temperature_K": T,
            "best": best.geometry_key,
            "reference": reference.label,
        }

    @property
    def shown(self) -> dict[str, str]:
        """By role the folder of the first finished run at the temperature of the search."""
        T = self.config.md.temperature_K
        found: dict[str, str] = {}
        for rung, evaluation in self.results:
            if rung.temperature_K == T and evaluation.status.finished:
                found.setdefault(rung.role, rung.name)
        return found

    @property
    def at_K(self) -> float:
        """Temperature of the extrapolation, K."""
        return self.config.confirm.extrapolate_to_K

    def remarks(self) -> list[str]:
        """What to distrust about the runs and fits, each remark once, with what it is about."""
        found: dict[str, list[str]] = {}
        for ladder in self.ladders:
            fit = ladder.fit
            for remark in fit.warnings_at(self.at_K) if fit else (f"{ladder.why_not}.",):
                found.setdefault(remark, []).append(f"{ladder.of}, {ladder.what}")
        everything = [f"{ladder.of}, {ladder.what}" for ladder in self.ladders]
        fitted = [f"{ladder.of}, {ladder.what}" for ladder in self.ladders if ladder.fit]
        return self._flagged() + [
            remark if about in (everything, fitted) else f"{'; '.join(about)}: {remark}"
            for remark, about in found.items()
        ]

    @property
    def missing_K(self) -> list[float]:
        """Temperatures of the ladder that nothing was run at."""
        run = {rung.temperature_K for rung, _ in self.results}
        return [T for T in temperatures(self.config) if T not in run]

    def _flagged(self) -> list[str]:
        """Temperatures without runs, and what the checks of the others say."""
        found = [
            f"Nothing was run at {T:g} K: trace.jsonl in the run folder has the reason."
            for T in self.missing_K
        ]
        found += [
            f"{r.role}, {r.temperature_K:g} K, replica {r.replica} failed: {e.failure.cause}."
            for r, e in self.results
            if e.failure
        ]
        raised: dict[tuple[str, str], set[str]] = {}
        for rung, e in self.results:
            for flag in e.flags if e.status.finished else ():
                if flag.level != "ok":
                    raised.setdefault((flag.level, flag.name), set()).add(rung.name)
        done = sum(e.status.finished for _, e in self.results)
        says = {"fail": "failed", "warn": "warns"}
        return found + [
            f"In {len(names)} of {done} runs the check {flag} {says[level]}."
            for (level, flag), names in sorted(raised.items())
        ]

    def sentences(self) -> list[str]:
        """What was found, in words."""
        quantity = QUANTITIES[self.config.search.objective]
        found = [
            f"{quantity.label} at {self.config.md.temperature_K:g} K with "
            f"{get_potential(self.config.md.potential).name}, tracer route, "
            f"fresh seeds only ({self.resolved} runs resolved). "
            + (self.better.sentence if self.better else f"No comparison: {self.why_not}."),
            self.reference,
        ]
        T = self.config.md.temperature_K
        found += route_sentences(*(_finished(_group(self.results, role, T)) for role in ROLES))
        if self.better_per_area is not None:
            found.append(
                f"Per area the film has {_times(self.better_per_area)}; that grows with its "
                "thickness."
            )
        if self.better_than_random is not None:
            found.append(
                "The geometric mean of the boundaries of the initial design, chosen before "
                f"anything was known, is {_times(self.better_than_random)}."
            )
        if self.scatter is not None:
            low, high = self.scatter.interval
            found.append(
                f"Seeds of one geometry differ by {self.scatter.std_dev:.2g} decades beyond their "
                f"error bars (95 % interval {low:.2g} to {high:.2g})."
            )
        return found

    @property
    def reference(self) -> str:
        """What the factor is against, in words."""
        T, melt = self.config.md.temperature_K, melt_of(self.config)
        group = _group(self.results, "reference", T)
        label = f" {group[0].spec.label}" if group else ""
        if melt is None:
            return (
                f"The reference is the conventional boundary{label}, its core disordered like "
                "that of the best."
            )
        flags = [f for e in group for f in e.flags if f.name in _GLASS]
        ok = sum(all(f.level == "ok" for f in e.flags if f.name in _GLASS) for e in group)
        moved = [f.measured for f in flags if f.name == "film_melted"]
        far = f", La and Zr having moved {min(moved):.1f} A or more" if moved else ""
        return (
            f"The reference is a film of LLZO glass:{label}, {melt.label}; in {ok} of "
            f"{len(group)} runs it passed as molten, disordered and whole{far}. Its resistivity "
            "is that over its thickness."
        )

    @property
    def resolved(self) -> str:
        """How many of the runs at the temperature of the search gave more than a bound."""
        T = self.config.md.temperature_K
        groups = [_group(self.results, role, T) for role in ROLES]
        resolved = sum(len(_resolved(group)) for group in groups)
        return f"{resolved} of {sum(len(group) for group in groups)}"

    def route_rows(self) -> Rows:
        """One row for each boundary, temperature and route to its resistance."""
        temperatures_K = sorted({rung.temperature_K for rung, _ in self.results})
        return [
            row
            for role in ROLES
            for T in temperatures_K
            for row in route_rows(role, T, _finished(_group(self.results, role, T)))
        ]

    def table(self) -> Rows:
        """One row of plain numbers for each run; errors and bounds have columns of their own."""
        first = [
            {"role": r.role, "temperature_K": r.temperature_K, "replica": r.replica}
            for r, _ in self.results
        ]
        return number_table([e for _, e in self.results], first)

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain JSON."""
        return {
            "reference": self.config.confirm.reference,
            "runs": self.rows(),
            "routes": self.route_rows(),
            "evaluations": self.table(),
            "ladders": self.ladder_rows(),
            "arrhenius": self.arrhenius_rows(),
            "improvement": self.improvement,
            "shown": self.shown,
            "remarks": self.remarks(),
            "findings": self.sentences(),
        }


def summarise(
    config: CampaignConfig, results: Results, at_random: Sequence[Evaluation] = ()
) -> Confirmation:
    """Compare the best boundary with the reference, and fit the ladders.

    Args:
        config: the campaign.
        results: the runs of its confirmation.
        at_random: evaluations of boundaries that were not chosen for what they promised, one each:
            those of the initial design, which is spread evenly over the space.
    """
    T = config.md.temperature_K
    name = config.search.objective
    # Bounds included: those that would flatter the best are refused, not left out.
    best, reference = (_finished(_group(results, role, T)) for role in ROLES)
    better, scatter, why_not = None, None, ""
    try:
        scatter = seed_scatter([[own_log(e, name) for e in side] for side in (best, reference)])
        better = compared(best, reference, name, scatter)
    except AnalysisError as error:
        why_not = error.message
    ladders = (
        *(_ladder(results, role, *ladder) for role in ROLES for ladder in LADDERS),
        _crystal(results),
    )
    per_area = _per_area(config, results) if better and film_of(config) else None
    than_random = _improvement(best, _unchosen(at_random, name), name, scatter)
    return Confirmation(config, results, better, why_not, scatter, ladders, per_area, than_random)


def _times(better: Improvement) -> str:
    """By how much something resists more than the best, in words."""
    return f"{better.times} the resistance of the best ({better.surely})"


def _unchosen(design: Sequence[Evaluation], name: str) -> list[Evaluation]:
    """Those of the initial design that have a value; of one ended early as inferior a least one.

    It was ended because it looked bad, so its value is too high on average: what it has at least
    is the lower end of its interval, as the search takes it.
    """

    def told(e: Evaluation) -> Evaluation:
        if e.status is not Status.PRUNED or e.objective is None:
            return e
        lower = 10.0 ** (interval(e.objective, _LEVEL)[0] - e.objective.value)
        seen = e.observables[name]
        least = {"value": lower * seen.value, "std_err": lower * seen.std_err, "bound": "lower"}
        figures = e.observables | {name: seen.model_copy(update=least)}
        return e.model_copy(update={"observables": figures})

    return [told(e) for e in _finished(design)]


def _improvement(
    best: Sequence[Evaluation],
    others: Sequence[Evaluation],
    name: str,
    scatter: SeedScatter | None,
) -> Improvement | None:
    """The improvement; None where bounds or too few values leave it open."""
    try:
        return compared(best, others, name, scatter)
    except AnalysisError:
        return None


def _per_area(config: CampaignConfig, results: Results) -> Improvement | None:
    """The improvement in area-specific resistance; None where it is not known."""
    T = config.md.temperature_K
    best, reference = (_finished(_group(results, role, T)) for role in ROLES)
    return _improvement(best, reference, _ASR, None)


def _group(results: Results, role: Role, temperature_K: float) -> list[Evaluation]:
    return [
        evaluation
        for rung, evaluation in results
        if rung.role == role and rung.temperature_K == temperature_K
    ]


def _finished(group: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that have figures."""
    return [e for e in group if e.status.finished and e.objective]


def _resolved(group: Sequence[Evaluation]) -> list[Evaluation]:
    """Those whose objective is more than a bound."""
    return [e for e in _finished(group) if e.objective and e.objective.bound is None]


def _row(
    role: Role, temperature_K: float, group: Sequence[Evaluation], objective: str
) -> dict[str, Any]:
    done, known = _finished(group), _resolved(group)
    mean = mean_of(done, objective, log=True) if done else None
    per_area = mean_of(done, _ASR) if done else None
    return {
        "boundary": role,
        "geometry": group[0].spec.label,
        "T (K)": int(temperature_K) if temperature_K.is_integer() else temperature_K,
        "resolved": f"{len(known)} of {len(group)}",
        "log10 objective": _bare(mean),
        "ASR (ohm cm2)": _bare(per_area),
        "suspect": sum(e.status.value == "suspect" for e in done),
        "failed": len(group) - len(done),
    }


def _bare(mean: Estimate | None) -> str | None:
    """With its error, without its unit, which the head of the column tells."""
    return None if mean is None else str(mean.model_copy(update={"unit": ""}))


def _ladder(results: Results, role: Role, name: str, what: str) -> Ladder:
    runs: dict[float, dict[int, Evaluation]] = {}
    for rung, e in results:
        if rung.role == role and e.status.finished and name in e.observables:
            runs.setdefault(rung.temperature_K, {})[rung.replica] = e
    return fit_ladder(role, what, name, runs)


def _crystal(results: Results) -> Ladder:
    runs: dict[float, list[Evaluation]] = {}
    for rung, e in results:
        if e.status.finished and "bulk_resistivity" in e.observables:
            runs.setdefault(rung.temperature_K, []).append(e)
    return fit_crystal(runs)
