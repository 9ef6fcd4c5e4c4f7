"""Re-ranking: the best boundaries of a search, evaluated again with the settings of another file.

A search knows one potential, at one temperature. Whether its order is a property of the boundaries
or of that potential is told by evaluating its finalists, and the conventional boundary beside them,
with another one: fresh seeds, runs of full length, a bulk reference of its own. Every file is
given the same structures, so that two of them differ by their settings alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gbopt.campaign.beside import EVENT, Run, run_beside, set_failed_aside
from gbopt.campaign.campaign import ENGINE, Campaign
from gbopt.campaign.confirm import at_temperature
from gbopt.campaign.reference import specifications
from gbopt.campaign.relay import relayed
from gbopt.campaign.run import gpus_shared
from gbopt.config import CampaignConfig, copy_potential, is_potential_file, to_toml
from gbopt.errors import ConfigError, RunFolderError
from gbopt.evaluate.bulk import bulk_reference
from gbopt.evaluate.candidate import Job
from gbopt.evaluate.engines import choose_engine, pin, pinned_engine, read_pin
from gbopt.evaluate.fields import require_driven
from gbopt.md.placement import require_room
from gbopt.md.select import Choice
from gbopt.model.evaluation import Evaluation
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential
from gbopt.provenance import content_key, derive_seed
from gbopt.search import Recommendation, leaders
from gbopt.store.files import write_atomic
from gbopt.store.rundir import EVALUATION, POTENTIAL, read_evaluation

FOLDER = "rerank"
FOUND = "rerank.json"
"""What was found, in the folder of the re-ranking."""
SETTINGS = "resolved.toml"
"""Its settings, there."""
_BRANCH = 3  # spawn key of its seeds, apart from those of trials, bulk and confirmation


class Contestant(NamedTuple):
    """A boundary that is evaluated again."""

    spec: GBSpec
    """With the seed 0: each of its runs has its own."""
    believed: Recommendation | None
    """What the search believes of it; None of the conventional boundary, if that is none of its
    best."""


class Reranking(NamedTuple):
    """What is evaluated again, how, and where it lies."""

    folder: Path
    config: CampaignConfig
    """Settings of the runs."""
    contestants: tuple[Contestant, ...]
    """The search's best first, the conventional boundary last unless it is one of them."""
    replicas: int

    def run_folder(self, contestant: Contestant, replica: int) -> Path:
        """Where a run lies; the same is found again after the search has gone on."""
        return self.folder / f"{contestant.spec.geometry_key}-{replica}"

    def evaluations(self, contestant: Contestant) -> list[Evaluation]:
        """The runs of a boundary that have been made, failed ones included.

        Raises:
            RunFolderError: a record is damaged.
        """
        files = (self.run_folder(contestant, n) / EVALUATION for n in range(self.replicas))
        return [read_evaluation(file) for file in files if file.exists()]


def plan(campaign: Campaign, config: CampaignConfig, *, top: int, replicas: int) -> Reranking:
    """What a re-ranking consists of.

    Args:
        campaign: whose best are taken.
        config: whose settings are used; its space and its search are not.
        top: how many of the best.
        replicas: runs of each, with different seeds.

    Raises:
        ConfigError: the settings are of another objective, or their potential does not describe
            a boundary.
        RunFolderError: the campaign has no boundary to take.
    """
    own, other = campaign.config.search.objective, config.search.objective
    if own != other:
        raise ConfigError(
            f"search.objective is {other} in the other file and {own} in the campaign",
            hint="only values of one quantity can be ranked against each other",
        )
    known = leaders(campaign.space.search_space, campaign.history(), campaign.search)
    # Those outside search.limits are no finalists, unless there are no others.
    best = ([b for b in known if b.allowed] or known)[:top]
    if not best:
        raise RunFolderError(
            f"{campaign.folder.path} has no finished evaluation that shows how low a boundary is",
            hint="run the campaign for longer with `gbopt resume`",
        )
    found = [Contestant(campaign.space.spec(b.params, 0), b) for b in best]
    reference = specifications(found[0].spec)["reference"]
    if reference.geometry_key not in {c.spec.geometry_key for c in found}:
        found.append(Contestant(reference, None))
    for contestant in found:
        dopants = tuple(d.element for d in contestant.spec.composition.dopants)
        get_potential(config.md.potential).require(dopants)
    config = at_temperature(config.in_search(), config.md.temperature_K)
    require_driven(config)
    folder = campaign.folder.path / FOLDER / f"{config.name}-{_key(config)}"
    return Reranking(folder, config, tuple(found), replicas)


def _key(config: CampaignConfig) -> str:
    """Content key of the settings that count here: not those of the space and the search."""
    sections = ("md.", "bulk.", "analysis.", "field.", "seed")
    return content_key({k: v for k, v in config.settings.items() if k.startswith(sections)})


def rerank(campaign: Campaign, ranking: Reranking, *, retry_failed: bool = False) -> None:
    """Run what has not been run yet. Interrupt and call it again freely.

    What happens is written to the campaign's trace.

    Args:
        campaign: whose best are taken.
        ranking: what is run again, and how.
        retry_failed: whether runs that failed are made again.

    Raises:
        RunFolderError: another process runs this campaign.
        GboptError: the bulk reference failed, or this machine does not work.
    """
    path, workers = campaign.folder.path, campaign.config.run.workers

    def say(text: str) -> None:
        campaign.folder.note(EVENT, message=text)

    with campaign.folder.exclusive(), relayed(path, anew=True):
        config = _begun(ranking)
        engine = _engine(ranking.folder, config, say)
        require_room(config.run.model_copy(update={"workers": workers}), engine.settings)
        with gpus_shared(campaign, engine):
            bulk = bulk_reference(config, engine.settings, workers=workers, on_progress=say)
            runs = [
                Run(
                    ranking.run_folder(contestant, replica),
                    f"{contestant.spec.label}, replica {replica}",
                    Job(
                        number=len(ranking.contestants) * replica + place,
                        replicate=replica,
                        requested={},
                        params=contestant.believed.params if contestant.believed else {},
                        spec=contestant.spec.model_copy(
                            update={"seed": _seed(campaign.config.seed, contestant, replica)}
                        ),
                    ),
                    config,
                    bulk,
                )
                for replica in range(ranking.replicas)
                for place, contestant in enumerate(ranking.contestants)
            ]
            if retry_failed:
                set_failed_aside(campaign, (run.folder for run in runs))
            waiting = sum(not run.done for run in runs)
            say(f"{waiting} of {len(runs)} runs to do in {ranking.folder}")
            run_beside(campaign, engine.settings, runs)


def _seed(root: int, contestant: Contestant, replica: int) -> int:
    """Seed of a run: of one boundary the same whatever its rank, of two never the same."""
    return derive_seed(root, _BRANCH, int(contestant.spec.geometry_key, 16), replica)


def _begun(ranking: Reranking) -> CampaignConfig:
    """The settings, with the copy of a potential's file that lies in the folder."""
    config, folder = ranking.config, ranking.folder
    folder.mkdir(parents=True, exist_ok=True)
    if is_potential_file(config.md.potential):
        copy = copy_potential(Path(config.md.potential), folder / POTENTIAL)
        config = config.with_potential(str(copy.absolute()))
    write_atomic(folder / SETTINGS, to_toml(config))
    return config


def _engine(folder: Path, config: CampaignConfig, say: Callable[[str], None]) -> Choice:
    """The engine that the runs were begun with, which is not that of the campaign."""
    file = folder / ENGINE
    if file.exists():
        return pinned_engine(config, read_pin(file), say)
    chosen = choose_engine(config, say)
    write_atomic(file, json.dumps(pin(chosen.settings), indent=1))
    return chosen
