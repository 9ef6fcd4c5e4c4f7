"""A read-only view of a run folder: what the command line and the report show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gbopt.campaign.campaign import read_bulk
from gbopt.campaign.confirm import CONFIRMATION
from gbopt.campaign.record import of_evaluation
from gbopt.campaign.space import GBSpace
from gbopt.campaign.told import search_settings, told_before
from gbopt.config import CampaignConfig
from gbopt.errors import RunFolderError
from gbopt.evaluate.bulk import BulkReference
from gbopt.model.evaluation import Evaluation
from gbopt.search.belief import Belief, believe, can_believe
from gbopt.search.best import Recommendation, recommend
from gbopt.search.history import Observation
from gbopt.search.settings import SearchSettings
from gbopt.search.space import SearchSpace
from gbopt.search.stopping import evaluations_since_improvement
from gbopt.store.rundir import RunFolder


@dataclass(frozen=True)
class CampaignView:
    """A campaign as its folder stands now, running or not."""

    path: Path
    config: CampaignConfig
    evaluations: tuple[Evaluation, ...]
    """Finished evaluations, failed ones included, by trial number."""
    running: tuple[dict[str, Any], ...]
    """Last report of each trial in progress: trial, label, stage, step, steps."""
    events: tuple[dict[str, Any], ...]
    """The trace."""
    bulk: BulkReference | None
    told: tuple[Observation, ...]
    """Figures from elsewhere: earlier campaigns, measurements."""
    is_running: bool
    """Whether a process runs the campaign now."""

    @classmethod
    def of(cls, path: Path) -> CampaignView:
        """Read a run folder.

        Raises:
            RunFolderError: it is no run folder of this version, or a record is damaged.
        """
        folder = RunFolder.open_(path)
        return cls(
            path=path,
            config=folder.config,
            evaluations=tuple(folder.evaluations()),
            running=tuple(folder.progress()),
            events=tuple(folder.events()),
            bulk=read_bulk(folder),
            told=tuple(told_before(folder)),
            is_running=folder.is_running(),
        )

    @cached_property
    def confirmation(self) -> dict[str, Any] | None:
        """What `gbopt confirm` found last; None before it has run."""
        file = self.path / CONFIRMATION
        if not file.exists():
            return None
        try:
            found: Any = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        whole = isinstance(found, dict) and all(
            found.get(name) for name in ("runs", "ladders", "findings")
        )
        if not whole:
            raise RunFolderError(
                f"{file} cannot be read", hint="`gbopt confirm` writes it again, running nothing"
            )
        return dict(found)

    @cached_property
    def history(self) -> list[Observation]:
        """The evaluations as the search sees them, in order of completion.

        Figures from elsewhere come first.
        """
        order = sorted(self.evaluations, key=lambda e: (e.provenance.finished_utc, e.trial))
        chosen_by = {
            e["trial"]: e["attributes"].get("chosen_by")
            for e in self.events
            if e["event"] == "proposed"
        }
        own = [of_evaluation(e, rank, chosen_by.get(e.trial)) for rank, e in enumerate(order)]
        return [*self.told, *own]

    @cached_property
    def space(self) -> SearchSpace:
        """The boundaries that may be proposed."""
        return GBSpace(self.config).search_space

    @cached_property
    def search(self) -> SearchSettings:
        """How the next boundary is chosen, and when to stop."""
        return search_settings(self.config.search)

    @cached_property
    def belief(self) -> Belief | None:
        """What the search believes by the evaluations so far; None before it has a model."""
        if not can_believe(self.space, self.history):
            return None
        return believe(self.space, self.history, self.search)

    @cached_property
    def recommendation(self) -> Recommendation | None:
        """The boundary the search believes in most (not the luckiest value)."""
        return recommend(self.space, self.history, self.search, self.belief)

    @property
    def since_improvement(self) -> int:
        """Complete evaluations since the last significant improvement."""
        return evaluations_since_improvement(self.space, self.history, self.search, self.belief)

    @property
    def stop_reason(self) -> str | None:
        """Why the campaign stopped; None while it can go on."""
        last = [e for e in self.events if e["event"] in ("stopped", "proposed", "created")]
        return last[-1]["reason"] if last and last[-1]["event"] == "stopped" else None

    def trial(self, number: int) -> Evaluation | None:
        """The finished evaluation of that number, if there is one."""
        return next((e for e in self.evaluations if e.trial == number), None)
