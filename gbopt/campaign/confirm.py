"""Confirmation: the best boundary and a conventional one, run anew over a temperature ladder.

The value that won a search is a lucky draw among noisy ones. So the winner is run again with
fresh seeds (another termination, Li ordering and velocities each, and another translation unless
that was searched), beside a reference, and only these runs are compared. The reference is the
conventional boundary (see ``conventional``), with a disordered core of the same width, by the
same protocol.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.run import gpus_shared
from gbopt.config import CampaignConfig
from gbopt.crystal.known import get_crystal
from gbopt.errors import RunFolderError
from gbopt.evaluate.bulk import BulkReference, bulk_reference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.evaluate.engines import on_its_gpu
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.geometry.catalog import Entry, catalog
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.model.evaluation import Evaluation
from gbopt.model.orientation import Miller, dot, norm2
from gbopt.model.spec import BoundaryKind, GBSpec
from gbopt.provenance import derive_seed
from gbopt.store.files import write_atomic
from gbopt.store.rundir import EVALUATION, RunFolder, read_evaluation

Role = Literal["best", "reference"]
ROLES: tuple[Role, Role] = ("best", "reference")

FOLDER = "confirm"
CONFIRMATION = "confirm.json"
"""What was found, in the run folder."""
_CONFIRM_BRANCH = 2  # spawn key of its seeds, apart from those of the trials and of the bulk
# High angles of cubic boundaries begin here, and cells of conventional boundaries end there.
_HIGH_DEG, _LARGEST_A2 = 15.0, 13.0
# Boundaries of Sigma3 are twins: coherent ones are like no other boundary.
_LEAST_SIGMA = 5


class Rung(NamedTuple):
    """One run of the confirmation: which boundary, how hot, which of its replicas."""

    role: Role
    temperature_K: float
    replica: int
    job: Job

    @property
    def name(self) -> str:
        """Name of its folder; the same boundary is found again after the search has gone on."""
        return f"{self.job.spec.geometry_key}-{self.temperature_K:g}K-{self.replica}"


def plan(campaign: Campaign) -> list[Rung]:
    """Everything that the confirmation consists of, replica by replica.

    Raises:
        RunFolderError: the campaign has no boundary to confirm.
    """
    best = campaign.recommendation()
    if best is None:
        raise RunFolderError(
            f"{campaign.folder.path} has no finished evaluation that shows how low a boundary is",
            hint="run the campaign for longer with `gbopt resume`",
        )
    config = campaign.config
    rungs: list[Rung] = []
    specs = specifications(campaign.space.spec(best.params, 0))
    for replica in range(config.confirm.replicas):
        for temperature_K in temperatures(config):
            for role in ROLES:
                # One seed for all temperatures: the ladder of a replica is of one structure.
                seed = derive_seed(config.seed, _CONFIRM_BRANCH, ROLES.index(role), replica)
                job = Job(
                    number=len(rungs),
                    replicate=replica,
                    requested={},
                    params=best.params if role == "best" else {},
                    spec=specs[role].model_copy(update={"seed": seed}),
                )
                rungs.append(Rung(role, temperature_K, replica, job))
    return rungs


def specifications(best: GBSpec) -> dict[Role, GBSpec]:
    """The best boundary, and the conventional one: undoped and of stoichiometric LLZO.

    Width, crystal, gap and the choices among orderings and translations are those of the best;
    what belongs to its own lattices, such as a translation and a strain, is not taken over.
    """
    own = {"axis", "plane", "misorientation_deg", "max_strain"}
    own |= {"translation", "termination", "composition"}
    fields = best.model_dump(exclude=own)
    entry = conventional(best)
    reference = GBSpec(
        axis=entry.axis, plane=entry.plane, misorientation_deg=entry.rotation_deg, **fields
    )
    return {"best": best, "reference": reference}


def conventional(best: GBSpec) -> Entry:
    """Return the conventional boundary that a boundary is held against.

    It is what a study of single boundaries would take: of the high-angle boundaries about the
    same axis the one of the lowest coincidence index, Sigma3 excepted; of equal ones that with
    the smallest cell. Twists are held against twists, all others against the symmetric tilt whose
    mean plane is nearest to their own plane. About [001] these are Sigma5(310) for mean planes
    near {100}, Sigma5(210) near {110}, and the Sigma5 twist; about [110] Sigma9(114), Sigma9(221)
    and the Sigma9 twist; about [111] those of Sigma7. Where an axis has none with a small cell,
    those about [001] stand in.
    """
    crystal = get_crystal(best.crystal)
    kind: BoundaryKind = "twist" if best.kind == "twist" else "symmetric tilt"
    for axis in (best.axis, (0, 0, 1)):
        found = catalog(
            crystal,
            kinds=(kind,),
            axes=(axis,),
            range_deg=(_HIGH_DEG, 180.0),
            max_area_a2=_LARGEST_A2,
        )
        if usual := [entry for entry in found if entry.sigma >= _LEAST_SIGMA]:
            break
    return min(usual, key=lambda e: (_away(e, best), e.sigma, e.area_a2, e.misorientation_deg))


def _away(entry: Entry, best: GBSpec) -> float:
    """One less the cosine of the least angle between the mean planes, or equivalents of them."""
    one, other = (_indices(text) for text in (entry.mean_plane, best.mean_plane))
    return round(1 - dot(one, other) / math.sqrt(norm2(one) * norm2(other)), 9)


def _indices(mean_plane: str) -> Miller:
    """Indices of a family, the largest first, as text says them."""
    h, k, i = (int(x) for x in (mean_plane.split() if " " in mean_plane else mean_plane))
    return h, k, i


def temperatures(config: CampaignConfig) -> tuple[float, ...]:
    """The ladder, the temperature of the search included, from low to high, K."""
    return tuple(sorted({config.md.temperature_K, *config.confirm.temperatures_K}))


def at_temperature(config: CampaignConfig, temperature_K: float) -> CampaignConfig:
    """The campaign at another temperature, every run at its full length.

    A run that ends where its error looks small has an error that is a little too small.
    """
    md = config.md.model_copy(update={"temperature_K": temperature_K})
    adaptive = config.adaptive.model_copy(update={"prune": False, "target_dex": 0.0})
    return config.model_copy(update={"md": md, "adaptive": adaptive})


def confirm(campaign: Campaign) -> list[tuple[Rung, Evaluation]]:
    """Run what has not been run yet, and return everything. Interrupt and call it again freely.

    What happens is written to the campaign's trace.

    Raises:
        RunFolderError: another process runs this campaign, or it has nothing to confirm.
        GboptError: a bulk reference failed, or this machine does not work.
    """
    from joblib import delayed

    config, path = campaign.config, campaign.folder.path

    def say(text: str) -> None:
        campaign.folder.note("confirming", message=text)

    with campaign.folder.exclusive(), gpus_shared(campaign):
        engine = campaign.engine().settings
        rungs = plan(campaign)
        waiting = [rung for rung in rungs if not (_folder(path, rung) / EVALUATION).exists()]
        bulks = {
            temperature_K: bulk_reference(
                at_temperature(config, temperature_K),
                engine,
                workers=config.run.workers,
                on_progress=say,
            )
            for temperature_K in sorted({rung.temperature_K for rung in waiting})
        }
        say(f"{len(waiting)} of {len(rungs)} runs to do in {path / FOLDER}")
        in_workers(
            lambda: [
                delayed(_run)(
                    str(path), config, engine, rung, bulks[rung.temperature_K], os.getpid()
                )
                for rung in rungs
                if not (_folder(path, rung) / EVALUATION).exists()
            ],
            config.run.workers,
            lambda _: say("a worker process was killed: its run is begun again"),
        )
        return finished(path, rungs)


def finished(path: Path, rungs: list[Rung]) -> list[tuple[Rung, Evaluation]]:
    """The runs that have been done, failed ones included.

    Raises:
        RunFolderError: a record is damaged.
    """
    files = [(rung, _folder(path, rung) / EVALUATION) for rung in rungs]
    return [(rung, read_evaluation(file)) for rung, file in files if file.exists()]


def _folder(path: Path, rung: Rung) -> Path:
    return path / FOLDER / rung.name


def _run(
    path: str,
    config: CampaignConfig,
    engine: EngineSettings,
    rung: Rung,
    bulk: BulkReference,
    main_pid: int,
) -> None:
    become_worker(main_pid)
    folder = _folder(Path(path), rung)
    folder.mkdir(parents=True, exist_ok=True)
    # A worker of a confirmation that was killed a moment ago may still be ending.
    with FileLock(folder / ".lock"):
        if (folder / EVALUATION).exists():
            return
        with place(Path(path) / FOLDER, config.run.workers) as slot:
            found = evaluate(
                rung.job,
                at_temperature(config, rung.temperature_K),
                bulk,
                settings=on_its_gpu(engine, slot),
                folder=folder,
                on_progress=_silent,
            )
        write_atomic(folder / EVALUATION, found.model_dump_json(indent=1))
    cause = found.failure.cause if found.failure else ""
    RunFolder.open_(Path(path)).note(
        "confirming",
        message=f"{rung.role}, {rung.temperature_K:g} K, replica {rung.replica}: "
        f"{found.status.value}, {found.objective or cause}",
    )


def _silent(progress: Progress) -> None:
    """A run is reported when it has finished."""
