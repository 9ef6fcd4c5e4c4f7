"""Worker processes that are killed from outside."""

import os
import signal

import pytest
from joblib import delayed

from gbopt.errors import EnvironmentProblem
from gbopt.evaluate.workers import in_workers


def die_once(folder, number):
    """A task whose process is killed the first time."""
    if not (folder / f"died-{number}").exists():
        (folder / f"died-{number}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"done-{number}").touch()
    return number


def die(folder):
    os.kill(os.getpid(), signal.SIGKILL)


def results(folder):
    return len([*folder.glob("done-*")])


def test_deaths_that_something_was_finished_between_do_not_end_a_run(tmp_path):
    deaths = []
    found = in_workers(
        lambda: [delayed(die_once)(tmp_path, n) for n in range(12)],
        2,
        finished=lambda: results(tmp_path),
        on_death=lambda: deaths.append(results(tmp_path)),
    )
    assert found == [*range(12)]
    assert len(deaths) > 4


def test_deaths_that_nothing_comes_of_do(tmp_path):
    deaths = []
    with pytest.raises(EnvironmentProblem, match="died 4 times, and nothing was finished"):
        in_workers(
            lambda: [delayed(die)(tmp_path) for _ in range(3)],
            2,
            finished=lambda: results(tmp_path),
            on_death=lambda: deaths.append(1),
        )
    assert len(deaths) == 4
