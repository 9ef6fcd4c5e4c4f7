"""Confirmation: the best boundary and a conventional one, run anew over a temperature ladder.

The value that won a search is a lucky draw among noisy ones. So the winner is run again with
fresh seeds (another termination, Li ordering and velocities each, and another translation unless
that was searched), beside a reference, and only these runs are compared. The reference is the
conventional boundary (see ``reference.conventional``), with a disordered core of the same width,
by the same protocol; or, where the campaign asks for it, a film of glass between its grains.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gbopt.campaign.beside import EVENT, Run, run_beside, set_failed_aside
from gbopt.campaign.campaign import Campaign
from gbopt.campaign.reference import (
    ROLES,
    Melt,
    Role,
    film_of,
    melt_of,
    require_fit,
    specifications,
)
from gbopt.campaign.relay import relayed
from gbopt.campaign.run import gpus_shared
from gbopt.config import CampaignConfig
from gbopt.errors import AnalysisError, MDError, RunFolderError
from gbopt.evaluate.bulk import BulkReference, bulk_reference
from gbopt.evaluate.candidate import Job
from gbopt.md.engine import EngineSettings
from gbopt.model.evaluation import Evaluation
from gbopt.provenance import derive_seed
from gbopt.store.rundir import EVALUATION, read_evaluation

FOLDER = "confirm"
CONFIRMATION = "confirm.json"
"""What was found, in the run folder."""
_CONFIRM_BRANCH = 2  # spawn key of its seeds, apart from those of the trials and of the bulk


class Rung(NamedTuple):
    """One run of the confirmation: which boundary, how hot, which of its replicas."""

    role: Role
    temperature_K: float
    replica: int
    job: Job
    melt: Melt | None = None
    """How its film is made glass; None: it has none."""

    @property
    def name(self) -> str:
        """Name of its folder; the same boundary is found again after the search has gone on."""
        made = f"-{self.melt.key}" if self.melt else ""
        return f"{self.job.spec.geometry_key}-{self.temperature_K:g}K-{self.replica}{made}"


def plan(campaign: Campaign) -> list[Rung]:
    """Everything that the confirmation consists of, replica by replica.

    Raises:
        ConfigError: the film that it should be held against cannot be built.
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
    specs = specifications(campaign.space.spec(best.params, 0), film_of(config))
    require_fit(specs["reference"], config.geometry.max_ions, campaign.space.lattice_A)
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
                melt = melt_of(config) if job.spec.film else None
                rungs.append(Rung(role, temperature_K, replica, job, melt))
    return rungs


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


def settings_of(config: CampaignConfig, rung: Rung) -> CampaignConfig:
    """The campaign as one run of the confirmation sees it."""
    config = at_temperature(config, rung.temperature_K)
    return rung.melt.of(config) if rung.melt else config


def confirm(campaign: Campaign, *, retry_failed: bool = False) -> list[tuple[Rung, Evaluation]]:
    """Run what has not been run yet, and return everything. Interrupt and call it again freely.

    What happens is written to the campaign's trace.

    Args:
        campaign: the campaign.
        retry_failed: whether runs that failed are made again.

    Raises:
        RunFolderError: another process runs this campaign, or it has nothing to confirm.
        GboptError: the bulk reference at the temperature of the search failed, or this machine
            does not work. Of another temperature only its own runs are given up.
    """
    config, path = campaign.config, campaign.folder.path

    def say(text: str) -> None:
        campaign.folder.note(EVENT, message=text)

    chosen = campaign.engine()
    with campaign.folder.exclusive(), relayed(path, anew=True), gpus_shared(campaign, chosen):
        engine, rungs = chosen.settings, plan(campaign)
        if retry_failed:
            set_failed_aside(campaign, (_folder(path, rung) for rung in rungs))
        waiting = [rung for rung in rungs if not (_folder(path, rung) / EVALUATION).exists()]
        bulks = _bulks(config, engine, {rung.temperature_K for rung in waiting}, say)
        say(f"{len(waiting)} of {len(rungs)} runs to do in {path / FOLDER}")
        run_beside(
            campaign,
            engine,
            [
                Run(
                    _folder(path, rung),
                    f"{rung.role}, {rung.temperature_K:g} K, replica {rung.replica}",
                    rung.job,
                    settings_of(config, rung),
                    bulks[rung.temperature_K],
                )
                for rung in waiting
                if rung.temperature_K in bulks
            ],
        )
        return finished(path, rungs)


def _bulks(
    config: CampaignConfig,
    engine: EngineSettings,
    temperatures_K: set[float],
    say: Callable[[str], None],
) -> dict[float, BulkReference]:
    """The bulk references by temperature, those left out that failed."""
    found = {}
    for T in sorted(temperatures_K):
        try:
            found[T] = bulk_reference(
                at_temperature(config, T), engine, workers=config.run.workers, on_progress=say
            )
        except (AnalysisError, MDError) as error:
            if config.md.temperature_K == T:
                raise
            say(f"nothing is run at {T:g} K, where the bulk reference failed: {error.message}")
    return found


def finished(path: Path, rungs: list[Rung]) -> list[tuple[Rung, Evaluation]]:
    """The runs that have been done, failed ones included.

    Raises:
        RunFolderError: a record is damaged.
    """
    files = [(rung, _folder(path, rung) / EVALUATION) for rung in rungs]
    return [(rung, read_evaluation(file)) for rung, file in files if file.exists()]


def _folder(path: Path, rung: Rung) -> Path:
    return path / FOLDER / rung.name
