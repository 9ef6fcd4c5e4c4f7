"""Energies and forces of every engine that works here against a direct Ewald sum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from gbopt.config import AsePotential, BuckinghamPotential, MDConfig, Potential
from gbopt.config.sections import RunConfig
from gbopt.md import stopping
from gbopt.md.bench import as_request
from gbopt.md.engine import EngineSettings
from gbopt.md.probe import probe
from gbopt.md.sample import sample_system
from gbopt.md.select import base_settings, candidates
from gbopt.model.bicrystal import SPECIES
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.validate.check import Bench, Measured
from gbopt.validate.ewald import direct_sum
from gbopt.validate.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """One cell of t-LLZO, its ions off their sites, under one potential."""

    label: str
    potential: str
    # Narrow cut-offs, so that one cell is wide enough for every engine.
    cutoff_A: float = 6.3
    accuracy: float = 5e-5


def measure_engines(spec: Engines, bench: Bench) -> Measured:
    """Difference of energy and forces from the direct sum, as parts of their size."""
    potential = get_potential(spec.potential)
    assert isinstance(potential, BuckinghamPotential)  # noqa: S101 - the suite has no others
    system = sample_system(potential, cells=1)
    symbols = [str(name) for name in system.symbols]
    energy, forces = direct_sum(symbols, system.positions, system.cell, potential, spec.cutoff_A)
    size = math.sqrt(float((forces**2).mean()))
    found: list[Finding] = []
    for number, (own, settings) in enumerate(_engines(spec, potential)):
        stopping.heed()
        request = as_request(system, own, settings)
        trial, theirs = probe(
            request, [settings], folder=bench.folder / f"engine-{number}", seconds=0.0
        )[0]
        if not trial.works or theirs is None or trial.energy_eV is None:
            found.append(_broken(settings.label, spec.label, trial.why))
            continue
        off = math.sqrt(float(((theirs - forces) ** 2).mean())) / size
        parts = {"energy": abs(trial.energy_eV / energy - 1), "forces": off}
        found += [_finding(name, part, trial.version, spec) for name, part in parts.items()]
    return Measured(tuple(found), "every engine here")


def _engines(
    spec: Engines, potential: BuckinghamPotential
) -> list[tuple[Potential, EngineSettings]]:
    md = MDConfig(
        potential=spec.potential,
        buckingham_cutoff_A=spec.cutoff_A,
        coulomb_cutoff_A=spec.cutoff_A,
        pppm_accuracy=spec.accuracy,
    )
    run = RunConfig()
    own: list[tuple[Potential, EngineSettings]] = [
        (potential, settings) for settings in candidates(potential, md, run, every=True)
    ]
    ase = replace(base_settings(md, run), engine="ase", accelerator="cpu")
    return [*own, (_as_calculator(spec), ase)]


def _as_calculator(spec: Engines) -> AsePotential:
    return AsePotential(
        name=f"{spec.potential}-direct-sum",
        citation="the direct sum itself, as a calculator of ASE",
        validity="what the potential is good for",
        elements=SPECIES,
        calculator="gbopt.validate.ewald:calculator",
        arguments={"potential": spec.potential, "cutoff_A": spec.cutoff_A},
    )


def _finding(name: str, part: float, version: str, spec: Engines) -> Finding:
    return Finding(
        key=f"engines/{name}",
        quantity=f"relative difference of {name} from a direct Ewald sum, {spec.label}, {version}",
        ours=Estimate(value=part, std_err=0.0, unit="", n_eff=1, method="static"),
        note=f"192 ions, accuracy {spec.accuracy:g}",
    )


def _broken(label: str, potential: str, why: str) -> Finding:
    return Finding(
        key="engines/broken",
        quantity=f"{label} with {potential}",
        ours=Estimate(value=0.0, std_err=0.0, unit="", n_eff=1, method="none"),
        note=f"does not work here: {why}",
    )
