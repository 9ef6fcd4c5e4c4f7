"""Curves of a run kept as arrays, so that runs can be drawn over each other later."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gbopt.analysis.pairs import PairResult
from gbopt.analysis.vibration import SpectrumResult

Curves = TypeVar("Curves", PairResult, SpectrumResult)

FILES: dict[type, str] = {PairResult: "pairs.npz", SpectrumResult: "spectrum.npz"}


def save_curves(curves: PairResult | SpectrumResult, folder: Path) -> None:
    """Write the arrays of a result into a folder."""
    path = folder / FILES[type(curves)]
    temporary = path.with_name(f".{path.name}.tmp.npz")
    np.savez_compressed(temporary, **asdict(curves))
    temporary.replace(path)  # there whole or not at all


def load_curves(kind: type[Curves], folder: Path) -> Curves | None:
    """Read what ``save_curves`` wrote; None where there is nothing."""
    path = folder / FILES[kind]
    if not path.exists():
        return None
    with np.load(path) as stored:
        found: dict[str, Any] = {f.name: stored[f.name] for f in fields(kind)}
    found["elements"] = tuple(str(name) for name in found["elements"])
    for name, value in found.items():
        if isinstance(value, np.ndarray) and value.ndim == 0:
            found[name] = value.item()
    return kind(**found)
