"""The Optuna study: an index of the trials that optuna-dashboard opens as it is."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from gbopt.errors import EnvironmentProblem, RunFolderError

Params = dict[str, int | float | str]
Distribution = BaseDistribution
State = Literal["complete", "failed", "running"]

optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()

# Seconds that a writer waits for another one (dashboard, worker) to let go of the file.
_BUSY_TIMEOUT_S = 60


_FREE_WITHIN_S = 3.0

_REBUILD = "`gbopt resume` rebuilds it from the trials"


class StudyLockedError(RunFolderError):
    """The study is whole, but another process keeps it from being read or written."""


def _locked(file: Path) -> StudyLockedError:
    return StudyLockedError(
        f"the study {file} is locked by another process",
        hint="end what writes to it (a dashboard, sqlite3; `fuser` names it), then try again",
    )


def _storage(file: Path) -> RDBStorage:
    return RDBStorage(
        f"sqlite:///{file.resolve()}",
        engine_kwargs={"connect_args": {"timeout": _BUSY_TIMEOUT_S}},
    )


class Result(NamedTuple):
    """What came of a trial."""

    state: Literal["complete", "pruned", "failed"]
    value: float | None
    """The objective; None for a failure."""
    after_ps: int = 0
    """Production after which a pruned trial ended, ps: its step."""


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """One trial of the study."""

    number: int
    params: Params
    state: State
    value: float | None
    attributes: dict[str, Any]
    finished_order: int | None
    """Rank by time of completion, from 0; None while running."""


def integer(low: int, high: int) -> BaseDistribution:
    """Distribution of an integer parameter."""
    return IntDistribution(low, high)


def real(low: float, high: float) -> BaseDistribution:
    """Distribution of a real parameter."""
    return FloatDistribution(low, high)


def categorical(choices: tuple[str, ...]) -> BaseDistribution:
    """Distribution of a categorical parameter."""
    return CategoricalDistribution(choices)


class Study:
    """The study of one campaign. Writers hold ``RunFolder.study_lock``.

    Args:
        file: the SQLite file.
        name: name of the study.

    Raises:
        RunFolderError: the file is missing, or is not a study of that name.
    """

    def __init__(self, file: Path, name: str) -> None:
        self._file = file
        if not file.exists():
            raise RunFolderError(f"the study {file} is missing", hint=_REBUILD)
        try:
            self._storage = _storage(file)
            self._study = optuna.load_study(storage=self._storage, study_name=name)
        except (KeyError, StorageInternalError, SQLAlchemyError, RuntimeError, ValueError) as error:
            if _is_locked(error):
                raise _locked(file) from None
            raise RunFolderError(f"{file} is not a readable study", hint=_REBUILD) from None

    @classmethod
    def create(cls, file: Path, name: str) -> Study:
        """Make an empty study; a kill leaves either none or a whole one."""
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.unlink(missing_ok=True)
        with _writing(file):
            storage = _storage(temporary)
            optuna.create_study(storage=storage, study_name=name, direction="minimize")
            storage.engine.dispose()
        temporary.replace(file)
        return cls(file, name)

    def close(self) -> None:
        """Let go of the file."""
        self._storage.engine.dispose()

    def describe(self, objective: str, question: str) -> None:
        """Name the objective and store the campaign's question."""
        with warnings.catch_warnings():
            # Optuna marks this call as experimental; pyproject.toml pins the major version.
            warnings.simplefilter("ignore", ExperimentalWarning)
            with _writing(self._file):
                self._study.set_metric_names([objective])
                self._study.set_user_attr("question", question)

    def add_running(
        self, params: Params, distributions: dict[str, BaseDistribution], attrs: dict[str, Any]
    ) -> int:
        """Record a proposal as a running trial, in one transaction; return its number."""
        trial = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions=distributions,
            user_attrs=attrs,
        )
        with _writing(self._file):
            self._study.add_trial(trial)
        return self._study.get_trials(deepcopy=False)[-1].number

    def restore(
        self,
        params: Params,
        distributions: dict[str, BaseDistribution],
        attrs: dict[str, Any],
        result: Result,
        finished: datetime,
    ) -> None:
        """Add a trial that finished earlier, when a study is rebuilt."""
        trial = create_trial(
            state=_RESULT_STATES[result.state],
            value=result.value,
            intermediate_values=_pruned_at(result),
            params=params,
            distributions=distributions,
            user_attrs=attrs,
        )
        trial.datetime_complete = finished
        self._study.add_trial(trial)

    def finish(self, number: int, result: Result, attrs: dict[str, Any]) -> None:
        """Tell the result of a trial; telling it twice changes nothing."""
        frozen = self._study.get_trials(deepcopy=False)[number]
        if frozen.state.is_finished():
            return
        trial = optuna.trial.Trial(self._study, frozen._trial_id)  # noqa: SLF001 - no public way
        state = _RESULT_STATES[result.state]
        told = result.value if state == TrialState.COMPLETE else None
        with _writing(self._file):
            for name, content in attrs.items():
                trial.set_user_attr(name, content)
            for step, value in _pruned_at(result).items():
                trial.report(value, step)  # Optuna takes the value of a pruned trial from here
            self._study.tell(number, told, state=state, skip_if_finished=True)

    def set_attr(self, name: str, value: Any) -> None:
        """Store a fact about the whole campaign."""
        with _writing(self._file):
            self._study.set_user_attr(name, value)

    def attr(self, name: str) -> Any:
        """Read a fact about the whole campaign; None where it was never stored."""
        return self._study.user_attrs.get(name)

    def records(self) -> list[TrialRecord]:
        """All trials by number."""
        trials = self._study.get_trials(deepcopy=False)
        done = sorted((t for t in trials if t.datetime_complete), key=_completion)
        order = {trial.number: rank for rank, trial in enumerate(done)}
        return [_record(trial, order.get(trial.number)) for trial in trials]


def require_free(file: Path) -> None:
    """Refuse to put another study in the place of one that a process is writing to.

    Raises:
        StudyLockedError: such a process holds it.
    """
    if not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=_FREE_WITHIN_S, isolation_level=None)) as database:
        try:
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            if _is_locked(error):
                raise _locked(file) from None
            # Damaged: whoever made it so, nobody works with it.


def _is_locked(error: BaseException | None) -> bool:
    """Whether SQLite said so, anywhere in a chain of errors."""
    while error is not None:
        if "database is locked" in str(error) or "database table is locked" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    """Say in a sentence why nothing can be written."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        if _is_locked(error):
            raise _locked(file) from None
        raise EnvironmentProblem(
            f"the study {file} cannot be written: {_root(error)}",
            hint="free space or restore access there, then resume: nothing is lost",
        ) from None


def _root(error: BaseException) -> str:
    """What SQLite itself said."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).splitlines()[0]


def _completion(trial: FrozenTrial) -> tuple[Any, int]:
    return (trial.datetime_complete, trial.number)


# A pruned trial has a value; the search takes it for the bound that stands beside it.
_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "complete",
    TrialState.FAIL: "failed",
}
_RESULT_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def _pruned_at(result: Result) -> dict[int, float]:
    if result.state != "pruned" or result.value is None:
        return {}
    return {result.after_ps: result.value}


def _record(trial: FrozenTrial, order: int | None) -> TrialRecord:
    state = _STATES.get(trial.state, "running")
    return TrialRecord(
        number=trial.number,
        params=dict(trial.params),
        state=state,
        value=trial.value if state == "complete" else None,
        attributes=dict(trial.user_attrs),
        finished_order=order,
    )
