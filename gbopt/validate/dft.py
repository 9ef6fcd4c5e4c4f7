"""Excess energies of DFT-relaxed boundaries of LLZO: a potential against DFT.

The boundaries are those of W. Xie et al., Adv. Energy Mater. 2023, doi 10.1002/aenm.202304230;
``data/dft_llzo_gbs`` holds twenty of them with their licence. With n, k and m the units of LLZO,
Li2O and La2O3 in a cell and A the area of each of its two boundaries, the energies of all cells
are fitted by least squares as E = n E(LLZO) + k E(Li2O) + m E(La2O3) + 2 A gamma, gamma being one
number; what a cell has beyond its bulk phases, over 2 A, is its own excess energy. DFT and the
potential are fitted alike, so that the energies of bulk phases, which no two methods share, drop
out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from gbopt.analysis.energy import BOUNDARIES, decompose
from gbopt.config import MDConfig
from gbopt.disorder.setup import EngineChoice
from gbopt.evaluate.engines import fitted, relaxing_engine
from gbopt.geometry.read import read_unlabelled
from gbopt.md.protocol import Stage, energy_stage
from gbopt.md.run import run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.store.files import write_atomic
from gbopt.units import EV_A2_TO_J_M2
from gbopt.validate.check import Bench, Measured, plain
from gbopt.validate.findings import Finding
from gbopt.validate.lattice import silent

DATA = Path(__file__).parent / "data" / "dft_llzo_gbs"
Array = NDArray[np.float64]

_RESAMPLED = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DftBoundaries:
    """The boundaries under a potential, as DFT left them or relaxed at fixed cell."""

    label: str
    potential: str
    relaxed: bool
    count: int = 20
    """So many of them, the smallest files' names first."""
    cutoff_A: float = 9.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Boundaries:
    """Cells, their DFT energies, and what their energies are made of."""

    names: tuple[str, ...]
    structures: tuple[Bicrystal, ...]
    dft_eV: Array
    """(n,) per cell."""

    @property
    def design(self) -> Array:
        """(n, 4) units of LLZO, Li2O and La2O3, and twice the area, A^2."""
        rows = [(*decompose(s.counts), BOUNDARIES * s.area_A2) for s in self.structures]
        return np.array(rows)


def read_boundaries(count: int) -> Boundaries:
    """Read the first ``count`` of the boundaries that come with gbopt; their normal is along c."""
    dft = json.loads((DATA / "energies.json").read_text(encoding="utf-8"))
    names = tuple(sorted(dft))[:count]
    structures = tuple(read_unlabelled(DATA / name) for name in names)
    return Boundaries(names, structures, np.array([dft[name] for name in names]))


def excess_J_m2(design: Array, energies_eV: Array) -> Array:
    """(n,) excess energies, J/m2: see the module."""
    fit = np.linalg.lstsq(design, energies_eV)[0]
    bulk_eV = design[:, :3] @ fit[:3]
    excess: Array = (energies_eV - bulk_eV) / design[:, 3] * EV_A2_TO_J_M2
    return excess


def measure_dft(spec: DftBoundaries, bench: Bench) -> Measured:
    """Rank correlation with DFT, and the slope of the potential's excess energies on DFT's."""
    boundaries = read_boundaries(spec.count)
    energies, engine, settings = _energies(spec, boundaries, bench)
    short, how = ("relaxed", "relaxed at fixed cell") if spec.relaxed else ("static", "static")
    key = f"{short}/{spec.label}"
    note = f"{spec.count} boundaries, {how}"
    found = tuple(
        Finding(
            key=f"{name} {key}",
            quantity=f"{what} of excess energies of DFT-relaxed boundaries, {spec.label} against "
            f"DFT, {how}",
            ours=_bootstrapped(statistic, boundaries, energies, spec.seed),
            note=note,
        )
        for name, what, statistic in (
            ("Spearman", "Spearman's rho", _spearman),
            ("slope", "slope", _slope),
        )
    )
    return Measured(found, engine, settings)


def _spearman(dft: Array, ours: Array) -> float:
    return float(spearmanr(dft, ours).statistic)


def _slope(dft: Array, ours: Array) -> float:
    return float(np.polyfit(dft, ours, 1)[0])


def _bootstrapped(
    statistic: Callable[[Array, Array], float], of: Boundaries, energies_eV: Array, seed: int
) -> Estimate:
    """A statistic with the error that drawing the boundaries anew gives it."""
    design, dft_eV = of.design, of.dft_eV
    rng, n = np.random.default_rng(seed), len(dft_eV)

    def value(rows: NDArray[np.intp]) -> float:
        part = design[rows]
        return statistic(excess_J_m2(part, dft_eV[rows]), excess_J_m2(part, energies_eV[rows]))

    drawn = [rows for rows in rng.integers(0, n, (_RESAMPLED, n)) if _solvable(design[rows])]
    values = np.array([value(rows) for rows in drawn])
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(
        value=value(np.arange(n)),
        std_err=float(values.std(ddof=1)),
        unit="",
        n_eff=n,
        method=f"bootstrap, 95 % of draws in {low:.2f} to {high:.2f}",
    )


def _solvable(design: Array) -> bool:
    return bool(np.linalg.matrix_rank(design) == design.shape[1])


def _energies(
    spec: DftBoundaries, boundaries: Boundaries, bench: Bench
) -> tuple[Array, str, dict[str, str | int | float]]:
    """(n,) energies of the cells, eV; each is kept as it comes."""
    md = MDConfig(
        potential=spec.potential,
        buckingham_cutoff_A=spec.cutoff_A,
        coulomb_cutoff_A=spec.cutoff_A,
        timestep_ps=0.002 if spec.relaxed else _INSTANT_PS,
    )
    settings = bench.engine(md)
    if spec.relaxed:
        settings = relaxing_engine(EngineChoice(md, bench.run), settings)
    engine, energies = settings.label, []
    for name, structure in zip(boundaries.names, boundaries.structures, strict=True):
        wide = fitted(structure, settings)
        file = bench.folder / f"{name}.json"
        if not file.exists():
            with run_md(
                wide,
                get_potential(spec.potential),
                (energy_stage(relax_cell=False) if spec.relaxed else _AS_IT_IS,),
                md,
                settings=settings,
                folder=bench.folder / "md",
                stall_s=bench.run.stall_s,
                on_progress=silent,
            ) as run:
                run.finish()
            (energy,) = run.energies_eV.values()
            write_atomic(file, json.dumps({"energy_eV": energy, "engine": run.engine}))
        known = json.loads(file.read_text(encoding="utf-8"))
        engine = known["engine"]
        energies.append(known["energy_eV"] * structure.n_ions / wide.n_ions)
    return np.array(energies), engine, plain(settings)


# Engines report an energy after a step: this one is so short that nothing moves.
_INSTANT_PS = 1e-5
_AS_IT_IS = Stage(name="as it is", kind="dynamics", ensemble="nve", steps=1)
