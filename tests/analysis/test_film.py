"""The checks of a film, on films that are known to be crystal, glass, or torn."""

import numpy as np
import pytest

from gbopt.analysis.film import FilmGlass, film_flags
from gbopt.geometry.build import build_bicrystal
from gbopt.model.spec import GBSpec
from gbopt.model.trajectory import TrajectoryInfo

STRUCTURE = build_bicrystal(
    GBSpec(plane=(3, 1, 0), film={"thickness_A": 14.0}, crystal_A=14.0, seed=1), 13.1
)


def flags(positions, *, shift=0.0):
    """Flags by name of a run that vibrates about these positions, all moved along by ``shift``."""
    info = TrajectoryInfo(
        species=STRUCTURE.element_numbers,
        cell=STRUCTURE.cell,
        frame_interval_ps=0.1,
        n_frames=20,
        temperature_K=1100.0,
    )
    meter = FilmGlass(
        info,
        start=STRUCTURE.positions,
        sites=STRUCTURE.sites,
        grain=STRUCTURE.grain,
        core=STRUCTURE.core,
        boundaries_A=STRUCTURE.boundaries_A,
        width_A=STRUCTURE.core_width_A,
        lattice_A=STRUCTURE.lattice_A,
        segments=4,
    )
    rng = np.random.default_rng(1)
    for _ in range(20):
        meter.add(positions + rng.normal(scale=0.2, size=positions.shape) + [shift, 0.0, 0.0])
    return {flag.name: flag for flag in film_flags(meter.result())}


def scattered(rms_A):
    """The film's ions displaced at random."""
    kicks = np.random.default_rng(2).normal(scale=rms_A / 3**0.5, size=STRUCTURE.positions.shape)
    return STRUCTURE.positions + kicks * STRUCTURE.core[:, None]


def test_a_film_that_stayed_crystal_is_no_film():
    found = flags(STRUCTURE.sites)
    assert found["film_disordered"].level == "fail"
    assert found["film_disordered"].measured > 0.7  # but for the vectors across the boundary
    assert found["film_melted"].level == "fail"
    assert "raise the temperature or the time of the melt" in found["film_melted"].message
    assert found["film_whole"].level == "ok"


@pytest.mark.parametrize(("rms_A", "level"), [(0.0, "fail"), (2.0, "fail"), (6.0, "ok")])
def test_it_was_molten_where_cations_went_farther_than_to_a_neighbour(rms_A, level):
    found = flags(scattered(rms_A), shift=3.0)  # the film slid as a whole: that melts nothing
    assert found["film_melted"].level == level
    # Images of ions are not told apart: of long displacements a little is lost.
    assert found["film_melted"].measured == pytest.approx(rms_A, rel=0.1, abs=0.2)


def test_glass_has_little_of_the_order_of_its_grains():
    found = flags(scattered(6.0))["film_disordered"]
    assert found.level == "ok"
    assert found.measured < 0.25
    assert found.limit > 0.45


def test_a_gap_in_a_film_is_found():
    z = STRUCTURE.positions[:, 2]
    torn = STRUCTURE.positions.copy()
    near = np.abs(z - STRUCTURE.boundaries_A[1])
    hole = near < 2.5
    torn[hole, 2] += np.where(z[hole] > STRUCTURE.boundaries_A[1], 3.0, -3.0)
    assert flags(torn)["film_whole"].level == "fail"
