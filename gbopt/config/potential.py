"""A potential as data: what acts between the ions, where that is published, what it is good for.

Three kinds: a Buckingham table with Coulomb charges, commands of LAMMPS, and a calculator of ASE
(machine-learned models among them). gbopt's own are in ``gbopt.potentials``; a user's is a TOML
file of one of these models.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gbopt.config.sections import NAME_PATTERN, Angstrom, Section
from gbopt.errors import ConfigError
from gbopt.provenance import content_key

Element = Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
Pair = Annotated[str, Field(pattern=r"^[A-Z][a-z]?-[A-Z][a-z]?$")]
Scalar = bool | int | float | str


class BuckinghamTerm(Section):
    """E(r) = A exp(-r/rho) - C/r^6 of one pair."""

    A_eV: float = Field(ge=0)
    rho_A: float = Field(gt=0, le=2)
    C_eV_A6: float = Field(0.0, ge=0)


class _Described(Section):
    """What every potential states."""

    name: str = Field(pattern=NAME_PATTERN)
    """Name that results are filed under."""
    citation: str = Field(min_length=10)
    """Where it was published."""
    validity: str = Field(min_length=10)
    """What it was fitted to and is good for."""
    lattice_A: Angstrom = Field(13.0, ge=2, le=50)
    """Lattice parameter of c-LLZO near the temperature of use and zero pressure: a start for NPT."""

    def require(self, elements: tuple[str, ...]) -> None:
        """Refuse elements that the potential does not describe.

        Raises:
            ConfigError: it has no parameters for one of them.
        """
        known: tuple[str, ...] = self.elements  # type: ignore[attr-defined]
        if unknown := [name for name in elements if name not in known]:
            raise ConfigError(
                f"md.potential: {self.name} has no parameters for {', '.join(unknown)}",
                hint=f"it describes {', '.join(known)}: leave the other elements out, or give a "
                "potential that has them",
            )


class BuckinghamPotential(_Described):
    """Point charges and Buckingham terms; pairs without a term are pure Coulomb."""

    kind: Literal["buckingham"] = "buckingham"
    charges_e: dict[Element, float] = Field(min_length=1)
    """Charge of each element, e."""
    pairs: dict[Pair, BuckinghamTerm] = Field(min_length=1)
    """Terms by pair, such as Li-O, in either order."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements that it describes."""
        return tuple(self.charges_e)

    @property
    def engines(self) -> tuple[str, ...]:
        """Engines that can run it."""
        return ("lammps", "openmm")

    @property
    def key(self) -> str:
        """Content key of the parameters."""
        return content_key(self.model_dump(include={"kind", "charges_e", "pairs"}))


class LammpsPotential(_Described):
    """Any pair style that LAMMPS has, as its own commands."""

    kind: Literal["lammps"] = "lammps"
    elements: tuple[Element, ...] = Field(min_length=1)
    """Elements in the order of LAMMPS's atom types."""
    units: Literal["metal", "real"] = "metal"
    """Units of the commands; figures are converted."""
    charges_e: dict[Element, float] = {}
    """Charge of each element, e; none where the style has no fixed charges."""
    commands: tuple[str, ...] = Field(min_length=1)
    """Commands that define the interaction; {NAME} stands for the path of the file NAME."""
    files: tuple[str, ...] = ()
    """Parameter files, beside the file of the potential."""

    @property
    def engines(self) -> tuple[str, ...]:
        """Engines that can run it."""
        return ("lammps",)

    @property
    def key(self) -> str:
        """Content key of commands and files."""
        data = self.model_dump(include={"kind", "elements", "units", "charges_e", "commands"})
        return content_key({**data, "files": [file_key(name) for name in self.files]})


class AsePotential(_Described):
    """A calculator of ASE: machine-learned models take this road."""

    kind: Literal["ase"] = "ase"
    elements: tuple[Element, ...] = Field(min_length=1)
    """Elements that the model was trained on."""
    calculator: str = Field(min_length=1)
    """chgnet, nep, mace, sevennet, or module:function that returns an ASE calculator."""
    model: str = ""
    """File with the weights, beside the file of the potential; nothing is ever downloaded."""
    arguments: dict[str, Scalar] = {}
    """Further keyword arguments of the calculator."""

    @property
    def charges_e(self) -> dict[str, float]:
        """None: such a model has no charges of ions."""
        return {}

    @property
    def engines(self) -> tuple[str, ...]:
        """Engines that can run it."""
        return ("ase",)

    @property
    def key(self) -> str:
        """Content key of calculator, arguments and weights."""
        data: dict[str, Any] = self.model_dump(
            include={"kind", "elements", "calculator", "arguments"}
        )
        return content_key({**data, "model": file_key(self.model) if self.model else ""})


Potential = BuckinghamPotential | LammpsPotential | AsePotential


def file_key(name: str) -> str:
    """Content key of a file.

    Raises:
        ConfigError: it cannot be read.
    """
    path = Path(name)
    try:
        stat = path.stat()
        return _hashed(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise ConfigError(
            f"md.potential: cannot read the file {path}: {error.strerror}",
            hint="files are looked for beside the file of the potential",
        ) from None


@lru_cache(maxsize=64)
def _hashed(path: Path, _mtime_ns: int, _size: int) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:12]
