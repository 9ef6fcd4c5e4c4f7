"""Evaluations as tables of plain numbers, for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gbopt.model.evaluation import Evaluation
from gbopt.report.live import seconds
from gbopt.report.tables import Rows, flag_names

_CONDITIONS = ("n_ions", "composition", "production_ps", "area_A2", "length_A", "nominal_width_A")
_ORIGIN = ("engine", "seed", "gbopt_version", "potential_key", "settings_key")


def number_table(
    evaluations: Sequence[Evaluation], first: Sequence[Mapping[str, Any]] | None = None
) -> Rows:
    """One row of plain numbers for each evaluation; errors and bounds have columns of their own.

    Args:
        evaluations: what the rows are of.
        first: columns that come before those of each.
    """
    before = first if first is not None else [{}] * len(evaluations)
    rows = [{**more, **dict(_columns(e))} for more, e in zip(before, evaluations, strict=True)]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def _columns(e: Evaluation) -> Iterator[tuple[str, Any]]:
    yield from (("trial", e.trial), ("replicate", e.replicate), ("boundary", e.spec.label))
    yield from (("spec_key", e.spec.key), ("status", e.status.value), ("ending", e.ending))
    yield from e.params.items()
    numbers = {"log10_objective": e.objective, **e.observables}
    for name, estimate in numbers.items():
        yield name, estimate.value if estimate else None
        yield f"{name}_err", estimate.std_err if estimate else None
        yield f"{name}_bound", estimate.bound if estimate else None
        if name != "log10_objective":
            yield f"{name}_unit", estimate.unit if estimate else None
    for name in _CONDITIONS:
        yield name, getattr(e.conditions, name) if e.conditions else None
    yield from (("flags", flag_names(e)), ("cause", e.failure.cause if e.failure else None))
    yield from (("md_steps", e.md_steps), ("minutes", round(seconds(e) / 60, 2)))
    yield from ((name, getattr(e.provenance, name)) for name in _ORIGIN)
    yield "finished_utc", e.provenance.finished_utc
