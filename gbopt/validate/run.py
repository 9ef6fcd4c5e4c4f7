"""Doing the checks of the suite side by side, each once, and reading what they found."""

from __future__ import annotations

import os
import resource
import shutil
import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from gbopt.config.sections import RunConfig
from gbopt.disorder.setup import now, unwritable
from gbopt.errors import AnalysisError, GboptError, GeometryError, MDError
from gbopt.evaluate.workers import become_worker, in_workers, place
from gbopt.model.evaluation import Failure
from gbopt.provenance import make_provenance
from gbopt.store.files import append_line, write_atomic
from gbopt.store.folders import CHECKED_IN, CHECKS, TRACE
from gbopt.validate.check import Bench, Check, Measured
from gbopt.validate.findings import Record


def result_file(folder: Path, check: Check) -> Path:
    """Where a check's record stands."""
    return folder / CHECKS / f"{check.file_name}.json"


def read_records(folder: Path, checks: Iterable[Check]) -> list[Record]:
    """The records of the checks that have been done, in the order of the checks."""
    return [
        Record.model_validate_json(file.read_text(encoding="utf-8"))
        for check in checks
        if (file := result_file(folder, check)).exists()
    ]


def left(folder: Path, checks: Iterable[Check]) -> list[Check]:
    """The checks that are not done, or failed."""
    return [check for check in checks if not _is_done(folder, check)]


def run_checks(
    folder: Path,
    checks: Iterable[Check],
    run: RunConfig,
    on_death: Callable[[], None],
) -> None:
    """Do all checks that are not done, side by side; ``read_records`` reads them.

    Args:
        folder: of the suite.
        checks: what to do.
        run: how many at once, and on which engine.
        on_death: told when a worker died.

    Raises:
        EnvironmentProblem: the disk is full, or workers die again and again.
        KeyboardInterrupt: this process was asked to stop.
    """
    from joblib import delayed

    todo = left(folder, checks)
    in_workers(
        lambda: [delayed(_do)(folder, check, run, os.getpid()) for check in todo],
        max(1, min(run.workers, len(todo))),
        finished=lambda: len(todo) - len(left(folder, todo)),
        on_death=on_death,
    )


def _is_done(folder: Path, check: Check) -> bool:
    known = read_records(folder, [check])
    return bool(known) and known[0].failure is None


def _do(folder: Path, check: Check, run: RunConfig, main_pid: int) -> None:
    """Do a check unless it has been done; trouble with it alone becomes part of its record."""
    become_worker(main_pid)
    work = folder / CHECKED_IN / check.file_name
    work.mkdir(parents=True, exist_ok=True)
    # A worker of a suite that was killed a moment ago may still be ending.
    with FileLock(work / ".lock"), place(folder, run.workers) as slot:
        if _is_done(folder, check):
            return
        append_line(folder / TRACE, {"time_utc": now(), "check": check.name, "tier": check.tier})
        record = _record(check, Bench(work, slot, run))
        write_atomic(result_file(folder, check), record.model_dump_json(indent=1))
        said = record.failure.cause if record.failure else f"done, {record.cpu_s:.0f} s"
        told = {"check": check.name, "tier": check.tier, "result": said}
        append_line(folder / TRACE, {"time_utc": now(), **told})
    if record.failure is None:
        shutil.rmtree(work, ignore_errors=True)


def _record(check: Check, bench: Bench) -> Record:
    started, started_utc, cpu_s = time.monotonic(), now(), _cpu_s()
    measured, failure = Measured(()), None
    try:
        measured = check.measure(check.spec, bench)
    except (MDError, GeometryError, AnalysisError) as error:
        failure = _failure(error)
    except OSError as error:
        raise unwritable(bench.folder, error) from error
    except GboptError:
        raise
    except Exception as error:  # noqa: BLE001 - recorded with its traceback, the suite goes on
        failure = Failure(
            stage="unexpected",
            cause=f"{type(error).__name__}: {error}",
            hint="this is a defect of gbopt: report the traceback below",
            log_tail=traceback.format_exc(),
        )
    return Record(
        check=check.name,
        section=check.section,
        tier=check.tier,
        findings=measured.findings,
        failure=failure,
        cpu_s=round(_cpu_s() - cpu_s, 1),
        seconds=round(time.monotonic() - started, 1),
        provenance=make_provenance(
            engine=measured.engine,
            engine_settings=dict(measured.settings),
            potential_key=check.potential_key,
            settings_key=check.key,
            seed=getattr(check.spec, "seed", 0),
            started_utc=started_utc,
            finished_utc=now(),
        ),
    )


def _failure(error: MDError | GeometryError | AnalysisError) -> Failure:
    stage, log = (error.stage, error.log_tail) if isinstance(error, MDError) else ("analysis", "")
    return Failure(stage=stage, cause=error.message, hint=error.hint, log_tail=log)


def _cpu_s() -> float:
    """Processor time of this process and of its children that have ended, s."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
