"""OpenMM's module and its platforms, and what its failures mean."""

from __future__ import annotations

from typing import Any

from gbopt.errors import EnvironmentProblem

GPU_PLATFORMS = ("CUDA", "HIP", "OpenCL")
_INSTALL = 'pip install "gbopt-llzo[gpu]" (CUDA 13; [gpu-cuda12] and [gpu-hip] for others)'


def load_openmm() -> Any:
    """Import the ``openmm`` module.

    Raises:
        EnvironmentProblem: it is missing or cannot be loaded.
    """
    try:
        import openmm
        import openmm.version
    except ImportError as error:
        raise EnvironmentProblem(
            f"OpenMM cannot be imported: {error}", hint=f"install it with: {_INSTALL}"
        ) from None
    return openmm


def platforms() -> tuple[str, ...]:
    """Names of the platforms that OpenMM has here, whether they work or not.

    Raises:
        EnvironmentProblem: OpenMM is missing.
    """
    kind = load_openmm().Platform
    return tuple(kind.getPlatform(i).getName() for i in range(kind.getNumPlatforms()))


def start_failure(platform: str, message: str) -> EnvironmentProblem:
    """What it means that a context could not be made."""
    first = message.strip().splitlines()[0] if message.strip() else "no reason given"
    if "UNSUPPORTED_PTX_VERSION" in message or "(222)" in message:
        return EnvironmentProblem(
            f"OpenMM's {platform} platform: the driver is older than the CUDA compiler (NVRTC) "
            f"beside OpenMM: {first}",
            hint="install the compiler of the driver's CUDA version (nvidia-smi shows it), such "
            'as: pip install "nvidia-cuda-nvrtc==13.0.*"',
        )
    if "no registered Platform" in message:
        return EnvironmentProblem(
            f"OpenMM has no {platform} platform here", hint=f"install it with: {_INSTALL}"
        )
    return EnvironmentProblem(
        f"OpenMM's {platform} platform does not start: {first}",
        hint="`gbopt doctor` shows what works here",
    )
