"""What the best boundary is held against: a conventional boundary, or a film of glass.

The film lies between the grains of the conventional boundary, not of the best one: so the two
references differ by the film alone, the figure of a film does not depend on which boundary won,
and all films of one mean plane are runs of one cell, the smallest. What the best and the film
have in common is the mean plane, the gap and the crystal between the boundaries.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

from gbopt.config import CampaignConfig
from gbopt.config.files import validated
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.geometry.catalog import Entry, catalog
from gbopt.geometry.plan import plan
from gbopt.model.orientation import Miller, dot, norm2
from gbopt.model.spec import LEAST_CRYSTAL_A, BoundaryKind, Film, GBSpec
from gbopt.provenance import content_key

Role = Literal["best", "reference"]
ROLES: tuple[Role, Role] = ("best", "reference")

# High angles of cubic boundaries begin here, and cells of conventional boundaries end there.
_HIGH_DEG, _LARGEST_A2 = 15.0, 13.0
# Boundaries of Sigma3 are twins: coherent ones are like no other boundary.
_LEAST_SIGMA = 5


class Melt(NamedTuple):
    """How a film is made glass, the grains being held."""

    temperature_K: float
    time_ps: float
    quench_K_per_ps: float

    @property
    def key(self) -> str:
        """Content key: films made in different ways are not one figure."""
        return content_key(list(self), length=6)

    @property
    def label(self) -> str:
        """In words."""
        return (
            f"molten for {self.time_ps:g} ps at {self.temperature_K:g} K and quenched at "
            f"{self.quench_K_per_ps:g} K/ps"
        )

    def of(self, config: CampaignConfig) -> CampaignConfig:
        """The campaign with this melt and quench in the place of its anneal."""
        cooled_K = self.temperature_K - config.md.temperature_K
        protocol = {
            "anneal_temperature_K": self.temperature_K,
            "anneal_ps": self.time_ps,
            "quench_ps": cooled_K / self.quench_K_per_ps,
        }
        return config.model_copy(update={"md": config.md.model_copy(update=protocol)})


def film_of(config: CampaignConfig) -> Film | None:
    """The film that the best is held against; None where that is the conventional boundary."""
    confirm = config.confirm
    if confirm.reference != "glass film":
        return None
    return Film(thickness_A=confirm.film_A, li_per_formula_unit=confirm.film_li)


def melt_of(config: CampaignConfig) -> Melt | None:
    """How its film is made; None where it has none."""
    confirm = config.confirm
    if confirm.reference != "glass film":
        return None
    return Melt(confirm.melt_temperature_K, confirm.melt_ps, confirm.quench_K_per_ps)


def specifications(best: GBSpec, film: Film | None = None) -> dict[Role, GBSpec]:
    """The best boundary, and the conventional one: undoped and of stoichiometric LLZO.

    Width, crystal, gap and the choices among orderings and translations are those of the best;
    what belongs to its own lattices, such as a translation and a strain, is not taken over.

    Args:
        best: the best boundary.
        film: the film of glass that takes the place of the conventional boundary's core. The
            crystal beside it is at least as thick as that beside a film must be.

    Raises:
        ConfigError: the film cannot lie there.
    """
    own = {"axis", "plane", "misorientation_deg", "max_strain"}
    own |= {"translation", "termination", "composition"}
    fields: dict[str, Any] = best.model_dump(exclude=own)
    if film is not None:
        thick_A = max(best.crystal_A, LEAST_CRYSTAL_A)
        fields |= {"film": film.model_dump(), "width_layers": 0, "crystal_A": thick_A}
    entry = conventional(best)
    which = {"axis": entry.axis, "plane": entry.plane, "misorientation_deg": entry.rotation_deg}
    hint = "change film_A and film_li in [confirm]"
    return {"best": best, "reference": validated(GBSpec, which | fields, "the reference: ", hint)}


def require_fit(reference: GBSpec, max_ions: int, lattice_A: float) -> None:
    """Refuse a film whose cell is larger than those of the campaign may be.

    Args:
        reference: the boundary with the film.
        max_ions: most ions of a cell.
        lattice_A: lattice parameter that ions are counted with, A.

    Raises:
        ConfigError: it has more ions.
    """
    ions = plan(reference, get_crystal(reference.crystal), lattice_A).ions
    if reference.film is not None and ions > max_ions:
        raise ConfigError(
            f"a film of {reference.film.thickness_A:g} A makes a cell of {ions} ions, "
            f"geometry.max_ions allows {max_ions}",
            hint="lower confirm.film_A",
        )


def conventional(best: GBSpec) -> Entry:
    """Return the conventional boundary that a boundary is held against.

    It is what a study of single boundaries would take: of the high-angle boundaries about the
    same axis the one of the lowest coincidence index, Sigma3 excepted; of equal ones that with
    the smallest cell. Twists are held against twists, all others against the symmetric tilt whose
    mean plane is nearest to their own plane. About [001] these are Sigma5(310) for mean planes
    near {100}, Sigma5(210) near {110}, and the Sigma5 twist; about [110] Sigma9(114), Sigma9(221)
    and the Sigma9 twist; about [111] those of Sigma7. Where an axis has none with a small cell,
    those about [001] stand in.
    """
    crystal = get_crystal(best.crystal)
    kind: BoundaryKind = "twist" if best.kind == "twist" else "symmetric tilt"
    for axis in (best.axis, (0, 0, 1)):
        found = catalog(
            crystal,
            kinds=(kind,),
            axes=(axis,),
            range_deg=(_HIGH_DEG, 180.0),
            max_area_a2=_LARGEST_A2,
        )
        if usual := [entry for entry in found if entry.sigma >= _LEAST_SIGMA]:
            break
    return min(usual, key=lambda e: (_away(e, best), e.sigma, e.area_a2, e.misorientation_deg))


def _away(entry: Entry, best: GBSpec) -> float:
    """One less the cosine of the least angle between the mean planes, or equivalents of them."""
    one, other = (_indices(text) for text in (entry.mean_plane, best.mean_plane))
    return round(1 - dot(one, other) / math.sqrt(norm2(one) * norm2(other)), 9)


def _indices(mean_plane: str) -> Miller:
    """Indices of a family, the largest first, as text says them."""
    h, k, i = (int(x) for x in (mean_plane.split() if " " in mean_plane else mean_plane))
    return h, k, i
