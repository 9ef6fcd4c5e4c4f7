"""The bulk reference: cubic LLZO of the same potential, temperature and protocol, cached."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock
from pydantic import BaseModel, ConfigDict

from gbopt.analysis.bulk import BulkTransport, bulk_transport
from gbopt.analysis.collective import ChargeDisplacement
from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.statistics import combine
from gbopt.analysis.transport import LiTransport
from gbopt.cache import cache_folder, write_whole
from gbopt.config import CampaignConfig
from gbopt.errors import EnvironmentProblem, MDError
from gbopt.evaluate.energies import inherent_energy
from gbopt.evaluate.engines import engine_identity, fitted, on_its_gpu
from gbopt.evaluate.fields import charge_scale, collective_lag_ps, follow_fields, formal_charges
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.geometry.bulk import build_bulk
from gbopt.md.checkpoint import clear_run
from gbopt.md.engine import EngineSettings
from gbopt.md.protocol import Stage, bulk_stages
from gbopt.md.run import Progress, run_md
from gbopt.model.bicrystal import Bicrystal
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.provenance import content_key, derive_seed

BULK_FORMAT = 6
_BULK_BRANCH = 7_001  # spawn key of the bulk's seeds, apart from those of the trials


class BulkReference(BaseModel):
    """What the crystal without boundaries does under the same conditions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    key: str
    """Content key of potential, composition, temperature and protocol."""
    potential: str
    engine: str
    temperature_K: float
    lattice_A: Estimate
    """Lattice parameter at temperature and pressure, mean of the replicas."""
    transport: BulkTransport
    collective: Estimate
    """Collective (Einstein-Helfand) conductivity, mean of axes and replicas, S/cm."""
    at_fields: tuple[Estimate, ...]
    """Conductivity under each field of the campaign, mean of the replicas, S/cm."""
    inherent_eV: Estimate | None = None
    """Mean energy of quenched frames, per formula unit, eV; None where none were quenched."""
    energy_failure: str = ""
    """Why there is none, where quenching failed."""
    production_ps: float
    n_ions: int
    seconds: float


def bulk_key(config: CampaignConfig, settings: EngineSettings) -> str:
    """Content key of the reference that a campaign needs with an engine."""
    md = config.md.model_dump(
        include={
            "temperature_K",
            "pressure_atm",
            "timestep_ps",
            "minimise_iterations",
            "frame_ps",
            "buckingham_cutoff_A",
            "pppm_accuracy",
        }
    )
    return content_key(
        {
            "format": BULK_FORMAT,
            "composition": "Li7La3Zr2O12 cubic",
            "potential": get_potential(config.md.potential).key,
            "engine": engine_identity(settings),
            "md": md,
            "bulk": config.bulk.model_dump(),
            "field": config.field.model_dump(),
            "analysis": config.analysis.model_dump(),
            "seed": config.seed,
        }
    )


def bulk_reference(
    config: CampaignConfig,
    settings: EngineSettings,
    *,
    workers: int,
    on_progress: Callable[[str], None],
) -> BulkReference:
    """Return the reference from the cache, or run its replicas and keep it there.

    Args:
        config: the campaign.
        settings: the engine that runs it.
        workers: replicas that may run at once.
        on_progress: called with a line of text when something happens.

    Raises:
        MDError: a replica failed; without a reference no boundary can be judged.
        EnvironmentProblem: the cache cannot be written.
    """
    key = bulk_key(config, settings)
    folder = cache_folder() / "bulk" / key
    # Before any lock: a shared cache may be readable only.
    if (cached := _read(folder / "bulk.json")) is not None:
        on_progress(f"bulk reference {key}: from the cache {folder}")
        return cached
    try:
        return _make(config, settings, folder, workers, on_progress)
    except OSError as error:
        raise EnvironmentProblem(
            f"the cache {folder} cannot be written: {error.strerror or error}",
            hint="free space there, or set GBOPT_CACHE_DIR to a folder you may write to",
        ) from None


def _read(file: Path) -> BulkReference | None:
    try:
        return BulkReference.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # not there, or written by another version: it is made anew


def _make(
    config: CampaignConfig,
    settings: EngineSettings,
    folder: Path,
    workers: int,
    on_progress: Callable[[str], None],
) -> BulkReference:
    """Run the replicas while holding the folder; another campaign may have been faster."""
    folder.mkdir(parents=True, exist_ok=True)
    on_progress(f"bulk reference {folder.name}: {config.bulk.replicas} replicas in {folder}")
    with FileLock(folder / ".lock"):
        if (cached := _read(folder / "bulk.json")) is not None:
            return cached
        started = time.monotonic()
        runs = _run_replicas(config, settings, folder, workers, on_progress)
        reference = _summarise(config, folder.name, runs, time.monotonic() - started)
        write_whole(folder / "bulk.json", reference.model_dump_json(indent=1))
        return reference


class Replica(BaseModel):
    """What one run of the crystal gave, besides its transport profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: str
    n_ions: int
    lattice_A: float
    collective: Estimate
    at_fields: tuple[Estimate, ...]
    inherent_eV: Estimate | None = None
    """Mean energy of quenched frames, per formula unit."""
    energy_failure: str
    """Why there is none; empty where none was asked for."""


def _run_replicas(
    config: CampaignConfig,
    settings: EngineSettings,
    folder: Path,
    workers: int,
    on_progress: Callable[[str], None],
) -> list[tuple[TransportProfile, Replica]]:
    from joblib import delayed

    replicas = config.bulk.replicas
    return in_workers(
        lambda: [
            delayed(run_replica)(config, settings, folder, replica, workers, os.getpid())
            for replica in range(replicas)
        ],
        min(workers, replicas),
        finished=lambda: len([*folder.glob("replica-*.json")]),
        on_death=lambda: on_progress("a worker process was killed: the replicas are run again"),
    )


def run_replica(
    config: CampaignConfig,
    settings: EngineSettings,
    folder: Path,
    replica: int,
    workers: int,
    main_pid: int,
) -> tuple[TransportProfile, Replica]:
    """Run one replica, or read it if it has been run."""
    become_worker(main_pid)
    # A replica of a campaign that was killed a moment ago may still be ending.
    with FileLock(folder / f".replica-{replica}.lock"):
        done, meta = folder / f"replica-{replica}.npz", folder / f"replica-{replica}.json"
        if meta.exists():
            return TransportProfile.load(done), Replica.model_validate_json(meta.read_text())
        with place(folder, workers) as slot:
            own = on_its_gpu(settings, slot)
            profile, found = _simulate_replica(config, own, folder, replica)
        profile.save(done)
        write_whole(meta, found.model_dump_json())  # last: it says that all is there
        clear_run(folder / f"replica-{replica}")
        return profile, found


def _simulate_replica(
    config: CampaignConfig, settings: EngineSettings, folder: Path, replica: int
) -> tuple[TransportProfile, Replica]:
    potential = get_potential(config.md.potential)
    seed = derive_seed(config.seed, _BULK_BRANCH, replica)
    crystal = fitted(build_bulk(config.bulk.cells, potential.lattice_A, seed), settings)
    cells = round(float(crystal.cell[0, 0]) / potential.lattice_A)
    with run_md(
        crystal,
        potential,
        _stages(config, seed),
        config.md,
        settings=settings,
        folder=folder / f"replica-{replica}",
        stall_s=config.run.stall_s,
        checkpoint_s=config.run.checkpoint_s,
        on_progress=_silent,
    ) as run:
        trajectory = run.trajectory()
        info, analysis = trajectory.info, config.analysis
        transport = LiTransport(
            info, lag_ps=analysis.lag_ps, segments=analysis.segments, bin_A=analysis.bin_A
        )
        charge = ChargeDisplacement(
            info,
            formal_charges(info.species),
            lag_ps=collective_lag_ps(config, config.bulk.production_ps),
        )
        quenched = _spread(info.n_frames, analysis.energy_frames)
        frames = []
        for index, frame in enumerate(drift_corrected(trajectory)):
            transport.add(frame)
            charge.add(frame)
            if index in quenched:
                frames.append(frame)
        at_fields = tuple(stage.conductivity for stage in follow_fields(run, config))
    motion = charge.result()
    energy, energy_failure = None, ""
    try:
        if frames:
            relaxing = folder / f"replica-{replica}-energy"
            energy = inherent_energy(crystal, frames, info.cell, config, settings, relaxing)
    except MDError as error:  # the run itself is not lost; boundaries go without an energy
        energy_failure = error.message
    return transport.result(), Replica(
        engine=run.engine,
        n_ions=crystal.n_ions,
        lattice_A=float(info.cell[0, 0]) / cells,
        collective=combine(
            [motion.conductivity(axis) for axis in range(3)], method="Einstein-Helfand; axes"
        ),
        at_fields=at_fields,
        inherent_eV=_per_unit(energy, crystal),
        energy_failure=energy_failure,
    )


def _stages(config: CampaignConfig, seed: int) -> tuple[Stage, ...]:
    return bulk_stages(
        config.md,
        npt_ps=config.bulk.npt_ps,
        production_ps=config.bulk.production_ps,
        seed=seed,
        field=config.field,
        charge_scale=charge_scale(config),
    )


def _per_unit(energy: Estimate | None, crystal: Bicrystal) -> Estimate | None:
    """Energy of a cell of bulk crystal per formula unit."""
    if energy is None:
        return None
    share = 2 / crystal.counts["Zr"]
    changes = {"value": share * energy.value, "std_err": share * energy.std_err}
    return energy.model_copy(update=changes)


def _spread(n_frames: int, count: int) -> set[int]:
    """Indices of frames spread over the run, its last one included."""
    return {round(n_frames * (k + 1) / count) - 1 for k in range(count)}


def _silent(progress: Progress) -> None:
    """Progress of a replica is not shown: there is no trial to show it under."""


def _summarise(
    config: CampaignConfig,
    key: str,
    results: list[tuple[TransportProfile, Replica]],
    seconds: float,
) -> BulkReference:
    potential = get_potential(config.md.potential)
    replicas = [replica for _, replica in results]
    edges = np.array([replica.lattice_A for replica in replicas])
    return BulkReference(
        key=key,
        potential=potential.name,
        engine=replicas[0].engine,
        temperature_K=config.md.temperature_K,
        lattice_A=Estimate(
            value=float(edges.mean()),
            std_err=float(edges.std(ddof=1) / np.sqrt(len(edges))),
            unit="A",
            n_eff=len(edges),
            method="mean NPT edge; replicas",
        ),
        transport=bulk_transport([profile for profile, _ in results]),
        collective=combine(
            [replica.collective for replica in replicas],
            method="Einstein-Helfand, mean of axes; replicas",
        ),
        at_fields=tuple(
            combine(same_field, method=f"{same_field[0].method}; replicas")
            for same_field in zip(*(replica.at_fields for replica in replicas), strict=True)
        ),
        inherent_eV=_together([replica.inherent_eV for replica in replicas]),
        energy_failure="; ".join(filter(None, (replica.energy_failure for replica in replicas))),
        production_ps=config.bulk.production_ps,
        n_ions=replicas[0].n_ions,
        seconds=round(seconds, 1),
    )


def _together(energies: list[Estimate | None]) -> Estimate | None:
    known = [energy for energy in energies if energy is not None]
    return combine(known, method=f"{known[0].method}; replicas") if known else None
