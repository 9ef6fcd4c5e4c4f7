"""From an angle that is asked for to a boundary that can be built, in one of three modes."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from gbopt.errors import GeometryError
from gbopt.geometry.catalog import LOW_INDEX, Entry, catalog, largest_area_a2
from gbopt.geometry.plan import plan
from gbopt.model.crystal import Crystal
from gbopt.model.orientation import Miller, digits, least_angle
from gbopt.model.spec import BoundaryKind, GBSpec

AngleMode = Literal["exact", "nearest", "strained"]

# Commensurate angles this far from the target are looked at, the wider range where there is none.
_WINDOWS_DEG = (2.0, 10.0)
_EXACT_DEG = 0.005


class Wish(NamedTuple):
    """A boundary as a researcher asks for it."""

    kind: BoundaryKind
    axis: Miller
    angle_deg: float
    """Misorientation, without sign."""
    width_layers: int
    crystal_A: float
    mean_plane: str | None = None
    """Of symmetric tilts: "100" or "110"; None: either."""
    plane: Miller | None = None
    """Of asymmetric tilts and mixed boundaries: the plane of the first grain."""
    seed: int = 0


class Choice(NamedTuple):
    """The boundary that is built for a wish, and what else could be had."""

    spec: GBSpec
    ions: int
    realised_deg: float
    strain: float
    cheaper: tuple[Entry, int] | None
    """Of the boundaries with fewer ions, the one nearest in angle; and its ions."""
    closer: tuple[Entry, int] | None
    """Of the boundaries nearer in angle, the one with the fewest ions; and its ions."""

    def record(self, target_deg: float) -> dict[str, Any]:
        """Return what goes into the provenance of the structure."""
        return {
            "target_deg": target_deg,
            "realised_deg": self.realised_deg,
            "strain_per_grain": self.strain,
            "ions": self.ions,
            "next_cheaper": _described(self.cheaper),
            "next_closer": _described(self.closer),
        }


def choose(
    wish: Wish,
    crystal: Crystal,
    lattice_A: float,
    *,
    mode: AngleMode,
    max_ions: int,
    max_strain: float = 0.005,
) -> Choice:
    """Choose the boundary that realises an angle.

    Args:
        wish: what is asked for.
        crystal: what the grains are made of.
        lattice_A: lattice parameter.
        mode: ``exact`` refuses an angle that is not commensurate; ``nearest`` takes the
            commensurate boundary nearest in angle; ``strained`` takes the smallest cell that
            reaches the angle with at most ``max_strain`` in either grain.
        max_ions: larger cells are not considered.
        max_strain: used by ``strained`` only.

    Raises:
        GeometryError: there is none; the nearest that could be had are named.
    """
    wish = wish._replace(angle_deg=abs(least_angle(wish.axis, wish.angle_deg)))
    pool = _pool(wish, crystal, lattice_A, max_ions)
    by_angle = sorted(pool, key=lambda item: (_away(item[0], wish), item[1]))
    if mode == "strained":
        return _strained(wish, crystal, lattice_A, by_angle, max_ions, max_strain)
    if not by_angle:
        raise GeometryError(
            f"no {wish.kind} about [{digits(wish.axis)}] near {wish.angle_deg:g} deg fits "
            f"{max_ions} ions",
            hint="raise max_ions, lower crystal_A or width_layers, or allow strain",
        )
    entry, ions = by_angle[0]
    if mode == "exact" and _away(entry, wish) > _EXACT_DEG:
        near = ", ".join(f"{e.misorientation_deg:.2f} deg ({n} ions)" for e, n in by_angle[:3])
        raise GeometryError(
            f"{wish.angle_deg:g} deg about [{digits(wish.axis)}] is not commensurate within "
            f"{max_ions} ions",
            hint=f"nearest: {near}; or use the mode nearest or strained",
        )
    spec = entry.spec(crystal, wish.width_layers, wish.crystal_A, wish.seed)
    return _choice(spec, (ions, entry.misorientation_deg, 0.0), wish, by_angle)


def _pool(wish: Wish, crystal: Crystal, lattice_A: float, max_ions: int) -> list[tuple[Entry, int]]:
    """Commensurate boundaries near the angle with their ions."""
    largest_a2 = largest_area_a2(crystal, max_ions, wish.crystal_A, lattice_A)
    for window in _WINDOWS_DEG:
        found = catalog(
            crystal,
            kinds=(wish.kind,),
            axes=(wish.axis,),
            range_deg=(max(0.0, wish.angle_deg - window), wish.angle_deg + window),
            max_area_a2=largest_a2,
            planes=LOW_INDEX if wish.plane is None else (wish.plane,),
        )
        sized = [
            (entry, entry.ions(crystal, wish.width_layers, wish.crystal_A, lattice_A))
            for entry in found
            if wish.mean_plane is None or entry.mean_plane == wish.mean_plane
        ]
        if pool := [(entry, ions) for entry, ions in sized if ions <= max_ions]:
            return pool
    return []


def _away(entry: Entry, wish: Wish) -> float:
    return round(abs(entry.misorientation_deg - wish.angle_deg), 6)


def _strained(
    wish: Wish,
    crystal: Crystal,
    lattice_A: float,
    by_angle: list[tuple[Entry, int]],
    max_ions: int,
    max_strain: float,
) -> Choice:
    for plane, angle_deg in _strainable(wish, by_angle, max_strain):
        spec = GBSpec(
            crystal=crystal.name,
            axis=wish.axis,
            plane=plane,
            misorientation_deg=angle_deg,
            max_strain=max_strain,
            width_layers=wish.width_layers,
            crystal_A=wish.crystal_A,
            seed=wish.seed,
        )
        sizes = plan(spec, crystal, lattice_A)
        if sizes.ions <= max_ions:
            found = (sizes.ions, abs(sizes.interface.realised_deg), sizes.interface.strain)
            return _choice(spec, found, wish, by_angle)
    raise GeometryError(
        f"no {wish.kind} about [{digits(wish.axis)}] reaches {wish.angle_deg:g} deg within "
        f"{max_ions} ions and {max_strain:.2%} of strain",
        hint="raise max_ions or max_strain, or use the mode nearest",
    )


def _strainable(
    wish: Wish, by_angle: list[tuple[Entry, int]], max_strain: float
) -> list[tuple[Miller, float]]:
    """Planes and signed angles that strain can reach, the smallest cell first."""
    if wish.kind == "twist":
        return [(wish.axis, wish.angle_deg)]
    if wish.kind != "symmetric tilt":
        raise GeometryError(
            f"the mode strained knows symmetric tilts and twists, not {wish.kind} boundaries",
            hint="use the mode nearest",
        )
    # Each grain is turned by half of what is missing.
    within = [
        (ions, entry.plane, math.copysign(wish.angle_deg, entry.rotation_deg))
        for entry, ions in by_angle
        if math.tan(math.radians(_away(entry, wish)) / 2) <= max_strain
    ]
    return [(plane, angle_deg) for _, plane, angle_deg in sorted(within)]


def _choice(
    spec: GBSpec,
    found: tuple[int, float, float],
    wish: Wish,
    by_angle: list[tuple[Entry, int]],
) -> Choice:
    ions, realised_deg, strain = found
    away = round(abs(realised_deg - wish.angle_deg), 6)
    others = [item for item in by_angle if item[0].plane != spec.plane or strain > 0]
    cheaper = [item for item in others if item[1] < ions]
    closer = [item for item in others if _away(item[0], wish) < away]
    return Choice(
        spec,
        ions,
        realised_deg,
        strain,
        cheaper[0] if cheaper else None,
        min(closer, key=lambda item: item[1]) if closer else None,
    )


def _described(item: tuple[Entry, int] | None) -> dict[str, Any] | None:
    if item is None:
        return None
    entry, ions = item
    return {
        "plane": list(entry.plane),
        "misorientation_deg": entry.misorientation_deg,
        "sigma": entry.sigma,
        "ions": ions,
    }
