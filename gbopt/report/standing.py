"""Where work stands that is no campaign: one evaluation, a study, a validation."""

from __future__ import annotations

import shlex
from pathlib import Path

from gbopt.campaign.single import read_request
from gbopt.config import parse_campaign, read_campaign
from gbopt.config.study import StudyConfig, parse_study, read_study
from gbopt.disorder.setup import Setup, progress_of
from gbopt.disorder.study import RESOLVED, finished
from gbopt.disorder.systems import Kind as Part
from gbopt.disorder.systems import all_runs, glasses, systems
from gbopt.report.live import running
from gbopt.report.tables import Rows
from gbopt.store.files import read_lines
from gbopt.store.folders import HOLDS, TRACE, Kind, is_at_work
from gbopt.store.progress import PROGRESS
from gbopt.store.rundir import EVALUATION, read_evaluation
from gbopt.validate.findings import TIERS
from gbopt.validate.run import left, read_records
from gbopt.validate.suite import suite


def standing_rows(path: Path, kind: Kind) -> Rows:
    """Where it stands, an item a row, as ``tables.status_rows`` says it of a campaign.

    Args:
        path: the folder.
        kind: what ``kind_of`` says of it.

    Raises:
        RunFolderError: a record of the evaluation is damaged.
        ConfigError: the settings of the study or the evaluation were changed to what cannot be.
    """
    items = {"holds": HOLDS[kind]}
    items |= {"evaluation": _evaluation, "study": _study, "validation": _validation}[kind](path)
    return [{"item": item, "value": value} for item, value in items.items()]


def _state(path: Path, again: str, left: bool) -> str:
    if is_at_work(path):
        return "running"
    return f"interrupted: `{again}` continues it" if left else "finished"


def _evaluation(path: Path) -> dict[str, str]:
    folder = shlex.quote(str(path))
    # The request is a file of a specification, the settings are a campaign file.
    again = f"gbopt evaluate {folder}/request.json {folder}/resolved.toml --out {folder}"
    label, record = read_request(path).label, path / EVALUATION
    found = {"boundary": label, "state": _state(path, again, not record.exists())}
    if record.exists():
        evaluation = read_evaluation(record)
        found["outcome"] = evaluation.status.value
        if evaluation.failure is not None:
            found["cause"] = evaluation.failure.cause
        if evaluation.objective is not None:
            found["objective"] = str(evaluation.objective)
        return found
    resolved = path / "resolved.toml"
    config = parse_campaign(read_campaign(resolved), str(resolved), path)
    reports = [{**line, "trial": 0, "label": label} for line in read_lines(path / PROGRESS)]
    if reports:
        found["stage"] = running(config, reports)[0].text.removeprefix(f"{label}: ")
    return found


def _study(path: Path) -> dict[str, str]:
    file = path / RESOLVED
    config = parse_study(read_study(file), str(file), path)
    setup = Setup(config, path, {})
    made, done = finished(setup)
    wanted = len(glasses(config)) + len(all_runs(config))
    failed = sum(glass.failure is not None for glass in made)
    failed += sum(run.failure is not None for run in done)
    ended = len(made) + len(done)
    left = failed > 0 or ended < wanted
    found = {
        "study": config.name,
        "question": config.question,
        "state": _state(path, _again(config, path), left),
        "runs": f"{ended} of {wanted} ended ({ended - failed} ok, {failed} failed)",
    }
    now = progress_of(setup) if is_at_work(path) else []
    return found | {f"now {i}": line for i, line in enumerate(now, start=1)}


def _again(config: StudyConfig, path: Path) -> str:
    parts: dict[Part, str] = {"crystal": "strain", "glass": "quench"}
    commands = [command for part, command in parts.items() if systems(config, part)]
    return "; ".join(f"gbopt {command} {shlex.quote(str(path))}" for command in commands)


def _validation(path: Path) -> dict[str, str]:
    events = read_lines(path / TRACE)
    results: dict[str, str] = {}
    for event in events:
        results[event["check"]] = event.get("result", "")
    # The tier that was asked for shows as soon as a check of it has begun.
    tier = max((event["tier"] for event in events), key=TIERS.index, default=TIERS[0])
    checks = suite(tier)
    records = read_records(path, checks)
    failed = sum(record.failure is not None for record in records)
    again = f"gbopt validate --tier {tier} --out {shlex.quote(str(path))}"
    found = {
        "state": _state(path, again, bool(left(path, checks))),
        "tier": tier,
        "checks": f"{len(records)} of {len(checks)} ended "
        f"({len(records) - failed} ok, {failed} failed)",
    }
    begun = [name for name, result in results.items() if not result] if is_at_work(path) else []
    return found | {f"now {i}": name for i, name in enumerate(begun, start=1)}
