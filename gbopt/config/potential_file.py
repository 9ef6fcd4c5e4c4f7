"""The file of a potential: how it is found, read, checked, named in records, and copied."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

from gbopt.config.files import read_toml, toml_data, validated
from gbopt.config.interaction import checked_file_name
from gbopt.config.potential import (
    AsePotential,
    BuckinghamPotential,
    LammpsPotential,
    Potential,
    file_key,
)
from gbopt.errors import ConfigError

_KINDS: dict[str, type[BuckinghamPotential | LammpsPotential | AsePotential]] = {
    "buckingham": BuckinghamPotential,
    "lammps": LammpsPotential,
    "ase": AsePotential,
}
_HINT = "campaigns/potentials/ has an example of each kind, which names every key"


def is_potential_file(potential: str) -> bool:
    """Whether ``md.potential`` is the path of a file rather than a name."""
    return potential.endswith(".toml")


def load_potential(path: Path) -> Potential:
    """Read and check the file of a potential; the files that it names get absolute paths.

    Raises:
        ConfigError: a file is missing, is not TOML, or a key cannot be used.
    """
    text = read_toml(path, "potential", "campaigns/potentials/buckingham.toml")
    potential = _parsed(text, path.absolute())
    for file in potential_files(potential):
        file_key(str(file))  # it may have gone since the text was parsed
    return potential


@lru_cache(maxsize=32)
def _parsed(text: str, path: Path) -> Potential:
    data = toml_data(text, str(path))
    potential: Potential = validated(_model(data, path), data, f"{path}: ", _HINT)
    folder = path.parent
    if isinstance(potential, LammpsPotential):
        files = tuple(_beside(folder, name, f"{path}: 'files'") for name in potential.files)
        return potential.model_copy(update={"files": files})
    if isinstance(potential, AsePotential) and potential.model:
        model = _beside(folder, potential.model, f"{path}: 'model'")
        return potential.model_copy(update={"model": model})
    return potential


def _model(
    data: dict[str, Any], path: Path
) -> type[BuckinghamPotential | LammpsPotential | AsePotential]:
    """The model of the kind that the file says it is."""
    allowed = "'buckingham', 'lammps' or 'ase'"
    if "kind" not in data:
        raise ConfigError(f"{path}: the key 'kind' is missing: {allowed}", hint=_HINT)
    if data["kind"] not in tuple(_KINDS):
        raise ConfigError(f"{path}: 'kind' = {data['kind']!r}: must be {allowed}", hint=_HINT)
    return _KINDS[data["kind"]]


def _beside(folder: Path, name: str, field: str) -> str:
    try:
        return str(folder / checked_file_name(name))
    except ValueError as error:
        raise ConfigError(f"{field}: {error}", hint="put it there: campaigns copy it") from None


def potential_files(potential: Potential) -> tuple[Path, ...]:
    """Files that a loaded potential needs besides its own."""
    if isinstance(potential, LammpsPotential):
        return tuple(Path(name) for name in potential.files)
    if isinstance(potential, AsePotential) and potential.model:
        return (Path(potential.model),)
    return ()


def potential_identity(path: Path) -> str:
    """What a potential is, wherever its file lies: its name and the key of its content.

    The lattice parameter is part of it: structures are built with it.

    Raises:
        ConfigError: the file cannot be used.
    """
    potential = load_potential(path)
    return f"{potential.name} (parameters {potential.key}, lattice_A {potential.lattice_A:g})"


def copy_potential(path: Path, folder: Path) -> Path:
    """Copy the file of a potential, and the files that it names, into a folder; return the copy.

    Raises:
        ConfigError: a file cannot be used.
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    for file in (path, *potential_files(load_potential(path))):
        if (folder / file.name).resolve() != file.resolve():
            shutil.copyfile(file, folder / file.name)
    return copy
