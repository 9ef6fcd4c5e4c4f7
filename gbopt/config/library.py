"""LibraryConfig: the file (TOML) that says what a library of boundaries is drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from gbopt.config.files import parse_toml, read_toml
from gbopt.config.sections import (
    NAME_PATTERN,
    Angstrom,
    Degrees,
    GapRange,
    Section,
    Surplus,
    require_axes,
)
from gbopt.model.given import Sentence
from gbopt.model.orientation import Miller
from gbopt.model.spec import BoundaryKind, Dopant

LIBRARY_VERSION: Literal[1] = 1

Angle = Annotated[Degrees, Field(ge=0, le=180)]
Layers = Annotated[int, Field(ge=0, le=12)]


class SpaceConfig(Section):
    """[space]: the boundaries that the structures are drawn from."""

    crystal: str = "c-LLZO"
    """Name of the crystal of both grains."""
    kinds: tuple[BoundaryKind, ...] = Field(
        ("symmetric tilt", "asymmetric tilt", "twist", "mixed"), min_length=1
    )
    """Characters of boundary; a random library draws each equally often."""
    axes: tuple[Miller, ...] = Field(((0, 0, 1), (1, 1, 0), (1, 1, 1)), min_length=1)
    """Axes of rotation [uvw]."""
    misorientation_deg: tuple[Angle, Angle] = (5.0, 62.8)
    """Range of the misorientation, within 0-180 deg; 62.8 is the largest of cubic crystals that
    no symmetry makes smaller. Boundaries at angles where the lattices coincide are taken."""
    width_layers: tuple[Layers, Layers] = (2, 5)
    """Range of the disordered slab on each boundary, 0-12 atomic layers."""
    crystal_A: Angstrom = Field(24.0, gt=0, le=500)
    """Least thickness of undisturbed crystal between the two disordered slabs, A."""
    gap_A: GapRange = (0.6, 0.6)
    """Room left at each boundary, A: a number, or a range that each structure draws from."""
    max_ions: int = Field(6000, ge=100, le=200_000)
    """Boundaries and widths with more ions are left out."""
    max_index: int = Field(2, ge=1, le=5)
    """Highest Miller index of the planes of asymmetric tilt and mixed boundaries."""
    lattice_A: Angstrom | None = Field(None, ge=2, le=50)
    """Lattice parameter of the grains, A; without it that of the crystal."""
    orderings: int = Field(1, ge=1, le=1000)
    """Lithium orderings of which each structure takes the lowest in energy."""
    sampling: Literal["random", "grid"] = "random"
    """random: each structure draws its boundary, width and gap. grid: every boundary and width
    in turn, the smallest first, and all over again with other seeds."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("misorientation_deg", "width_layers", "gap_A"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the first number must not exceed the second")
        if len(set(self.kinds)) != len(self.kinds):
            raise ValueError("kinds: each kind once")
        require_axes(self.axes)
        return self


class MixtureConfig(Section):
    """[composition]: changes against the composition of the crystal, one of each list drawn."""

    li2o_per_nm2: tuple[Surplus, ...] = Field((0.0,), min_length=1)
    """Li2O units added to each boundary's core, of which a structure has one; negative: removed.
    Where width_layers is 0 there is no core, and only 0.0 can be built."""
    dopants: tuple[tuple[Dopant, ...], ...] = Field(((),), min_length=1)
    """Sets of dopants, of which a structure has one; [] is without."""


class LibraryConfig(Section):
    """A library file."""

    schema_version: Literal[1] = LIBRARY_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    """Name of the library and of its folder."""
    question: Sentence
    """What the library is for, in a sentence."""
    seed: int = Field(ge=0, le=2**31 - 1)
    """Root of every random number of the library."""
    space: SpaceConfig = SpaceConfig()
    composition: MixtureConfig = MixtureConfig()

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting that a structure depends on, such as space.crystal_A."""
        dumped = self.model_dump(mode="json", exclude={"name", "question"})
        flat = {k: v for k, v in dumped.items() if not isinstance(v, dict)}
        for section, values in dumped.items():
            if isinstance(values, dict):
                flat |= {f"{section}.{name}": value for name, value in values.items()}
        return flat


def read_library(path: Path) -> str:
    """Read the text of a library file.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_toml(path, "library file", "campaigns/libraries/llzo.toml")


def parse_library(text: str, source: str) -> LibraryConfig:
    """Check the text of a library file; ``source`` names it in errors.

    Raises:
        ConfigError: the text is not TOML, or a field cannot be used.
    """
    return parse_toml(
        LibraryConfig,
        text,
        source,
        hint="campaigns/libraries/llzo.toml is an example that names every field",
    )
