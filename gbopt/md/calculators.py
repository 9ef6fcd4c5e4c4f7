"""Calculators of ASE by name: machine-learned potentials, and any that a user brings.

Weights come with a package or from a file that the user gives; nothing is ever downloaded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module, metadata
from io import StringIO
from pathlib import Path
from typing import Any

from gbopt.config import AsePotential
from gbopt.errors import ConfigError, EnvironmentProblem

DEVICES = ("cpu", "cuda")


def make_calculator(potential: AsePotential, device: str) -> Any:
    """Make the ASE calculator that a potential names.

    Args:
        potential: calculator, file with the weights, further arguments.
        device: cpu or cuda; which of several GPUs is a matter of CUDA_VISIBLE_DEVICES.

    Raises:
        ConfigError: there is no such calculator, or its file or arguments are of no use.
        EnvironmentProblem: a package or the GPU is missing.
    """
    if device not in DEVICES:
        raise ConfigError(
            f"run.accelerator: {device!r} is no device of ASE's calculators",
            hint=f"choose {' or '.join(DEVICES)}",
        )
    # What a package prints when it starts is no output of ours.
    with redirect_stdout(StringIO()):
        if ":" in potential.calculator:
            return _from_function(potential, device)
        return _MAKERS[potential.calculator](potential, device)


def calculator_version(potential: AsePotential) -> str:
    """Name of the calculator, and the version of its package where it is one of ours."""
    package = _PACKAGES.get(potential.calculator)
    version = f" {metadata.version(package)}" if package else ""
    return potential.calculator + version


def _chgnet(potential: AsePotential, device: str) -> Any:
    model, dynamics = _import("chgnet", "chgnet.model.model", "chgnet.model.dynamics")
    _require_torch_device("chgnet", device)
    arguments: dict[str, Any] = {"on_isolated_atoms": "error", **potential.arguments}
    name = arguments.pop("model_name", "0.3.0")
    if potential.model:
        loaded = model.CHGNet.from_file(_file(potential))
    else:
        loaded = model.CHGNet.load(model_name=name, use_device=device, verbose=False)

    class WithoutIdleStress(dynamics.CHGNetCalculator):  # type: ignore[misc, name-defined]
        """Stress costs CHGNet a second pass: it is left out where nobody asks for it."""

        def calculate(
            self, atoms: Any = None, properties: Any = None, system_changes: Any = None
        ) -> None:
            task = "efs" if "stress" in (properties or ()) else "ef"
            super().calculate(atoms, properties, system_changes, task=task)

    return WithoutIdleStress(model=loaded, use_device=device, **arguments)


def _nep(potential: AsePotential, device: str) -> Any:
    file = _file(potential)
    package, adapter = _import("nep", "nep_adapters", "nep_adapters.ase")
    status = package.backend_status(device)
    if not status.available:
        raise EnvironmentProblem(
            f"nep-adapters cannot use the device {device}: {status.detail}", hint=_NO_GPU
        )
    return adapter.NepAseCalculator(file, backend=device, **potential.arguments)


def _mace(potential: AsePotential, device: str) -> Any:
    file = _file(potential)
    (mace,) = _import("mace", "mace.calculators")
    _require_torch_device("mace", device)
    return mace.MACECalculator(model_paths=[file], device=device, **potential.arguments)


def _sevennet(potential: AsePotential, device: str) -> Any:
    file = _file(potential)
    (sevennet,) = _import("sevennet", "sevenn.calculator")
    _require_torch_device("sevennet", device)
    return sevennet.SevenNetCalculator(model=file, device=device, **potential.arguments)


_MAKERS: dict[str, Callable[[AsePotential, str], Any]] = {
    "chgnet": _chgnet,
    "nep": _nep,
    "mace": _mace,
    "sevennet": _sevennet,
}
_PACKAGES = {
    "chgnet": "chgnet",
    "nep": "nep-adapters",
    "mace": "mace-torch",
    "sevennet": "sevenn",
}
_NO_GPU = "leave run.accelerator at cpu, or see that the driver and its libraries work"


def _from_function(potential: AsePotential, device: str) -> Any:
    """Call the user's function with the arguments, and with device and file where given."""
    name, _, function_name = potential.calculator.partition(":")
    try:
        module = import_module(name)
    except ImportError as error:
        raise EnvironmentProblem(
            f"md.potential: the module of {potential.calculator} cannot be imported: {error}",
            hint="install it beside gbopt, or put its folder into PYTHONPATH",
        ) from None
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ConfigError(
            f"md.potential: the module {name} has no function {function_name!r}",
            hint="name a function that returns an ASE calculator, as module:function",
        )
    signature = inspect.signature(function)
    arguments: dict[str, Any] = dict(potential.arguments)
    if "device" in signature.parameters:
        arguments.setdefault("device", device)
    if potential.model:
        arguments["model"] = _file(potential)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"md.potential: {potential.calculator} cannot be called: {error}",
            hint="its arguments stand under arguments in the file of the potential",
        ) from None
    made = function(**arguments)
    if not hasattr(made, "get_potential_energy"):
        raise ConfigError(
            f"md.potential: {potential.calculator} returned a {type(made).__name__}",
            hint="it must return an ASE calculator",
        )
    return made


def _file(potential: AsePotential) -> str:
    """Path of the weights; a name that a package would look up and download is refused."""
    if not potential.model:
        raise ConfigError(
            f"md.potential: {potential.calculator} needs the file of a model",
            hint="give its path as model in the file of the potential; gbopt downloads none",
        )
    if not Path(potential.model).is_file():
        raise ConfigError(
            f"md.potential: there is no model file {potential.model}",
            hint="give the path of a file beside the file of the potential; gbopt downloads none",
        )
    return potential.model


def _import(calculator: str, *modules: str) -> list[Any]:
    try:
        return [import_module(name) for name in modules]
    except ImportError as error:
        raise EnvironmentProblem(
            f"the calculator {calculator} cannot be imported: {error}",
            hint=f"install it with: pip install {_PACKAGES[calculator]}",
        ) from None


def _require_torch_device(calculator: str, device: str) -> None:
    (torch,) = _import(calculator, "torch")
    if device == "cuda" and not torch.cuda.is_available():
        raise EnvironmentProblem(
            f"the calculator {calculator} cannot use the device cuda: PyTorch finds no GPU",
            hint=_NO_GPU,
        )
