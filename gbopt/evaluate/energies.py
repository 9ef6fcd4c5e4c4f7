"""Energies of inherent structures: of the cell, of bulk crystal and, where needed, of oxides."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from gbopt.analysis.energy import BulkEnergies, boundary_energy, decompose
from gbopt.cache import cache_folder, write_whole
from gbopt.config import CampaignConfig
from gbopt.crystal.neighbours import wrap
from gbopt.crystal.oxides import IONS_PER_UNIT, oxide_phases
from gbopt.evaluate.engines import engine_identity, relaxing_engine
from gbopt.md.engine import EngineSettings
from gbopt.md.run import minimum_energy
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.provenance import content_key

Frames = Sequence[NDArray[np.float64]]

_FOUND = "found.json"


def inherent_energy(
    structure: Bicrystal,
    frames: Frames,
    cell: NDArray[np.float64],
    config: CampaignConfig,
    settings: EngineSettings,
    folder: Path,
) -> Estimate:
    """Mean potential energy of frames quenched to their nearest minima, eV per cell.

    Frames that lie a time segment apart count as independent. What has been found is kept in the
    folder: an interrupted call goes on from there.

    Args:
        structure: whose frames they are.
        frames: (n, 3) A each; two or more.
        cell: (3, 3) A of the frames.
        config: the campaign.
        settings: the engine that the run was made with.
        folder: a folder for the relaxations, which is taken away afterwards.

    Raises:
        AnalysisError: its composition has no reference energy.
        MDError: the engine failed.
    """
    decompose(structure.counts)  # refused before anything is relaxed
    folder.mkdir(parents=True, exist_ok=True)
    found, energies = _read_found(folder), []
    for frame in frames:
        key = hashlib.sha256(np.ascontiguousarray(frame).tobytes()).hexdigest()
        if key not in found:
            quenched = replace(structure, positions=wrap(frame, cell), cell=cell)
            found[key] = _relaxed_eV(quenched, config, settings, folder / "md")
            write_whole(folder / _FOUND, json.dumps(found))
        energies.append(found[key])
    shutil.rmtree(folder)  # kept only where it fails
    n = len(energies)
    return Estimate(
        value=float(np.mean(energies)),
        std_err=float(np.std(energies, ddof=1)) / math.sqrt(n),
        unit="eV",
        n_eff=n,
        method=f"{n} frames quenched",
    )


def _read_found(folder: Path) -> dict[str, float]:
    """Energies, eV, by what they are of: those that an interrupted call had come to."""
    try:
        found: dict[str, float] = json.loads((folder / _FOUND).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def gb_energy(
    cell_eV: Estimate,
    structure: Bicrystal,
    crystal_eV: Estimate,
    config: CampaignConfig,
    settings: EngineSettings,
) -> Estimate:
    """Energy of the boundaries of a cell, mean of the two, J/m2.

    Args:
        cell_eV: inherent energy of the cell.
        structure: its composition and area.
        crystal_eV: inherent energy of bulk crystal, per formula unit.
        config: the campaign.
        settings: the engine that the run was made with.

    Raises:
        MDError: the engine failed.
    """
    units = decompose(structure.counts)
    oxides = [
        _oxide(name, config, relaxing_engine(config, settings)) if amount else _not_needed(name)
        for name, amount in (("Li2O", units.li2o), ("La2O3", units.la2o3))
    ]
    bulk = BulkEnergies(crystal_eV, *oxides)
    return boundary_energy(cell_eV, structure.counts, bulk, area_A2=structure.area_A2)


def _oxide(name: str, config: CampaignConfig, settings: EngineSettings) -> Estimate:
    """Energy per formula unit of the stablest phase, relaxed with its cell; kept in the cache."""
    potential = get_potential(config.md.potential)
    key = content_key(
        {
            "oxide": name,
            "potential": potential.key,
            "engine": engine_identity(settings),
            "cutoff_A": config.md.buckingham_cutoff_A,
            "accuracy": config.md.pppm_accuracy,
        }
    )
    folder = cache_folder() / "oxides" / key
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        file = folder / "energy.json"
        if not file.exists():
            energies = {
                phase: _relaxed_eV(crystal, config, settings, folder / "md", relax_cell=True)
                / (crystal.n_ions / IONS_PER_UNIT[name])
                for phase, crystal in oxide_phases(name).items()
            }
            write_whole(file, json.dumps(energies, indent=1))
        phases: dict[str, float] = json.loads(file.read_text(encoding="utf-8"))
    best = min(phases, key=phases.__getitem__)
    return Estimate(
        value=phases[best], std_err=0.0, unit="eV", n_eff=2, method=f"relaxed {name}, {best}"
    )


def _not_needed(name: str) -> Estimate:
    return Estimate(value=0.0, std_err=0.0, unit="eV", n_eff=2, method=f"no {name} off LLZO")


def _relaxed_eV(
    structure: Bicrystal,
    config: CampaignConfig,
    settings: EngineSettings,
    folder: Path,
    *,
    relax_cell: bool = False,
) -> float:
    energy = minimum_energy(
        structure,
        get_potential(config.md.potential),
        config.md,
        settings=settings,
        folder=folder,
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        relax_cell=relax_cell,
    )
    shutil.rmtree(folder)  # kept only where it fails
    return energy
