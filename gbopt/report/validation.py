"""The results of the validation suite as files: a page, a table for programs, and both as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from gbopt.report.html import environment
from gbopt.report.series import csv_text
from gbopt.store.files import write_atomic
from gbopt.validate.findings import Record, Tier
from gbopt.validate.table import Line, lines, printed_rows, rows, summary

PAGE, TABLE, DATA = "validation.html", "validation.csv", "validation.json"


def as_json(records: Sequence[Record]) -> str:
    """The table, the summary and every record with its provenance."""
    found = lines(records)
    whole = {
        "summary": summary(found, records),
        "table": rows(found),
        "checks": [record.model_dump(mode="json") for record in records],
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def write_validation(folder: Path, tier: Tier, records: Sequence[Record]) -> list[Path]:
    """Write the page and both tables of all that is done; return their paths.

    Args:
        folder: of the suite.
        tier: that was asked for.
        records: of the checks that are done.
    """
    if not records:
        return []
    found = lines(records)
    texts = {PAGE: page(tier, found, records), DATA: as_json(records)}
    if found:
        texts[TABLE] = csv_text(rows(found))
    for name, text in texts.items():
        write_atomic(folder / name, text)
    return [folder / name for name in texts]


def page(tier: Tier, found: Sequence[Line], records: Sequence[Record]) -> str:
    """The page as text: no scripts, no network."""
    sections = [
        (section, printed_rows(list(group)))
        for section, group in groupby(found, key=lambda line: line.record.section)
    ]
    return (
        environment()
        .get_template("validation.html.j2")
        .render(
            tier=tier,
            as_of=max(record.provenance.finished_utc for record in records),
            sentences=summary(found, records),
            sections=sections,
            records=records,
            provenance=_provenance(records),
        )
    )


def _provenance(records: Sequence[Record]) -> list[tuple[str, str]]:
    """What all checks share; more than one value where they were done by different ones."""
    each = [record.provenance for record in records]
    packages = [f"{name} {version}" for p in each for name, version in p.packages.items()]
    named = {
        "gbopt": [f"{p.gbopt_version}, source {p.source_key}" for p in each],
        "Python": [p.python_version for p in each],
        "machine": [f"{p.host}, {p.cpu_count} CPUs" for p in each],
        "packages": packages,
    }
    return [(name, ", ".join(dict.fromkeys(values))) for name, values in named.items()]
