"""Conditions on the rows of a library, as a user writes them and as SQLite takes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, get_args, get_type_hints

from gbopt.errors import ConfigError
from gbopt.geometry.library import Record

TYPES: dict[str, type] = {n: (get_args(t) or (t,))[0] for n, t in get_type_hints(Record).items()}
"""Type of each column: int, float or str."""
OPERATORS = ("<=", ">=", "!=", "=", "<", ">")
_UNITS = re.compile(r"_(deg|A|A2|A3|layers|per_nm2|over_gate|per_A3)$")
_NAMES = {_UNITS.sub("", name): name for name in reversed(Record._fields)} | {
    name: name for name in Record._fields
}
_CONDITION = re.compile(rf"^\s*(\w+)\s*({'|'.join(OPERATORS)})\s*(.+?)\s*$")


class Condition(NamedTuple):
    """A comparison that rows are chosen by."""

    column: str
    operator: str
    value: float | str


def parse_where(text: str) -> list[Condition]:
    """Read conditions such as ``misorientation < 15 and width = 3``.

    Columns are those of ``Record``, with or without their unit.

    Raises:
        ConfigError: a column is unknown, or a comparison makes no sense.
    """
    return [_condition(part) for part in re.split(r"\s+and\s+", text.strip())]


def _condition(text: str) -> Condition:
    match = _CONDITION.match(text)
    if match is None or match[1] not in _NAMES:
        raise ConfigError(
            f"cannot read the condition {text!r}",
            hint="such as 'misorientation < 15 and width = 3'; columns: " + ", ".join(_NAMES),
        )
    column, operator, value = _NAMES[match[1]], match[2], match[3].strip("'\"")
    if TYPES[column] is str:
        if operator not in ("=", "!="):
            raise ConfigError(f"{column} is text: {text!r} makes no sense", hint="use = or !=")
        return Condition(column, operator, value)
    try:
        return Condition(column, operator, float(value))
    except ValueError:
        raise ConfigError(
            f"{column} is a number, {value!r} is none", hint=f"such as '{column} {operator} 3'"
        ) from None


def where_clause(conditions: Sequence[Condition]) -> tuple[str, list[float | str]]:
    """SQL that asks for all conditions, with a mark for each value, and the values.

    Raises:
        ConfigError: a column or an operator is none of ours: nothing else gets into the SQL.
    """
    for column, operator, _ in conditions:
        if column not in TYPES or operator not in OPERATORS:
            raise ConfigError(
                f"no such comparison: {column} {operator}", hint=f"columns: {', '.join(TYPES)}"
            )
    tests = [f'"{c.column}" {c.operator} ?' for c in conditions]
    return f"WHERE {' AND '.join(tests)}" if tests else "", [c.value for c in conditions]
