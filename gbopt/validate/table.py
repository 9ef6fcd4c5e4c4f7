"""The table of the suite: what was measured joined with what it is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from gbopt.validate.findings import (
    TIERS,
    Agreement,
    Finding,
    Known,
    Record,
    Tested,
    agreement,
)
from gbopt.validate.published import KNOWN
from gbopt.validate.suite import SECTIONS

Rows = list[dict[str, Any]]


class Line(NamedTuple):
    """One quantity."""

    finding: Finding
    known: Known | None
    agreement: Agreement
    record: Record

    @property
    def verdict(self) -> str:
        """agrees, differs (explained), differs, bound or no reference."""
        agrees = self.agreement.agrees
        if agrees is None:
            return "bound" if self.agreement.by == "bound" else "no reference"
        if agrees:
            return "agrees"
        explained = self.known is not None and self.known.explained
        return "differs (explained)" if explained else "differs"

    @property
    def remark(self) -> str:
        """What to know of the row: how it was got, how it compares, why it differs."""
        said = [self.finding.note]
        if self.known is not None:
            said.append(self.known.remark)
            if self.agreement.agrees is False:
                said.append(self.known.explained)
        parts = [part.rstrip(".") for part in said if part]
        return ". ".join(parts) + ("." if parts else "")


def lines(records: Sequence[Record]) -> list[Line]:
    """All quantities, section by section.

    Of one that was measured more than once that of the longest tier, and there the surest: other
    checks run it too, in smaller cells, to compare with.
    """
    found: dict[str, Line] = {}
    for record in sorted(records, key=lambda r: TIERS.index(r.tier)):
        for finding in record.findings:
            known = KNOWN.get(finding.key)
            line = Line(finding, known, agreement(finding.ours, known), record)
            other = found.get(finding.quantity)
            if other is None or _surer(line, other):
                found[finding.quantity] = line
    return sorted(found.values(), key=lambda line: SECTIONS.index(line.record.section))


def _surer(line: Line, other: Line) -> bool:
    if line.record.tier != other.record.tier:
        return TIERS.index(line.record.tier) > TIERS.index(other.record.tier)
    return line.finding.ours.std_err < other.finding.ours.std_err


def printed_rows(found: Sequence[Line]) -> Rows:
    """For reading: numbers rounded to their errors."""
    return [
        {
            "quantity": line.finding.quantity,
            "ours": str(line.finding.ours),
            "reference": line.known.text if line.known else "",
            "source": line.known.source if line.known else "",
            "tests": line.known.tests if line.known else "",
            "apart by": line.agreement.text,
            "verdict": line.verdict,
            "remark": line.remark,
        }
        for line in found
    ]


def rows(found: Sequence[Line]) -> Rows:
    """For programs: plain numbers, and where each comes from."""
    return [_row(line) for line in found]


def _row(line: Line) -> dict[str, Any]:
    ours, known, record = line.finding.ours, line.known, line.record
    return {
        "section": record.section,
        "quantity": line.finding.quantity,
        "value": ours.value,
        "std_err": ours.std_err,
        "unit": ours.unit,
        "bound": ours.bound or "",
        "method": ours.method,
        "reference_low": _finite(known.low) if known else None,
        "reference_high": _finite(known.high) if known else None,
        "reference_std_err": known.std_err if known else None,
        "allowance": known.allowance if known else None,
        "source": known.source if known else "",
        "tests": known.tests if known else "",
        "apart_by": line.agreement.off if line.agreement.agrees is not None else None,
        "apart_in": line.agreement.by,
        "verdict": line.verdict,
        "remark": line.remark,
        "tier": record.tier,
        "engine": record.provenance.engine,
        "potential_key": record.provenance.potential_key,
        "settings_key": record.provenance.settings_key,
        "seed": record.provenance.seed,
        "gbopt": f"{record.provenance.gbopt_version} {record.provenance.source_key}",
        "host": record.provenance.host,
        "cpu_s": record.cpu_s,
        "finished_utc": record.provenance.finished_utc,
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def summary(found: Sequence[Line], records: Sequence[Record]) -> list[str]:
    """What the table comes to, a sentence each."""
    judged = [line for line in found if line.agreement.agrees is not None]
    said = [
        f"{len(each)} quantities {what}: {_agreeing(each)}."
        for tested, what in _TESTS.items()
        if (each := [line for line in judged if line.known and line.known.tests == tested])
    ]
    others = len(found) - len(judged)
    if others:
        said.append(f"{others} have no reference, or are bounds that one does not contradict.")
    failed = [record for record in records if record.failure is not None]
    said += [
        f"{record.check} ({record.tier}) failed: {record.failure.cause} ({record.failure.hint})."
        for record in failed
        if record.failure is not None
    ]
    return said


_TESTS: dict[Tested, str] = {
    "gbopt": "test gbopt, against exact answers and published runs of the same potential",
    "potential": "test a potential, against experiment, DFT or another potential",
}


def _agreeing(found: Sequence[Line]) -> str:
    """How many agree, by what they are measured in, and what of the others is explained."""
    measures = {"error": "within two standard errors", "allowance": "within their allowance"}
    parts = []
    for by, words in measures.items():
        if each := [line for line in found if line.agreement.by == by]:
            agree = sum(line.agreement.agrees is True for line in each)
            parts.append(f"{agree} of {len(each)} agree {words}{_apart(each)}")
    return "; ".join(parts)


def _apart(found: Sequence[Line]) -> str:
    apart = [line for line in found if line.agreement.agrees is False]
    if not apart:
        return ""
    explained = sum(line.verdict == "differs (explained)" for line in apart)
    unexplained = len(apart) - explained
    parts = [f"{explained} differ as explained in the table"] if explained else []
    parts += [f"{unexplained} differ without an explanation"] if unexplained else []
    return f" ({', '.join(parts)})"
