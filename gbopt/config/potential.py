"""A potential as data: what acts between the ions, where that is published, what it is good for.

Three kinds: a Buckingham table with Coulomb charges, commands of LAMMPS, and a calculator of ASE
(machine-learned models among them). gbopt's own are in ``gbopt.potentials``; a user's is a TOML
file of one of these models.
"""

from __future__ import annotations

import hashlib
import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gbopt.config.interaction import checked_command, named_files
from gbopt.config.sections import NAME_PATTERN, Angstrom, Section
from gbopt.errors import ConfigError
from gbopt.model.given import Sentence
from gbopt.provenance import content_key

_SYMBOLS = set(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "  # noqa: SIM905
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu".split()
)
CALCULATORS = ("chgnet", "nep", "mace", "sevennet")
"""Calculators of ASE that go by a name."""
_LLZO = {"Li": 7, "La": 3, "Zr": 2, "O": 12}
_NEUTRAL_E = 1e-6


def _element(symbol: str) -> str:
    if symbol not in _SYMBOLS:
        raise ValueError(f"there is no element {symbol!r}")
    return symbol


def _pair(text: str) -> str:
    first, dash, second = text.partition("-")
    if not dash or {first, second} - _SYMBOLS:
        raise ValueError("a pair is two elements with a dash, such as Li-O")
    return text


def _calculator(name: str) -> str:
    """A function of Python's own library, such as os:system, makes no calculator."""
    module, colon, function = name.partition(":")
    if not colon and name in CALCULATORS:
        return name
    dotted = module.replace(".", "")
    if not (colon and dotted.isidentifier() and function.isidentifier()):
        raise ValueError(f"must be {', '.join(CALCULATORS)}, or module:function")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise ValueError(f"{module} belongs to Python itself and makes no calculator of ASE")
    return name


def _once(elements: tuple[str, ...]) -> tuple[str, ...]:
    for name in elements:
        if elements.count(name) > 1:
            raise ValueError(f"{name} stands there twice")
    return elements


Element = Annotated[str, AfterValidator(_element)]
Elements = Annotated[tuple[Element, ...], Field(min_length=1), AfterValidator(_once)]
Pair = Annotated[str, AfterValidator(_pair)]
Command = Annotated[str, AfterValidator(checked_command)]
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
    citation: Sentence
    """Where it was published."""
    validity: Sentence
    """What it was fitted to and is good for."""
    lattice_A: Angstrom = Field(13.0, ge=2, le=50)
    """Lattice parameter of c-LLZO near the temperature of use at zero pressure: a start for NPT."""

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

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _require_neutral(self.charges_e)
        seen: dict[frozenset[str], str] = {}
        for pair in self.pairs:
            ends = frozenset(pair.split("-"))
            if stranger := sorted(ends - set(self.charges_e)):
                raise ValueError(f"pairs: {pair} names {stranger[0]}, which has no charge")
            if ends in seen:
                raise ValueError(f"pairs: {seen[ends]} and {pair} are one pair, given twice")
            seen[ends] = pair
        for first, charge in self.charges_e.items():
            for second, other in self.charges_e.items():
                if charge > 0 > other and frozenset((first, second)) not in seen:
                    raise ValueError(
                        f"pairs: {first}-{second} has no term, and nothing else keeps "
                        f"{first} and {second} apart"
                    )
        return self

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
    elements: Elements
    """Elements in the order of LAMMPS's atom types."""
    units: Literal["metal", "real"] = "metal"
    """Units of the commands; figures are converted."""
    charges_e: dict[Element, float] = Field(default_factory=dict)
    """Charge of each element, e; none where the style has no fixed charges."""
    commands: tuple[Command, ...] = Field(min_length=1)
    """Commands that define the interaction; {NAME} stands for the path of the file NAME."""
    files: tuple[str, ...] = ()
    """Parameter files, beside the file of the potential."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if stranger := sorted(set(self.charges_e) - set(self.elements)):
            raise ValueError(f"charges_e: {stranger[0]} is not among the elements")
        _require_neutral(self.charges_e)
        if not any(line.split()[0] == "pair_style" for line in self.commands):
            raise ValueError("commands: there is no pair_style")
        # Loaded files have absolute paths; commands go on naming them as the user did.
        given = {Path(name).name if Path(name).is_absolute() else name for name in self.files}
        named = named_files(self.commands)
        if missing := sorted(named - given):
            raise ValueError(f"commands: {{{missing[0]}}} is not among the files")
        if idle := sorted(given - named):
            raise ValueError(f"files: no command names {{{idle[0]}}}")
        return self

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
    elements: Elements
    """Elements that the model was trained on."""
    calculator: Annotated[str, AfterValidator(_calculator)]
    """chgnet, nep, mace, sevennet, or module:function that returns an ASE calculator."""
    model: str = ""
    """File with the weights, beside the file of the potential; nothing is ever downloaded."""
    arguments: dict[str, Scalar] = Field(default_factory=dict)
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


def _require_neutral(charges_e: dict[str, float]) -> None:
    """Refuse charges by which the host is not neutral, where all its elements have one."""
    if not charges_e.keys() >= _LLZO.keys():
        return
    total = sum(count * charges_e[name] for name, count in _LLZO.items())
    if abs(total) > _NEUTRAL_E:
        raise ValueError(f"charges_e: Li7La3Zr2O12 has a charge of {total:+.6g} e, must be 0")


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
