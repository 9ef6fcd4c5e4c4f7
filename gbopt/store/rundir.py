"""The run folder: what lies where, and who may write.

campaign.toml   the campaign file as given       resolved.toml  every default written out
potential/      the potential, if it is a file   trace.jsonl    what happened, append-only
run.json        format, version, creation
study.db        Optuna study, or study.journal   bulk.json      the reference crystal
trials/NNNN-<spec key>/                          evaluation.json written last: the truth
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, SoftFileLease, Timeout

from gbopt import __version__
from gbopt.cache import naming
from gbopt.config import (
    CampaignConfig,
    copy_potential,
    is_potential_file,
    parse_campaign,
    read_campaign,
    to_toml,
)
from gbopt.errors import ConfigError, RunFolderError
from gbopt.model.evaluation import SO_FAR, Evaluation
from gbopt.store.choice import chosen, not_safe, require_safe, where_chosen
from gbopt.store.files import append_line, fault, read_lines, write_atomic
from gbopt.store.filesystems import shared_kind
from gbopt.store.folders import HOLDS, kind_of
from gbopt.store.leases import DURATION_S, Lease, is_held
from gbopt.store.progress import PROGRESS
from gbopt.store.storage import Storage, locked

FORMAT = 1
EVALUATION = "evaluation.json"
POTENTIAL = "potential"
LEASE, REFERENCE_LEASE = "worker.lease", ".reference.lease"
RUN_LOCK, RUN_LEASE = ".run.lock", ".run.lease"
_DEFAULTS = CampaignConfig(name="defaults", question="what are the defaults?", seed=0).settings
_UNDONE: dict[str, Any] = {
    "adaptive.target_dex": 0.0,
    "adaptive.prune": False,
    "analysis.energy_frames": 0,
}
"""What folders made before these settings existed did not do: every run had its full length."""
_BUCKINGHAM = "md.buckingham_cutoff_A"
_PROGRESS_KEYS = {"trial", "label", "stage", "step", "steps"}
_EVENT_KEYS = {"time_utc", "event"}
# What a folder holds whose making was interrupted.
_BEGINNINGS = {"trials", "campaign.toml", "resolved.toml", POTENTIAL}
# Longer than `is_running` holds the lock to look.
_LOCK_PATIENCE_S = 1.0


def utc_now() -> str:
    """The present time as ISO 8601 text in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A campaign's folder on disk. Make one with ``create`` or ``open_``."""

    path: Path

    @classmethod
    def create(cls, path: Path, config: CampaignConfig, text: str) -> RunFolder:
        """Make a new run folder, with a copy of the potential where that is a file.

        Raises:
            ConfigError: the file of the potential cannot be used.
            RunFolderError: it exists and is not empty, or cannot be written.
        """
        require_new(path)
        require_safe(path, config.run.storage)
        folder = cls(path)
        try:
            (path / "trials").mkdir(parents=True, exist_ok=True)
            write_atomic(path / "campaign.toml", text)
            if is_potential_file(config.md.potential):
                copy = copy_potential(Path(config.md.potential), path / POTENTIAL)
                config = config.with_potential(str(copy.absolute()))
            folder.change_limits(config)
            identity = {
                "format": FORMAT,
                "gbopt_version": __version__,
                "settings": config.settings,
                "created_utc": utc_now(),
                "study": chosen(path, config.run.storage, config.name),
            }
            # run.json last: a folder that has it is complete.
            write_atomic(path / "run.json", json.dumps(identity, indent=1))
        except OSError as error:
            raise RunFolderError(
                f"cannot write the run folder {path}: {error.strerror}",
                hint="choose a folder you may write to with --out",
            ) from None
        return folder

    @classmethod
    def open_(cls, path: Path) -> RunFolder:
        """Open an existing run folder.

        Raises:
            RunFolderError: it is missing, is none of ours, or is of another format.
        """
        _require_plain(path)
        if not (path / "run.json").is_file() and not any(path.glob("trials/*")):
            if kind := kind_of(path):
                raise RunFolderError(
                    f"{path} is no campaign: it holds {HOLDS[kind]}",
                    hint="`gbopt status` and `gbopt stop` take it too",
                )
            raise RunFolderError(
                f"{path} is not a run folder: it has no run.json",
                hint="give the folder that `gbopt run` printed, such as runs/quickstart",
            )
        found = _identity(path).get("format")
        if found is None:
            raise RunFolderError(f"{path / 'run.json'} cannot be read", hint=_from_elsewhere(path))
        if found != FORMAT:
            raise RunFolderError(
                f"the run folder {path} has format {found}, this gbopt ({__version__}) reads "
                f"format {FORMAT}",
                hint="use the gbopt version that made it (its run.json and trials name it)",
            )
        return cls(path)

    @property
    def config(self) -> CampaignConfig:
        """The campaign as it was started, or with other limits since.

        Raises:
            ConfigError: resolved.toml was changed to what no campaign can be.
            RunFolderError: it cannot be read, or was changed in a setting that the finished
                evaluations depend on.
        """
        resolved = self.path / "resolved.toml"
        try:
            text = read_campaign(resolved)
        except ConfigError:
            raise RunFolderError(
                f"{resolved} cannot be read", hint=_from_elsewhere(self.path)
            ) from None
        config = parse_campaign(text, str(resolved), self.path)
        stored = _identity(self.path).get("settings", {})
        # A setting newer than the folder was at what it stands for now, or was not done at all.
        undone = {name: value for name, value in _UNDONE.items() if stored and name not in stored}
        if stored and _BUCKINGHAM not in stored:  # one cut-off stood for both
            undone[_BUCKINGHAM] = stored["md.coulomb_cutoff_A"]
        config = _with(config, undone)
        before = _DEFAULTS | undone | stored
        changed = [name for name, value in config.settings.items() if before[name] != value]
        if changed:
            name = changed[0]
            raise RunFolderError(
                f"{resolved}: '{name}' is {config.settings[name]!r}, but the finished "
                f"evaluations were made with {before[name]!r}",
                hint="only [run], [confirm], the texts and the limits in [search] may change: "
                "undo the rest, or start a new run",
            )
        return config

    def change_limits(self, config: CampaignConfig) -> None:
        """Store a configuration that differs in limits only (see ``config``)."""
        if is_potential_file(config.md.potential):  # by its place in the folder, which may move
            config = config.with_potential(f"{POTENTIAL}/{Path(config.md.potential).name}")
        write_atomic(self.path / "resolved.toml", to_toml(config))

    @property
    def storage(self) -> Storage:
        """Where the study is."""
        study = _identity(self.path).get("study")
        return where_chosen(self.path, study if isinstance(study, dict) else None, self.config.name)

    def put_study(self, made: Storage, why: str) -> None:
        """Put another study in the place of the one there is, which is kept.

        Args:
            made: where it was made, by ``Storage.successor``.
            why: part of the name under which the old one is kept, where that is a file.
        """
        old = self.storage
        if old.file is None or made.file is None:
            identity = _identity(self.path)
            identity["study"]["name"] = made.name
            write_atomic(self.path / "run.json", json.dumps(identity, indent=1))
            return
        if old.file.exists():
            old.file.rename(old.file.with_name(f"{old.file.name}.{why}-{int(time.time())}"))
        made.file.replace(old.file)

    @property
    def trace_file(self) -> Path:
        """Append-only log of events, one JSON object a line."""
        return self.path / "trace.jsonl"

    def trial_folder(self, number: int, key: str) -> Path:
        """Folder of a trial."""
        return self.path / "trials" / f"{number:04d}-{key}"

    def note(self, event: str, **fields: Any) -> None:
        """Append an event to the trace."""
        line = {"time_utc": utc_now(), "event": event, **fields}
        if not (self.path / "run.json").exists() or self.storage.kind == "sqlite":
            append_line(self.trace_file, line)
            return
        # Lines that two machines append at once to a file of a network overwrite each other.
        try:
            with SoftFileLease(self.path / ".trace.lease", lease_duration=DURATION_S):
                append_line(self.trace_file, line)
        except OSError as error:
            raise naming(self.trace_file, error) from None

    def events(self) -> list[dict[str, Any]]:
        """Read the trace."""
        return [line for line in read_lines(self.trace_file) if line.keys() >= _EVENT_KEYS]

    def evaluations(self) -> list[Evaluation]:
        """Read every finished evaluation, by trial number."""
        files = sorted(self.path.glob(f"trials/*/{EVALUATION}"))
        return [read_evaluation(file) for file in files]

    def progress(self) -> list[dict[str, Any]]:
        """Read the last report of every trial that has no evaluation yet."""
        reports = []
        for folder in sorted(self.path.glob("trials/*")):
            report = folder / PROGRESS
            if report.exists() and not (folder / EVALUATION).exists():
                lines = [line for line in read_lines(report) if line.keys() >= _PROGRESS_KEYS]
                so_far = {"estimate": read_lines(folder / SO_FAR)}
                reports += [line | so_far for line in lines]
        return reports

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the folder: only one process may run a campaign. Workers join without it.

        Raises:
            RunFolderError: another process holds it.
        """
        lock, lease = FileLock(self.path / RUN_LOCK), Lease(self.path / RUN_LEASE)
        try:
            lock.acquire(timeout=_LOCK_PATIENCE_S)
            # Locks of the system may not reach other machines.
            free = self.storage.kind == "sqlite" or lease.claim_patiently()
        except Timeout:
            free = False
        except OSError as error:
            raise RunFolderError(
                f"the run folder {self.path} cannot be written: {error.strerror}",
                hint="copy it to a place you may write to, and resume the copy",
            ) from None
        try:
            if not free:
                raise RunFolderError(
                    f"another gbopt process is running the campaign in {self.path}",
                    hint=f"watch it with `gbopt status {self.path}`, join it with `gbopt worker "
                    f"{self.path}`, or stop it first (Ctrl-C)",
                )
            yield
        finally:
            lease.release()
            lock.release()

    def has_workers(self) -> bool:
        """Whether somebody evaluates a trial, or makes the bulk reference, on whatever machine."""
        leases = [self.path / REFERENCE_LEASE, *self.path.glob(f"trials/*/{LEASE}")]
        return any(map(is_held, leases))

    def require_no_workers(self) -> None:
        """Refuse to change what workers count on.

        Raises:
            RunFolderError: there are some.
        """
        if self.has_workers():
            raise RunFolderError(
                f"workers evaluate trials of {self.path}",
                hint=f"end them first: `gbopt stop {self.path}`",
            )

    def require_joinable(self) -> None:
        """Refuse workers where a second machine would damage the study.

        Raises:
            RunFolderError: it is in SQLite, on a network file system.
        """
        if self.storage.kind == "sqlite" and (shared := shared_kind(self.path)):
            raise not_safe(f"the study of {self.path}", shared)

    def is_running(self) -> bool:
        """Whether a process runs the campaign now, or workers have joined it."""
        if is_held(self.path / RUN_LEASE) or self.has_workers():
            return True
        try:
            with FileLock(self.path / RUN_LOCK, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False  # a read-only copy of a folder: nobody runs it here

    def study_lock(self) -> AbstractContextManager[None]:
        """Lock around proposing and telling, shared by all workers of a campaign."""
        return locked(self.storage)


def _with(config: CampaignConfig, settings: dict[str, Any]) -> CampaignConfig:
    """The campaign with other values of settings such as ``adaptive.prune``."""
    for name, value in settings.items():
        section, field = name.split(".")
        changed = getattr(config, section).model_copy(update={field: value})
        config = config.model_copy(update={section: changed})
    return config


def _identity(path: Path) -> dict[str, Any]:
    """Content of run.json; empty where it is damaged."""
    try:
        identity = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return identity if isinstance(identity, dict) else {}


def _from_elsewhere(path: Path) -> str:
    """How to get a file back that every run of a campaign file has alike."""
    return (
        "restore it from a copy; or begin the same campaign elsewhere, stop it and copy that file "
        f"from there: gbopt run {path / 'campaign.toml'} --out OTHER"
    )


def require_new(path: Path) -> None:
    """Refuse a place where no run folder can be made.

    Raises:
        RunFolderError: it exists and is not empty.
    """
    _require_plain(path)
    if (path / "run.json").exists():
        raise RunFolderError(
            f"the run folder {path} exists already",
            hint=f"continue it with `gbopt resume {path}`, or name another with --out",
        )
    if path.exists() and not _only_beginnings(path):
        raise RunFolderError(
            f"{path} exists already and is not a run folder",
            hint="name another folder with --out",
        )


def _require_plain(path: Path) -> None:
    """Refuse characters that SQLite's address of the study gives another meaning."""
    if set("?{}") & set(str(path.resolve())):
        raise RunFolderError(
            f"the path {path} holds one of the characters ? {{ }}",
            hint="choose a run folder without them with --out",
        )


def _only_beginnings(path: Path) -> bool:
    """Whether a folder is empty, or holds only what an interrupted ``create`` leaves."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(".")}
    return names <= _BEGINNINGS and not any((path / "trials").glob("*"))


def read_evaluation(file: Path) -> Evaluation:
    """Read one evaluation.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        return Evaluation.model_validate_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(
            f"{file} cannot be read: {fault(error)}",
            hint="restore it from a copy, or move that trial's folder out of the run folder: its "
            "number is run again on resume",
        ) from None
