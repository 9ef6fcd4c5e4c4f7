"""The tables of a study: every run, every system, and structures crossed with dynamics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gbopt.analysis.arrhenius import ArrheniusFit, fit_arrhenius
from gbopt.analysis.statistics import combine, propagate
from gbopt.config.study import StudyConfig
from gbopt.disorder.records import Cell, GlassRecord, RunRecord
from gbopt.disorder.systems import FULL_LI
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate, format_with_error
from gbopt.provenance import Provenance

Rows = list[dict[str, Any]]

ROOM_K = 300.0
# What a warning of an Arrhenius fit says that holds for ordered crystals alone.
_TRANSITION = "tetragonal-cubic"


class SystemResult(NamedTuple):
    """What all runs of a system gave together."""

    label: str
    runs: tuple[RunRecord, ...]
    cell: Cell
    D_cm2_s: dict[float, Estimate]
    """By temperature, K: mean of the replicas."""
    fit: ArrheniusFit | None
    """None with fewer than two temperatures at which diffusion was resolved."""
    network: dict[float, dict[str, Estimate | float]]
    """Figures of the Li site network by temperature, K: mean of the replicas."""
    remarks: tuple[str, ...]

    @property
    def first(self) -> RunRecord:
        """Any of its runs: they share all but temperature and replica."""
        return self.runs[0]


def system_results(records: Sequence[RunRecord]) -> list[SystemResult]:
    """Gather runs by system, in the order in which they come."""
    grouped: dict[str, list[RunRecord]] = {}
    for record in records:
        if record.cell is not None:
            grouped.setdefault(record.label, []).append(record)
    return [_system(label, runs) for label, runs in grouped.items()]


def failures(made: Sequence[GlassRecord], done: Sequence[RunRecord]) -> list[str]:
    """What failed, why, and what to do: a sentence each, glasses first."""
    named = [(f"glass {record.name}", record.failure) for record in made]
    named += [(record.name, record.failure) for record in done]
    return [f"{name} failed: {f.cause} ({f.hint})" for name, f in named if f is not None]


def _system(label: str, runs: list[RunRecord]) -> SystemResult:
    by_T: dict[float, list[RunRecord]] = {}
    for record in runs:
        if record.usable:
            by_T.setdefault(record.temperature_K, []).append(record)
    D = {T: _mean([r.D_cm2_s for r in each if r.D_cm2_s]) for T, each in sorted(by_T.items())}
    fit, remarks = None, _remarks(runs)
    try:
        fit = fit_arrhenius(list(D.items()), quantity="diffusivity")
        remarks += [w for w in fit.warnings if _orders(runs[0]) or _TRANSITION not in w]
    except AnalysisError as error:
        if len(D) > 1:
            remarks.append(f"no activation energy: {error.message}.")
    cell = runs[0].cell
    assert cell is not None  # noqa: S101 - those without were left out
    network = {T: _networks([r.network for r in each]) for T, each in by_T.items()}
    found = {T: figures for T, figures in network.items() if figures}
    return SystemResult(label, tuple(runs), cell, D, fit, found, tuple(dict.fromkeys(remarks)))


def _orders(record: RunRecord) -> bool:
    """Whether Li orders when it is cooled: in the full crystal alone."""
    return record.kind == "crystal" and record.li == FULL_LI


def _mean(estimates: list[Estimate]) -> Estimate:
    if len(estimates) == 1:
        return estimates[0]
    together = combine(estimates, method=f"{estimates[0].method}; replicas")
    # The mean of values and bounds of one side is a bound of that side.
    sides = {e.bound for e in estimates if e.bound}
    return together.model_copy(update={"bound": sides.pop() if sides else None})


def _one_sided(values: Sequence[Estimate | float]) -> bool:
    return len({v.bound for v in values if isinstance(v, Estimate) and v.bound}) <= 1


def _networks(found: list[dict[str, Estimate | float]]) -> dict[str, Estimate | float]:
    """Mean over the replicas of every figure that all have, bounds of one side at most."""
    names = [
        name
        for name in found[0]
        if all(name in each for each in found) and _one_sided([each[name] for each in found])
    ]
    means: dict[str, Estimate | float] = {}
    for name in names:
        values = [each[name] for each in found]
        estimates = [v for v in values if isinstance(v, Estimate)]
        plain = [v for v in values if not isinstance(v, Estimate)]
        means[name] = _mean(estimates) if estimates else sum(plain) / len(plain)
    return means


def _remarks(runs: Iterable[RunRecord]) -> list[str]:
    return [
        f"{record.temperature_K:g} K: {message}"
        for record in runs
        for message in (
            [record.failure.cause]
            if record.failure
            else [flag.message for flag in record.flags if flag.level != "ok"]
        )
    ]


def run_rows(records: Sequence[RunRecord]) -> Rows:
    """One row a run: everything a figure of it depends on."""
    return [_run_row(record) for record in records]


def _run_row(record: RunRecord) -> dict[str, Any]:
    return {
        "system": record.label,
        "kind": record.kind,
        "made_with": record.made_with,
        "run_with": record.run_with,
        "potential": record.potential,
        "phase": record.phase,
        "volume": record.volume,
        **_cell_columns(record.cell),
        "temperature_K": record.temperature_K,
        "replica": record.replica,
        **_columns("D_cm2_s", record.D_cm2_s),
        "lag_ps": record.lag_ps,
        "msd_exponent": record.exponent,
        **_columns("steadiness", record.steadiness),
        "hops_per_ion": record.hops_per_ion,
        "ordered_share": record.ordered_share,
        "displaced_share": record.displaced_share,
        "rms_La_A": record.rms_La_A,
        "rms_Zr_A": record.rms_Zr_A,
        "equilibrate_ps": record.equilibrate_ps,
        "production_ps": record.production_ps,
        **_code(record.provenance),
        **_made(record.provenance),
        "remarks": " ".join(_remarks([record])),
    }


def _code(provenance: Provenance) -> dict[str, Any]:
    """What all runs of a system were made by."""
    return {
        "engine": provenance.engine,
        "thermostat": "Langevin" if provenance.engine.startswith("OpenMM") else "Nose-Hoover",
        "gbopt": f"{provenance.gbopt_version} {provenance.source_key}",
    }


def _made(provenance: Provenance) -> dict[str, Any]:
    """What one run or glass can be made again from."""
    return {"seed": provenance.seed, "settings_key": provenance.settings_key}


def _cell_columns(cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {}
    return {
        "volume_per_unit_A3": round(cell.volume_per_unit_A3, 4),
        "density_g_cm3": round(cell.density_g_cm3, 5),
        "stoichiometry": cell.stoichiometry,
        "charge_e": cell.charge_e,
        "n_ions": cell.n_ions,
    }


def _columns(name: str, value: Estimate | float | None) -> dict[str, Any]:
    if not isinstance(value, Estimate):
        return {name: value}
    found: dict[str, Any] = {name: value.value, f"{name}_std_err": value.std_err}
    return found | {f"{name}_bound": value.bound or ""}


def system_rows(results: Sequence[SystemResult]) -> Rows:
    """One row a system: D at every temperature, activation energy, site network."""
    rows = []
    for result in results:
        first, fit = result.first, result.fit
        row: dict[str, Any] = {
            "system": result.label,
            "kind": first.kind,
            "made_with": first.made_with,
            "run_with": first.run_with,
            "potential": first.potential,
            "volume": first.volume,
            **_cell_columns(result.cell),
            "replicas": len({r.replica for r in result.runs}),
            "production_ps": first.production_ps,
            **_code(first.provenance),
        }
        for T, D in result.D_cm2_s.items():
            row |= _columns(f"D_{T:g}K_cm2_s", D)
        if fit is not None:
            row |= {
                "Ea_eV": fit.Ea_eV.value,
                "Ea_eV_std_err": fit.Ea_eV.std_err,
                "ln_D0": fit.ln_prefactor.value,
                "ln_D0_std_err": fit.ln_prefactor.std_err,
                "fitted_K": " ".join(f"{T:g}" for T in fit.temperatures_K),
                "chi2": round(fit.chi2, 3),
                "dof": fit.dof,
            }
            row |= _columns(f"log10_D_{ROOM_K:g}K", fit.at(ROOM_K))
            beyond = [w for w in fit.warnings_at(ROOM_K) if w not in fit.warnings]
            row[f"remarks_{ROOM_K:g}K"] = " ".join(
                w for w in beyond if _orders(first) or _TRANSITION not in w
            )
        for T, figures in result.network.items():
            for name, value in figures.items():
                row |= _columns(f"{name}_{T:g}K", value)
        rows.append(row | {"remarks": " ".join(result.remarks)})
    return rows


def cross_rows(config: StudyConfig, results: Sequence[SystemResult]) -> Rows:
    """D of each structure under each potential, and what either choice changes.

    A row for every pair of potentials on one structure (``dynamics``: how many times faster Li is
    under the first) and every pair of structures under one potential (``structure``).
    """
    T, volume = config.crossed
    found = {
        (r.first.made_with, r.first.run_with, r.cell.stoichiometry): r
        for r in results
        if r.first.kind == "glass" and math.isclose(r.first.volume, volume) and T in r.D_cm2_s
    }
    rows: Rows = [
        {
            "what": "D",
            "made_with": maker,
            "run_with": runner,
            "stoichiometry": composition,
            "charge_e": result.cell.charge_e,
            "density_g_cm3": round(result.cell.density_g_cm3, 5),
            "volume": volume,
            "temperature_K": T,
            "lag_ps": _lags(result, T),
            **_columns("value", result.D_cm2_s[T]),
            "unit": result.D_cm2_s[T].unit,
            "remarks": f"{result.first.potential}, {result.first.provenance.engine}",
        }
        for (maker, runner, composition), result in found.items()
    ]
    keys = list(found)
    for index, one in enumerate(keys):
        for other in keys[index + 1 :]:
            same_structure = one[0] == other[0] and one[2] == other[2]
            same_dynamics = one[1] == other[1] and one[2] == other[2]
            if same_structure or same_dynamics:
                what = "dynamics" if same_structure else "structure"
                rows.append(_ratio_row(what, (one, other), (found[one], found[other]), T))
    return rows


def _lags(result: SystemResult, temperature_K: float) -> str:
    """The lags that D was measured at, one for each replica."""
    lags = [r.lag_ps for r in result.runs if r.temperature_K == temperature_K and r.usable]
    return " ".join(f"{lag:.4g}" for lag in lags if lag is not None)


def _ratio_row(
    what: str,
    names: tuple[tuple[str, str, str], tuple[str, str, str]],
    results: tuple[SystemResult, SystemResult],
    temperature_K: float,
) -> dict[str, Any]:
    (maker, runner, composition), (other_maker, other_runner, _) = names
    above, below = (result.D_cm2_s[temperature_K] for result in results)
    row = {
        "what": what,
        "made_with": maker if what == "dynamics" else f"{maker} / {other_maker}",
        "run_with": f"{runner} / {other_runner}" if what == "dynamics" else runner,
        "stoichiometry": composition,
        "charge_e": results[0].cell.charge_e,
        "density_g_cm3": round(results[0].cell.density_g_cm3, 5),
        "volume": results[0].first.volume,
        "temperature_K": temperature_K,
        "lag_ps": " / ".join(_lags(result, temperature_K) for result in results),
        "unit": "",
        "remarks": "",
    }
    if above.bound and below.bound:
        return row | _columns("value", None) | {"remarks": "both D are bounds: no ratio"}
    value = above.value / below.value
    ratio = propagate(
        value,
        [(1 / below.value, above), (-value / below.value, below)],
        unit="",
        method="ratio of tracer diffusivities",
        bound="lower" if below.bound else "upper" if above.bound else None,
    )
    return row | _columns("value", ratio)


def printed_cross_rows(rows: Rows) -> Rows:
    """The crossed table for reading: numbers rounded to their errors."""
    return [
        {
            "what": row["what"],
            "structure of": row["made_with"],
            "dynamics of": row["run_with"],
            "composition": row["stoichiometry"],
            "T K": f"{row['temperature_K']:g}",
            "value": _shown(row),
            "unit": row["unit"],
        }
        for row in rows
    ]


def _shown(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return str(row["remarks"])
    sign = {"upper": "<= ", "lower": ">= ", "": ""}[row["value_bound"]]
    return sign + format_with_error(row["value"], row["value_std_err"])


def glass_rows(records: Sequence[GlassRecord]) -> Rows:
    """One row a glass: how it was made, and that it melted."""
    return [
        {
            "glass": record.name,
            "potential": record.potential,
            **_cell_columns(record.cell),
            "melt_K": record.melt_K,
            "melt_ps": record.melt_ps,
            "rate_K_ps": record.rate_K_ps,
            "quench_to_K": record.quench_to_K,
            "loosened": record.loosened,
            "rms_La_A": record.rms_La_A,
            "rms_Zr_A": record.rms_Zr_A,
            "ordered_share": record.ordered_share,
            **_code(record.provenance),
            **_made(record.provenance),
            "remarks": record.failure.cause if record.failure else "",
        }
        for record in records
    ]


def printed_rows(results: Sequence[SystemResult]) -> Rows:
    """The systems for reading: numbers rounded to their errors."""
    temperatures = sorted({T for result in results for T in result.D_cm2_s})
    rows = []
    for result in results:
        row: dict[str, Any] = {
            "system": result.label,
            "A3/f.u.": f"{result.cell.volume_per_unit_A3:.1f}",
            "g/cm3": f"{result.cell.density_g_cm3:.3f}",
            "composition": result.cell.stoichiometry,
            "charge e": result.cell.charge_e,
        }
        for T in temperatures:
            D = result.D_cm2_s.get(T)
            row[f"D({T:g} K) cm2/s"] = str(D.model_copy(update={"unit": ""})) if D else "-"
        row["Ea eV"] = str(result.fit.Ea_eV.model_copy(update={"unit": ""})) if result.fit else "-"
        rows.append(row)
    return rows
