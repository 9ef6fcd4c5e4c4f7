"""GBSpec: everything needed to build one grain boundary again, bit for bit."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from gbopt.model.given import Given
from gbopt.model.orientation import (
    INDEX_MAX,
    Miller,
    Rotation,
    coprime,
    cross,
    cubic_family,
    digits,
    dot,
    least_angle,
    parse_name,
    rotation_about,
    symmetric_tilt,
)
from gbopt.provenance import content_key

BoundaryKind = Literal["symmetric tilt", "asymmetric tilt", "twist", "mixed"]
DopantElement = Literal["Al", "Ga", "Ta", "Nb"]
LEAST_CRYSTAL_A = 10.0
"""Thinner crystal between two films that are molten would not stay crystal, A."""
# Two decimals of an angle are enough to mean the symmetric tilt of a plane.
_SAME_DEG = 0.005

# A whole cell of displacement is none: 1.25 is 0.25.
CellFraction = Annotated[float, Field(allow_inf_nan=False), AfterValidator(lambda x: x % 1.0)]

_FROZEN = ConfigDict(
    frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
)


class Dopant(Given):
    """An aliovalent cation on its own site; lithium compensates its charge."""

    model_config = _FROZEN

    element: DopantElement
    """Al and Ga sit on 24d (8a in t-LLZO) and replace three Li, Ta and Nb replace Zr and one Li."""
    per_formula_unit: float = Field(gt=0, le=2)
    """Dopant ions per Li7La3Zr2O12 of each region named by ``where``, rounded to whole ions."""
    where: Literal["everywhere", "grains", "core"] = "everywhere"
    """Region that takes them; ``core`` is the disordered slab of each boundary."""


class Composition(Given):
    """What is changed against stoichiometric LLZO; every choice is neutral."""

    model_config = _FROZEN

    li2o_per_nm2: float = Field(0.0, ge=-20, le=20)
    """Li2O units added to each boundary's core, negative: removed; rounded to whole units."""
    li_shift_per_nm2: float = Field(0.0, ge=-20, le=20)
    """Lithium moved from the grains into each core: interstitials there, vacancies here."""
    dopants: tuple[Dopant, ...] = ()
    """Aliovalent cations, each element once for each region, kept in alphabetical order."""

    @field_validator("dopants")
    @classmethod
    def _in_order(cls, dopants: tuple[Dopant, ...]) -> tuple[Dopant, ...]:
        # Two spellings of one composition are one specification.
        names = [(dopant.element, dopant.where) for dopant in dopants]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name[0]} is given more than once with where = {name[1]!r}")
        return tuple(sorted(dopants, key=lambda dopant: (dopant.element, dopant.where)))


class Film(Given):
    """An intergranular film: glass between two grains, in the place of a disordered core.

    It is built as a core of this thickness; what makes it a glass is the melt and quench of its
    evaluation (md.anneal_temperature_K, anneal_ps, quench_ps), the grains being held.
    """

    model_config = _FROZEN

    thickness_A: float = Field(ge=5, le=100, allow_inf_nan=False)
    """Thickness of the film on each boundary, A."""
    li_per_formula_unit: float = Field(7.0, ge=4, le=9, allow_inf_nan=False)
    """Li per formula unit of the film, set by neutral Li2O: Li(7-2x)La3Zr2O(12-x)."""

    @property
    def label(self) -> str:
        """Short name, such as ``glass film 20 A, Li6.5``."""
        lithium = self.li_per_formula_unit
        return f"glass film {self.thickness_A:g} A" + (f", Li{lithium:g}" if lithium != 7 else "")


def dopants_label(dopants: tuple[Dopant, ...]) -> str:
    """Short name of a set of dopants, such as ``Al 0.2 core, Ta 0.5``; ``none`` without any."""
    names = [
        f"{d.element} {d.per_formula_unit:g}" + ("" if d.where == "everywhere" else f" {d.where}")
        for d in sorted(dopants, key=lambda d: (d.element, d.where))
    ]
    return ", ".join(names) or "none"


def _three_integers(value: object) -> bool:
    listed = isinstance(value, list | tuple) and len(value) == 3
    return listed and all(type(x) is int for x in value)  # type: ignore[attr-defined]


class GBSpec(Given):
    """A flat grain boundary, as a point of the search space.

    The second grain is the first turned by ``misorientation_deg`` about ``axis``; both are cut
    along ``plane``. The sense matters: (210)[001] is a symmetric tilt at -36.87 deg, at +36.87 deg
    it is asymmetric. Without an angle the boundary is the symmetric tilt on that plane.
    """

    model_config = _FROZEN

    crystal: str = "c-LLZO"
    """Name of the crystal of both grains."""
    axis: Miller = (0, 0, 1)
    """Axis of rotation [uvw], coprime."""
    misorientation_deg: float = Field(ge=-180, le=180, allow_inf_nan=False)
    """Right-handed rotation about the axis that brings the first lattice onto the second's, deg."""
    plane: Miller
    """Boundary plane (h k l) in the lattice of the first grain, coprime."""
    max_strain: float = Field(0.0, ge=0, le=0.05)
    """Largest strain of either grain that may be spent on reaching the angle; 0: none."""
    width_layers: int = Field(ge=0, le=12)
    """Atomic layers on each boundary whose structure is disordered (Crystal.layer_spacing_a)."""
    film: Film | None = None
    """A film of glass on each boundary, in the place of those layers, which are then 0."""
    crystal_A: float = Field(gt=0, le=500)
    """Least thickness of undisturbed crystal between the two disordered slabs, in A."""
    translation: tuple[CellFraction, CellFraction] | None = None
    """Rigid shift of the second grain in the plane, in fractions of the cell of non-identical
    displacement; None: drawn by the seed."""
    termination: tuple[int, int] | None = None
    """Which of the least polar cuts bounds either grain (see terminations); None: drawn."""
    gap_A: float = Field(0.6, ge=0, le=5)
    """Room left at each boundary before relaxation, A."""
    relax_translations: int = Field(0, ge=0, le=1000)
    """Translations and terminations of which the lowest in energy is taken; 0: the first."""
    orderings: int = Field(1, ge=1, le=1000)
    """Lithium orderings of which the lowest in energy is taken."""
    composition: Composition = Composition()
    """Changes against the composition of the crystal."""
    seed: int = Field(ge=0)
    """Seed of all that is drawn: cuts, translation, disorder and lithium ordering."""

    @model_validator(mode="before")
    @classmethod
    def _symmetric_without_angle(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("misorientation_deg") is None and "plane" in data:
            axis, plane = data.get("axis", (0, 0, 1)), data["plane"]
            if _three_integers(axis) and _three_integers(plane):
                axis, plane = tuple(axis), tuple(plane)
                tilt = symmetric_tilt(axis, plane) if any(axis) and any(plane) else None
                if tilt is None:
                    raise ValueError(
                        f"({digits(plane)}) is no symmetric tilt plane about [{digits(axis)}]: "
                        "give misorientation_deg"
                    )
                return {**data, "misorientation_deg": round(tilt[0].degrees, 6)}
        return data

    @model_validator(mode="before")
    @classmethod
    def _no_layers_with_film(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("film") is not None:
            return {"width_layers": 0, **data}
        return data

    @model_serializer(mode="wrap")
    def _without_absent_film(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Keys and records of boundaries without a film are as they were before there were films.
        dumped: dict[str, Any] = handler(self)
        if dumped.get("film", ...) is None:
            del dumped["film"]
        return dumped

    @model_validator(mode="after")
    def _film_alone(self) -> Self:
        if self.film is None:
            return self
        if self.width_layers != 0:
            raise ValueError(
                f"width_layers = {self.width_layers} and a film exclude each other: leave "
                "width_layers out, the film has its own thickness"
            )
        if self.crystal_A < LEAST_CRYSTAL_A:
            raise ValueError(
                f"crystal_A = {self.crystal_A:g} is too thin to stay crystal between two films: "
                f"make it {LEAST_CRYSTAL_A:g} or more"
            )
        if self.film.li_per_formula_unit != 7 and self.composition.li2o_per_nm2 != 0:
            raise ValueError(
                "film.li_per_formula_unit and composition.li2o_per_nm2 both set the Li2O of the "
                "film: give one of them"
            )
        return self

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        for name in ("axis", "plane"):
            vector = getattr(self, name)
            if not any(vector) or coprime(vector) != vector or max(map(abs, vector)) > INDEX_MAX:
                raise ValueError(
                    f"{name} must be three integers without a common factor, none above 999 and "
                    f"not all zero, got {vector}"
                )
        if self.orderings > 1 and self.composition.li_shift_per_nm2 != 0:
            raise ValueError(
                "orderings and composition.li_shift_per_nm2 exclude each other: ranking orderings "
                "moves lithium between core and grains"
            )
        exact = self.rotation
        if exact is not None:
            # Two spellings of one angle are one specification.
            object.__setattr__(self, "misorientation_deg", round(exact.degrees, 6) + 0.0)
        return self

    @classmethod
    def named(cls, name: str, **others: Any) -> Self:
        """Make the specification of a named boundary, such as ``Sigma5(210)[001]``.

        Args:
            name: see ``gbopt.model.orientation.parse_name``.
            others: the remaining fields.

        Raises:
            ConfigError: no boundary is called that.
        """
        axis, rotation, plane = parse_name(name)
        return cls(axis=axis, plane=plane, misorientation_deg=round(rotation.degrees, 6), **others)

    @property
    def rotation(self) -> Rotation | None:
        """The coincidence rotation that the angle means; None where strain makes the angle."""
        tilt = symmetric_tilt(self.axis, self.plane)
        if tilt and abs(tilt[0].degrees - self.misorientation_deg) <= _SAME_DEG:
            return tilt[0]
        if self.max_strain > 0 and (self.kind in {"symmetric tilt", "twist"}):
            return None
        return rotation_about(self.axis, self.misorientation_deg)

    @property
    def kind(self) -> BoundaryKind:
        """Character of the boundary, by its axis and plane."""
        if cross(self.axis, self.plane) == (0, 0, 0):
            return "twist"
        if dot(self.axis, self.plane) != 0:
            return "mixed"
        tilt = symmetric_tilt(self.axis, self.plane)
        if tilt is None:
            return "asymmetric tilt"
        away = abs(tilt[0].degrees - least_angle(self.axis, self.misorientation_deg))
        # Each grain is turned by half of what is missing, at a strain of tan(half of that).
        reached = math.tan(math.radians(min(away, 90.0)) / 2) <= self.max_strain
        return "symmetric tilt" if away <= _SAME_DEG or reached else "asymmetric tilt"

    @property
    def mean_plane(self) -> str:
        """The low-index plane that a symmetric tilt is tilted from, else the plane itself."""
        tilt = symmetric_tilt(self.axis, self.plane) if self.kind == "symmetric tilt" else None
        return digits(cubic_family(tilt[1] if tilt else self.plane))

    @property
    def sigma(self) -> int | None:
        """Coincidence index of the misorientation; None where it is only nearly coincident."""
        return self.rotation.sigma if self.rotation else None

    @property
    def label(self) -> str:
        """Short name, such as ``Sigma17 (410)[001] 28.07 deg w3, -1 Li2O/nm2, Al 0.25``."""
        index = f"Sigma{self.sigma} " if self.sigma else ""
        # The sense of a symmetric tilt says nothing; that of the others does.
        symmetric = self.kind == "symmetric tilt"
        angle_deg = abs(self.misorientation_deg) if symmetric else self.misorientation_deg
        kind = "" if symmetric else f" {self.kind}"
        changed = self.composition
        surplus = f", {changed.li2o_per_nm2:+g} Li2O/nm2" if changed.li2o_per_nm2 else ""
        dopants = f", {dopants_label(changed.dopants)}" if changed.dopants else ""
        width = f", {self.film.label}" if self.film else f" w{self.width_layers}"
        return (
            f"{index}({digits(self.plane)})[{digits(self.axis)}] "
            f"{angle_deg:.2f} deg{kind}{width}{surplus}{dopants}"
        )

    @property
    def geometry_key(self) -> str:
        """Content key without the seed: equal for replicates of one geometry."""
        return content_key(self.model_dump(mode="json", exclude={"seed"}))

    @property
    def key(self) -> str:
        """Content key of the whole specification."""
        return content_key(self.model_dump(mode="json"))
