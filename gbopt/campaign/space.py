"""The search space of a campaign: which boundaries its file allows, and their specifications."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gbopt.config import CampaignConfig
from gbopt.crystal.known import get_crystal
from gbopt.errors import ConfigError
from gbopt.geometry.catalog import Entry, catalog, largest_area_a2
from gbopt.model.crystal import Crystal
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential
from gbopt.search.space import Dimension, Params, SearchSpace

# Low-index planes that symmetric tilts about [001] are tilted from.
_MEAN_PLANES = {"100": (1, 0, 0), "110": (1, 1, 0)}


@dataclass(frozen=True)
class GBSpace:
    """The boundaries of a campaign file.

    Args:
        config: the campaign.

    Raises:
        ConfigError: no boundary fits the campaign's limits, or the potential does not describe
            what they are made of.
    """

    config: CampaignConfig

    @cached_property
    def lattice_A(self) -> float:
        """Lattice parameter that ion counts are estimated with."""
        potential = get_potential(self.config.md.potential)
        potential.require(self.crystal.elements)
        return potential.lattice_A

    @cached_property
    def crystal(self) -> Crystal:
        """What the grains are made of."""
        return get_crystal("c-LLZO")

    @cached_property
    def geometries(self) -> dict[tuple[str, float, int], tuple[Entry, int]]:
        """Tilt and ion count by (mean plane, misorientation in deg, width in layers)."""
        geometry = self.config.geometry
        found: dict[tuple[str, float, int], tuple[Entry, int]] = {}
        for tilt in self._tilts():
            for width in range(geometry.width_layers[0], geometry.width_layers[1] + 1):
                ions = tilt.ions(self.crystal, width, geometry.crystal_A, self.lattice_A)
                key = (tilt.mean_plane, round(tilt.misorientation_deg, 4), width)
                # Two planes of one angle and mean plane do not occur; the smaller would win.
                if ions <= geometry.max_ions and ions < found.get(key, (tilt, ions + 1))[1]:
                    found[key] = (tilt, ions)
        if not found:
            raise ConfigError(
                f"no boundary between {geometry.misorientation_deg[0]:g} and "
                f"{geometry.misorientation_deg[1]:g} deg fits geometry.max_ions = "
                f"{geometry.max_ions}",
                hint="raise geometry.max_ions, lower geometry.crystal_A or widen the range",
            )
        return found

    def _tilts(self) -> list[Entry]:
        geometry = self.config.geometry
        thinnest_A = geometry.crystal_A + geometry.width_layers[0] * self.lattice_A * min(
            self.crystal.layer_spacing_a(plane) for plane in _MEAN_PLANES.values()
        )
        # Two grains of at least this thickness bound the in-plane cell.
        largest_a2 = largest_area_a2(self.crystal, geometry.max_ions, thinnest_A, self.lattice_A)
        found = catalog(
            self.crystal,
            kinds=("symmetric tilt",),
            axes=((0, 0, 1),),
            range_deg=geometry.misorientation_deg,
            max_area_a2=largest_a2,
        )
        return [tilt for tilt in found if tilt.mean_plane in geometry.mean_plane]

    @property
    def longest_cell_A(self) -> float:
        """Length of the thickest cells along the normal, about."""
        geometry = self.config.geometry
        layer_a = max(self.crystal.layer_spacing_a(_MEAN_PLANES[p]) for p in geometry.mean_plane)
        core_A = geometry.width_layers[1] * layer_a * self.lattice_A
        return 2 * (geometry.crystal_A + core_A)

    @cached_property
    def search_space(self) -> SearchSpace:
        """The same as a search space: proposals snap to the nearest realisable angle."""
        geometry = self.config.geometry
        low, high = geometry.misorientation_deg
        return SearchSpace(
            dimensions=(
                Dimension("misorientation_deg", "real", low=low, high=high),
                Dimension("width_layers", "integer", *geometry.width_layers),
                Dimension("mean_plane", "categorical", choices=geometry.mean_plane),
            ),
            snap=self.snap,
            candidates=tuple(_params(key) for key in sorted(self.geometries)),
        )

    def snap(self, params: Params) -> Params:
        """Move a proposal to the nearest geometry that can be built.

        The mean plane is kept where it can be; then the width; the angle gives way.
        """

        def strangeness(key: tuple[str, float, int]) -> tuple[bool, int, float]:
            plane, angle, width = key
            return (
                plane != params["mean_plane"],
                abs(width - int(params["width_layers"])),
                abs(angle - float(params["misorientation_deg"])),
            )

        return _params(min(sorted(self.geometries), key=strangeness))

    def spec(self, params: Params, seed: int) -> GBSpec:
        """Return the specification of a realisable point."""
        key = (
            str(params["mean_plane"]),
            round(float(params["misorientation_deg"]), 4),
            int(params["width_layers"]),
        )
        tilt, _ = self.geometries[key]
        return tilt.spec(self.crystal, key[2], self.config.geometry.crystal_A, seed)


def _params(key: tuple[str, float, int]) -> Params:
    plane, angle, width = key
    return {"misorientation_deg": angle, "width_layers": width, "mean_plane": plane}
