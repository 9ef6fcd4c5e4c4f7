"""Campaign: the one mutable thing: opened on a run folder, it runs until it stops, resumes.

It is built to be killed: the study holds every proposal before its evaluation begins, an
evaluation counts from the moment its ``evaluation.json`` is in place, and ``sharing`` brings the
two together again.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gbopt.campaign.deadline import Deadline
from gbopt.campaign.deaths import counted
from gbopt.campaign.index import distributions, holds_others, new_study, renew_study
from gbopt.campaign.record import attributes_of, keep, of_record, result_of
from gbopt.campaign.space import GBSpace
from gbopt.campaign.told import TOLD, of_earlier, search_settings, tell, told_before
from gbopt.config import CampaignConfig
from gbopt.errors import RunFolderError
from gbopt.evaluate.adaptive import Incumbent
from gbopt.evaluate.attempts import times_before
from gbopt.evaluate.bulk import BulkReference, bulk_reference
from gbopt.evaluate.candidate import Job, evaluate
from gbopt.evaluate.engines import BEFORE_THE_CHOICE, choose_engine, pin, pinned_engine, read_pin
from gbopt.evaluate.record import Notes, now, record
from gbopt.md import stopping
from gbopt.md.engine import EngineSettings
from gbopt.md.run import Progress
from gbopt.md.select import Choice
from gbopt.model.evaluation import Evaluation, Status
from gbopt.model.spec import GBSpec
from gbopt.provenance import derive_seed
from gbopt.search.belief import Belief, believe, can_believe
from gbopt.search.best import Recommendation, recommend
from gbopt.search.history import Observation, own
from gbopt.search.propose import Proposal
from gbopt.search.settings import SearchSettings
from gbopt.search.stopping import Stop, decide
from gbopt.store.files import fault, write_atomic
from gbopt.store.progress import ProgressFile
from gbopt.store.rundir import RunFolder
from gbopt.store.storage import StudyLockedError
from gbopt.store.study import Distribution, Study, TrialRecord

# A machine or a setting on which nothing works should not eat the whole budget.
FAILURES_IN_A_ROW = 5
_TRIAL_BRANCH = 1
# Seconds of an evaluation, by what they were spent on, that add up to all of it.
_PARTS = ("geometry", "careful_start", "md", "energy")
BULK = "bulk.json"
ENGINE = "engine.json"


@dataclass
class Campaign:
    """A campaign and its run folder. Make one with ``start`` or ``open_``."""

    folder: RunFolder
    config: CampaignConfig
    study: Study
    _believed: tuple[list[Observation], Belief | None] | None = None

    @classmethod
    def start(cls, path: Path, config: CampaignConfig, text: str) -> Campaign:
        """Make a run folder and an empty study.

        Args:
            path: the folder to make.
            config: the checked campaign.
            text: the campaign file as the user wrote it.

        Raises:
            ConfigError: an earlier campaign that it should learn from does not fit.
            RunFolderError: the folder is in use or cannot be written.
        """
        earlier = of_earlier(config)
        folder = RunFolder.create(path, config, text)
        config = folder.config  # the potential is now the folder's own copy
        folder.note("created", name=config.name, key=config.key)
        tell(folder, earlier)
        return cls(folder, config, new_study(folder, config))

    @classmethod
    def open_(cls, path: Path) -> Campaign:
        """Open the campaign in a run folder.

        Raises:
            RunFolderError: it is no run folder of this version, or its study is missing.
        """
        folder = RunFolder.open_(path)
        return cls(folder, folder.config, Study(folder.storage))

    @classmethod
    def recover(cls, path: Path) -> Campaign:
        """Open the campaign in a run folder, rebuilding its study if that is lost or damaged.

        Raises:
            RunFolderError: it is no run folder of this version, or a record is damaged.
        """
        try:
            return cls.open_(path)
        except StudyLockedError:
            raise
        except RunFolderError:
            return cls.rebuild(path, why="damaged")

    @classmethod
    def rebuild(cls, path: Path, why: str = "before-rebuild") -> Campaign:
        """Make the study of a run folder anew from its trace and its trials.

        Args:
            path: the run folder.
            why: part of the name under which the old study is kept: someone may want its notes.

        Raises:
            RunFolderError: it is no run folder of this version, a process works on it, its study is
                locked, or a record is damaged.
        """
        folder = RunFolder.open_(path)
        config = folder.config
        with folder.exclusive(), folder.study_lock():
            folder.require_no_workers()
            if not (folder.path / TOLD).exists():  # it was killed before it had read them
                tell(folder, of_earlier(config))
            renew_study(folder, config, distributions(GBSpace(config).search_space), why)
            return cls.open_(path)

    def refresh(self) -> None:
        """Take the study that is in the folder now: another process may have put one there.

        One that was deleted is made anew. Call under its lock.
        """
        storage = self.folder.storage
        if storage.file is not None and not storage.file.exists():
            self._renew("lost")
        elif not self.study.is_at(storage):
            self.study.close()
            self.study = Study(storage)

    def check_study(self) -> None:
        """Make the study anew if it holds other trials than the folder. Call under its lock."""
        if holds_others(self.folder, self.study.records()):
            self._renew("other-trials")

    def _renew(self, why: str) -> None:
        self.study.close()
        renew_study(self.folder, self.config, self._distributions(), why)
        self.study = Study(self.folder.storage)

    @property
    def space(self) -> GBSpace:
        """The boundaries that may be proposed."""
        return GBSpace(self.config)

    def bulk(self) -> BulkReference:
        """Return the bulk reference, running it if no cache has it; a copy stays in the folder."""
        if (own := read_bulk(self.folder)) is not None:
            return own
        reference = bulk_reference(
            self.config.in_search(),
            self.engine().settings,
            workers=self.config.run.workers,
            on_progress=lambda text: self.folder.note("bulk", message=text),
        )
        write_atomic(self.folder.path / BULK, reference.model_dump_json(indent=1))
        self.folder.note(
            "bulk",
            message=f"bulk reference {reference.key}: lattice {reference.lattice_A}, "
            f"resistivity {reference.transport.resistivity_ohm_cm}",
        )
        return reference

    def history(self) -> list[Observation]:
        """All trials and the figures from elsewhere, as the search sees them."""
        trials = [of_record(record) for record in self.study.records()]
        return [*told_before(self.folder), *trials]

    @property
    def search(self) -> SearchSettings:
        """How the next boundary is chosen, and when to stop."""
        return search_settings(self.config.search)

    def finished_count(self) -> int:
        """Evaluations that the study holds as finished, failed ones included."""
        return sum(record.state != "running" for record in self.study.records())

    def decide(self, deadline: Deadline, earlier: int) -> Proposal | Stop:
        """The next boundary, or why no further evaluation should start.

        Args:
            deadline: after which none starts.
            earlier: evaluations finished before this run; their failures are forgiven.
        """
        if (stop := self.halted(deadline, self._usual_s())) is not None:
            return stop
        history = self.history()
        if _failures_in_a_row(history, earlier) >= FAILURES_IN_A_ROW:
            return Stop(f"{FAILURES_IN_A_ROW} evaluations in a row failed (`gbopt trace --failed`)")
        return decide(
            self.space.search_space,
            history,
            seed=self.config.seed,
            number=len(own(history)),
            settings=self.search,
            belief=self._belief(history),
        )

    def halted(self, deadline: Deadline, needed_s: float = 0.0) -> Stop | None:
        """Why nothing that takes so long should start now; None where something may."""
        if (asked := stopping.read(self.folder.path)) is not None:
            return Stop(asked.reason)
        reason = deadline.reached(needed_s)
        return None if reason is None else Stop(reason)

    def _usual_s(self) -> float:
        """How long an evaluation takes, the median of those finished, s; 0 before there are any."""
        taken = [
            sum(float(r.attributes.get(part, 0.0)) for part in _PARTS)
            for r in self.study.records()
            if r.state == "complete"
        ]
        return statistics.median(taken) if taken else 0.0

    def add(self, chosen: Proposal) -> Job:
        """Record a boundary as running. Call under the study lock, with ``decide``."""
        number = len(self.study.records())
        spec = self.space.spec(chosen.params, derive_seed(self.config.seed, _TRIAL_BRANCH, number))
        attributes = {
            "spec": spec.model_dump(mode="json"),
            "label": spec.label,
            "requested": chosen.requested,
            "replicate": chosen.replicate,
            "reason": chosen.reason,
            "predicted": chosen.predicted,
            "predicted_sd": chosen.predicted_sd,
            "expected_gain": chosen.expected_gain,
            "chance": chosen.chance,
            "chosen_by": chosen.chosen_by,
        }
        # The trace first: a study that is lost later is rebuilt from it.
        self.folder.note("proposed", trial=number, params=chosen.params, attributes=attributes)
        return self.job(self.study.add_running(chosen.params, self._distributions(), attributes))

    def job(self, number: int) -> Job:
        """Return what a recorded trial has to evaluate."""
        record = self.study.records()[number]
        return Job(
            number=number,
            replicate=record.attributes["replicate"],
            requested=record.attributes["requested"],
            params=record.params,
            spec=GBSpec.model_validate(record.attributes["spec"]),
            best=self._incumbent(),
        )

    def design(self) -> set[int]:
        """Numbers of the trials of the initial design, which no model had a say in."""
        return {r.number for r in self.study.records() if r.attributes.get("predicted") is None}

    def recommendation(self) -> Recommendation | None:
        """The boundary that the search believes in most."""
        history = self.history()
        return recommend(self.space.search_space, history, self.search, self._belief(history))

    def _belief(self, history: list[Observation]) -> Belief | None:
        """What the search believes; a proposal and the best boundary of its job need one fit."""
        ended = [o for o in history if o.state != "running"]
        if self._believed is None or self._believed[0] != ended:
            space = self.space.search_space
            known = can_believe(space, ended)
            self._believed = ended, believe(space, ended, self.search) if known else None
        return self._believed[1]

    def _incumbent(self) -> Incumbent | None:
        """What a boundary has to beat; one outside the limits is no reason to give up others."""
        best = self.recommendation()
        return Incumbent(best.mean, best.std_dev) if best and best.allowed else None

    def trial_folder(self, record: TrialRecord) -> Path:
        """Folder of a trial of the study."""
        spec = GBSpec.model_validate(record.attributes["spec"])
        return self.folder.trial_folder(record.number, spec.key)

    def engine(self, say: Callable[[str], None] = lambda _: None) -> Choice:
        """The engine that this campaign runs on here.

        It is pinned in the run folder when it first runs: a search over figures of two engines, or
        energies of one taken from those of another, would be of neither.

        Args:
            say: called with a line of text where something has to be tried first.

        Raises:
            ConfigError: the engine that is asked for cannot run the potential.
            EnvironmentProblem: nothing here can, or not the engine that it was begun with.
            RunFolderError: the record of the engine is damaged.
        """
        file = self.folder.path / ENGINE
        if file.exists():
            return pinned_engine(self.config, read_pin(file), say)
        if read_bulk(self.folder) is not None:  # begun before engines could be chosen
            return pinned_engine(self.config, BEFORE_THE_CHOICE, say)
        chosen = choose_engine(self.config, say)
        write_atomic(file, json.dumps(pin(chosen.settings), indent=1))
        return chosen

    def evaluate(
        self,
        job: Job,
        bulk: BulkReference,
        settings: EngineSettings,
        require: Callable[[], None],
    ) -> Evaluation:
        """Evaluate a trial; its record is on disk when this returns.

        Args:
            job: the trial.
            bulk: the reference crystal.
            settings: the engine.
            require: called now and then; raises where the trial is no longer this process's.
        """
        folder = self.folder.trial_folder(job.number, job.spec.key)
        progress = ProgressFile(folder, trial=job.number, label=job.spec.label)

        def report(at: Progress) -> None:
            require()
            progress.write(at.stage, at.step, at.steps)

        config = self.config.in_search()
        with counted(folder) as hopeless:
            if hopeless is not None:
                before = times_before(folder)
                notes = Notes(started_utc=now(), settings=settings, retry=before)
                evaluation = record(job, config, notes, Status.MD_FAILED, hopeless)
            else:
                evaluation = evaluate(
                    job, config, bulk, settings=settings, folder=folder, on_progress=report
                )
            require()
            keep(evaluation, folder)
        return evaluation

    def record(self, evaluation: Evaluation) -> None:
        """Tell the study and the trace. Call under the study lock."""
        objective = evaluation.objective
        result = result_of(evaluation, self.config.search.limits)
        self.study.finish(evaluation.trial, result, attributes_of(evaluation))
        self.folder.note(
            "finished",
            trial=evaluation.trial,
            label=evaluation.spec.label,
            status=evaluation.status.value,
            objective=str(objective) if objective else None,
            cause=evaluation.failure.cause if evaluation.failure else None,
        )

    def conclude(self, reason: str) -> None:
        """Store why the campaign stopped, and the recommended boundary."""
        best = self.recommendation()
        self.study.set_attr("stop_reason", reason)
        if best is not None:
            self.study.set_attr("recommended", best.params)
        self.folder.note("stopped", reason=reason, recommended=best.params if best else None)

    def _distributions(self) -> dict[str, Distribution]:
        return distributions(self.space.search_space)


def _failures_in_a_row(history: list[Observation], earlier: int) -> int:
    done = [o for o in history if o.completion is not None and o.completion >= earlier]
    count = 0
    for observation in sorted(done, key=lambda o: o.completion or 0, reverse=True):
        if observation.state != "failed":
            break
        count += 1
    return count


def read_bulk(folder: RunFolder) -> BulkReference | None:
    """Read the run folder's copy of the bulk reference; None before it was made.

    Raises:
        RunFolderError: it is damaged.
    """
    file = folder.path / BULK
    if not file.exists():
        return None
    try:
        return BulkReference.model_validate_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(
            f"{file} cannot be read: {fault(error)}",
            hint="delete it: `gbopt resume` takes the reference from the cache or makes it again",
        ) from None
