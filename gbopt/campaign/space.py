"""The search space of a campaign: which boundaries its file allows, and their specifications."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from gbopt.config import CampaignConfig
from gbopt.errors import ConfigError
from gbopt.geometry.lattice import Tilt, ions_of, layer_spacing, tilts
from gbopt.model.spec import GBSpec
from gbopt.potentials.buckingham import get_potential
from gbopt.search.space import Dimension, Params, SearchSpace


@dataclass(frozen=True)
class GBSpace:
    """The boundaries of a campaign file.

    Args:
        config: the campaign.

    Raises:
        ConfigError: no boundary fits the campaign's limits.
    """

    config: CampaignConfig

    @cached_property
    def lattice_A(self) -> float:
        """Lattice parameter that ion counts are estimated with."""
        return get_potential(self.config.md.potential).lattice_A

    @cached_property
    def geometries(self) -> dict[tuple[str, float, int], tuple[Tilt, int]]:
        """Tilt and ion count by (mean plane, misorientation in deg, width in layers)."""
        geometry = self.config.geometry
        found: dict[tuple[str, float, int], tuple[Tilt, int]] = {}
        for tilt in self._tilts():
            for width in range(geometry.width_layers[0], geometry.width_layers[1] + 1):
                ions = ions_of(tilt, width, geometry.crystal_A, self.lattice_A)
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

    def _tilts(self) -> list[Tilt]:
        geometry = self.config.geometry
        thinnest = min(
            geometry.crystal_A + geometry.width_layers[0] * layer_spacing(plane, self.lattice_A)
            for plane in geometry.mean_plane
        )
        # Two grains of 192 ions to a^3 of area times thickness bound the in-plane cell.
        largest = geometry.max_ions * self.lattice_A / (2 * 192 * thinnest)
        low, high = geometry.misorientation_deg
        return [t for t in tilts(low, high, largest) if t.mean_plane in geometry.mean_plane]

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
        return GBSpec(
            plane=(tilt.plane[0], tilt.plane[1], 0),
            width_layers=key[2],
            crystal_A=self.config.geometry.crystal_A,
            seed=seed,
        )


def _params(key: tuple[str, float, int]) -> Params:
    plane, angle, width = key
    return {"misorientation_deg": angle, "width_layers": width, "mean_plane": plane}
