"""What optuna-dashboard shows beside the trials: notes, pictures and figures; and its server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import BaseStorage
from optuna.trial import Trial

from gbopt.store.storage import Storage, connect, disconnect, locked

PICTURES = "pictures"
"""Folder, in the run folder, of the pictures that the dashboard shows."""
# Optuna takes nothing more of a trial that has ended: the dashboard looks here as well.
_PICTURE_KEY = "dashboard:artifacts:{trial}:{name}"
_OURS = "*Written by gbopt, and kept up to date by it until you change it.*"


@dataclass(frozen=True)
class Board:
    """What a study is decorated with."""

    note: str
    """On the study, Markdown."""
    trials: Mapping[int, str] = field(default_factory=dict)
    """On each trial, Markdown."""
    pictures: Mapping[int, Path] = field(default_factory=dict)
    """Of each trial: a PNG file in the folder of pictures."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Plotly figures by their id."""


def decorate(storage: Storage, board: Board) -> None:
    """Put notes, pictures and figures into a study. What a user wrote stays as it is.

    Args:
        storage: of the study; its lock must not be held.
        board: what to put there.

    Raises:
        RunFolderError: the study is locked.
        EnvironmentProblem: its database does not answer.
    """
    connected = connect(storage)
    try:
        study = optuna.load_study(storage=connected, study_name=storage.name)
        with locked(storage):
            _note(study, board.note)
            _draw(study, board.figures)
        for frozen in study.get_trials(deepcopy=False):
            # Between two trials a worker may tell and propose.
            with locked(storage):
                if (text := board.trials.get(frozen.number)) is not None:
                    _note(Trial(study, frozen._trial_id), text)  # noqa: SLF001 - no public way
                if (picture := board.pictures.get(frozen.number)) is not None:
                    _hang(study, frozen._trial_id, picture)  # noqa: SLF001
    finally:
        disconnect(connected)


def _note(where: optuna.Study | Trial, text: str) -> None:
    from optuna_dashboard import get_note, save_note

    now, ours = get_note(where), f"{text}\n\n{_OURS}"
    if now != ours and (not now or now.endswith(_OURS)):
        save_note(where, ours)


def _draw(study: optuna.Study, figures: Mapping[str, Any]) -> None:
    from optuna_dashboard import save_plotly_graph_object

    for name, figure in figures.items():
        save_plotly_graph_object(study, figure, graph_object_id=name)


def _hang(study: optuna.Study, trial_id: int, picture: Path) -> None:
    key = _PICTURE_KEY.format(trial=trial_id, name=picture.name)
    storage, study_id = study._storage, study._study_id  # noqa: SLF001 - no public way
    if key in storage.get_study_system_attrs(study_id):
        return  # or taken down by a user
    meta = {
        "artifact_id": picture.name,
        "filename": picture.name,
        "mimetype": "image/png",
        "encoding": None,
    }
    storage.set_study_system_attr(study_id, key, json.dumps(meta))


def serve(storage: Storage, pictures: Path, host: str, port: int) -> None:
    """Serve optuna-dashboard until the process is interrupted.

    Args:
        storage: of the study.
        pictures: folder of the pictures.
        host: address to listen on.
        port: its port.

    Raises:
        OSError: the port is taken.
    """
    from optuna_dashboard import run_server

    connected: BaseStorage = connect(storage)
    try:
        run_server(connected, host, port, FileSystemArtifactStore(str(pictures)))
    finally:
        disconnect(connected)
