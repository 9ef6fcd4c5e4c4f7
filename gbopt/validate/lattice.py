"""Lattice parameters: tetragonal LLZO at 0 K, cubic LLZO at temperature and pressure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.statistics import combine
from gbopt.config import MDConfig
from gbopt.crystal.llzo import tetragonal_cell
from gbopt.disorder.setup import EngineChoice
from gbopt.evaluate.engines import fitted, relaxing_engine
from gbopt.geometry.bulk import build_bulk
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage, bulk_stages, energy_stage
from gbopt.md.run import Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.provenance import derive_seed
from gbopt.validate.check import Bench, Measured, plain
from gbopt.validate.findings import Finding

# Strain is measured from where a relaxation began: it is begun anew until it is at rest.
_RELAXATIONS = 6
_BLOCKS = 4
"""Of an NPT run, behind the error of its mean edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tetragonal:
    """t-LLZO, relaxed with its cell."""

    label: str
    potential: str
    cutoff_A: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cubic:
    """c-LLZO under NPT at 1 atm."""

    label: str
    potential: str
    temperature_K: float = 1100.0
    cells: int = 1
    replicas: int = 2
    npt_ps: float = 20.0
    seed: int = 1


def measure_tetragonal(spec: Tetragonal, bench: Bench) -> Measured:
    """Lattice parameters a and c at 0 K and zero pressure."""
    md = MDConfig(
        potential=spec.potential,
        buckingham_cutoff_A=spec.cutoff_A,
        coulomb_cutoff_A=spec.cutoff_A,
        pppm_accuracy=1e-6,
    )
    asked = EngineChoice(md, bench.run)
    settings = relaxing_engine(asked, bench.engine(md))
    relax = energy_stage(relax_cell=True)
    stages = [replace(relax, name=f"relax {n}", max_move_A=0.02) for n in range(_RELAXATIONS)]
    rest = Stage(name="rest", kind="production", ensemble="nve", steps=1, frame_steps=1)
    cell, _, engine = _cell_after(_tetragonal(), (*stages, rest), md, settings, bench)
    edges = {"a": (cell[0, 0] + cell[1, 1]) / 2, "c": cell[2, 2]}
    found = tuple(
        Finding(
            key=f"{name} 0 K/{spec.label}",
            quantity=f"{name} of t-LLZO at 0 K, {spec.label}",
            ours=Estimate(value=edge, std_err=0.0, unit="A", n_eff=1, method="relaxed with cell"),
            note="192 ions",
        )
        for name, edge in edges.items()
    )
    return Measured(found, engine, plain(settings))


def measure_cubic(spec: Cubic, bench: Bench) -> Measured:
    """Lattice parameter at temperature, 1 atm: mean over the second half of NPT."""
    md = MDConfig(potential=spec.potential, temperature_K=spec.temperature_K)
    settings = bench.engine(md)
    potential = get_potential(spec.potential)
    each = []
    for replica in range(spec.replicas):
        seed = derive_seed(spec.seed, replica)
        crystal = fitted(build_bulk(spec.cells, potential.lattice_A, seed), settings)
        cells = round(float(crystal.cell[0, 0]) / potential.lattice_A)
        stages = bulk_stages(md, npt_ps=spec.npt_ps, production_ps=md.frame_ps, seed=seed)
        cell, err_A, engine = _cell_after(crystal, stages, md, settings, bench)
        # Of one edge; the three are as good as independent.
        err = err_A / cells / math.sqrt(3)
        edge = float(cell[0, 0]) / cells
        each.append(Estimate(value=edge, std_err=err, unit="A", n_eff=_BLOCKS, method="mean edge"))
    ours = combine(each, method="mean NPT edge; blocks and replicas")
    finding = Finding(
        key=f"a {spec.temperature_K:g} K/{spec.label}",
        quantity=f"a of c-LLZO at {spec.temperature_K:g} K and 1 atm, {spec.label}",
        ours=ours,
        note=f"{crystal.n_ions} ions, {spec.replicas} x {spec.npt_ps:g} ps NPT",
    )
    return Measured((finding,), engine, plain(settings))


def _tetragonal() -> Bicrystal:
    positions, cell, species = tetragonal_cell()
    n = len(species)
    return Bicrystal(
        positions=positions,
        cell=cell,
        sites=positions,
        species=species,
        grain=np.zeros(n, dtype=np.int8),
        core=np.zeros(n, dtype=bool),
        boundaries_A=(),
        core_width_A=0.0,
        lattice_A=float(cell[0, 0]),
        provenance={"crystal": "t-LLZO"},
    )


def _cell_after(
    structure: Bicrystal,
    stages: tuple[Stage, ...],
    md: MDConfig,
    settings: EngineSettings,
    bench: Bench,
) -> tuple[NDArray[np.float64], float, str]:
    """Cell at production, (3, 3) A, the error of an edge, A, and the engine."""
    with run_md(
        structure,
        get_potential(md.potential),
        stages,
        md,
        settings=settings,
        folder=bench.folder / "md",
        stall_s=bench.run.stall_s,
        on_progress=silent,
    ) as run:
        info = run.trajectory().info
        run.finish()
    return info.cell, info.length_err_A, run.engine


def silent(progress: Progress) -> None:
    """Progress within a check is not shown."""
