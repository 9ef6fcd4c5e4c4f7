"""The Optuna study: an index of the trials that optuna-dashboard opens as it is."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from gbopt.errors import EnvironmentProblem, RunFolderError
from gbopt.store.storage import (
    Storage,
    connect,
    disconnect,
    in_file,
    is_locked,
    is_lost,
    prepare,
    said,
)

Params = dict[str, int | float | str]
Distribution = BaseDistribution
State = Literal["complete", "failed", "running"]

optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()

FINISHED = "finished_utc"
"""Attribute of a trial: when its evaluation ended, as ISO 8601 text in UTC."""
_REBUILD = "`gbopt resume` rebuilds it from the trials"
# What Optuna and SQLAlchemy raise where a file or a database holds something else than they wrote.
_UNREADABLE = (
    *(LookupError, AttributeError, TypeError, ValueError, AssertionError, RuntimeError),
    *(StorageInternalError, SQLAlchemyError),
)


class Result(NamedTuple):
    """What came of a trial."""

    state: Literal["complete", "pruned", "failed"]
    value: float | None
    """The objective; None for a failure."""
    after_ps: int = 0
    """Production after which a pruned trial ended, ps: its step."""
    constraints: tuple[float, ...] = ()
    """By how much limits on observables are passed: above 0 they are not kept."""


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
    """The study of one campaign. Writers hold the lock of its storage (``locked``).

    Args:
        storage: where it is.

    Raises:
        RunFolderError: it is missing, or is not a study of that name.
        StudyAwayError: its database does not answer.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        if storage.file is not None and not storage.file.exists():
            raise RunFolderError(f"the study {storage} is missing", hint=_REBUILD)
        connected = None
        try:
            self._file_id = _file_id(storage)
            connected = connect(storage)
            self._study = optuna.load_study(storage=connected, study_name=storage.name)
            self._study.get_trials(deepcopy=False)  # a damaged page may be any
        except _UNREADABLE as error:
            disconnect(connected)
            if is_locked(error):
                raise storage.locked_error() from None
            if is_lost(error):
                raise storage.away_error(error) from None
            what = "is not a readable study" if storage.file else f"has no study {storage.name}"
            raise RunFolderError(f"{storage} {what}", hint=_REBUILD) from None
        self._connected = connected

    @classmethod
    def create(cls, storage: Storage) -> Study:
        """Make an empty study; a kill leaves either none or a whole one."""
        making = storage
        if (file := storage.file) is not None:
            temporary = file.with_name(f".{file.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            making = in_file(storage.kind, temporary, storage.name)
        with _telling_why(storage):
            connected = prepare(making)
            optuna.create_study(storage=connected, study_name=storage.name, direction="minimize")
            disconnect(connected)
        if file is not None and making.file is not None:
            making.file.replace(file)
        return cls(storage)

    def is_at(self, storage: Storage) -> bool:
        """Whether this is the study that is there now, not one that it was put in the place of."""
        return storage.name == self.storage.name and _file_id(storage) == self._file_id

    def close(self) -> None:
        """Let go of the file or the database."""
        disconnect(self._connected)

    def describe(self, objective: str, question: str) -> None:
        """Name the objective and store the campaign's question."""
        with warnings.catch_warnings():
            # Optuna marks this call as experimental; pyproject.toml pins the major version.
            warnings.simplefilter("ignore", ExperimentalWarning)
            with _telling_why(self.storage):
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
        with _telling_why(self.storage):
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
            system_attrs=_constraints(result),
        )
        trial.datetime_complete = finished
        with _telling_why(self.storage):
            self._study.add_trial(trial)

    def finish(self, number: int, result: Result, attrs: dict[str, Any]) -> None:
        """Tell the result of a trial; telling it twice changes nothing."""
        state = _RESULT_STATES[result.state]
        told = result.value if state == TrialState.COMPLETE else None
        with _telling_why(self.storage):
            frozen = self._study.get_trials(deepcopy=False)[number]
            if frozen.state.is_finished():
                return
            trial = optuna.trial.Trial(self._study, frozen._trial_id)  # noqa: SLF001 - no public way
            for name, content in attrs.items():
                trial.set_user_attr(name, content)
            for name, content in _constraints(result).items():
                self._connected.set_trial_system_attr(frozen._trial_id, name, content)  # noqa: SLF001
            for step, value in _pruned_at(result).items():
                trial.report(value, step)  # Optuna takes the value of a pruned trial from here
            self._study.tell(number, told, state=state, skip_if_finished=True)

    def set_attr(self, name: str, value: Any) -> None:
        """Store a fact about the whole campaign."""
        with _telling_why(self.storage):
            self._study.set_user_attr(name, value)

    def attr(self, name: str) -> Any:
        """Read a fact about the whole campaign; None where it was never stored."""
        with _telling_why(self.storage):
            return self._study.user_attrs.get(name)

    def records(self) -> list[TrialRecord]:
        """All trials by number."""
        with _telling_why(self.storage):
            trials = self._study.get_trials(deepcopy=False)
        done = sorted((t for t in trials if t.datetime_complete), key=_completion)
        order = {trial.number: rank for rank, trial in enumerate(done)}
        return [_record(trial, order.get(trial.number)) for trial in trials]


@contextmanager
def _telling_why(storage: Storage) -> Iterator[None]:
    """Say in a sentence why nothing can be read or written."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError, OSError) as error:
        if is_locked(error):
            raise storage.locked_error() from None
        if is_lost(error):
            raise storage.away_error(error) from None
        raise EnvironmentProblem(
            f"the study {storage} cannot be written: {said(error)}",
            hint="free space or restore access there, then resume: nothing is lost",
        ) from None


def _file_id(storage: Storage) -> tuple[int, int] | None:
    """What tells a file from another that takes its name; None in a database."""
    if storage.file is None:
        return None
    found = storage.file.stat()
    return found.st_dev, found.st_ino


def _completion(trial: FrozenTrial) -> tuple[datetime, int]:
    """When a trial was finished, and its number.

    What its own record says counts before what Optuna noted: that is in the local time of whatever
    machine told it.
    """
    noted = trial.user_attrs.get(FINISHED)
    if noted is not None:
        return datetime.fromisoformat(noted), trial.number
    assert trial.datetime_complete is not None  # noqa: S101 - asked for finished ones only
    return trial.datetime_complete.astimezone(UTC), trial.number


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


def _constraints(result: Result) -> dict[str, Any]:
    """As Optuna's samplers and the dashboard look for them."""
    return {"constraints": list(result.constraints)} if result.constraints else {}


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
