import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbopt.geometry.lattice import ions_of, plane_basis, tilt_of, tilts

planes = st.tuples(st.integers(2, 15), st.integers(1, 14)).filter(
    lambda hk: hk[0] > hk[1] and math.gcd(*hk) == 1
)


@given(planes)
def test_basis_is_a_primitive_cell_with_two_vectors_in_the_plane(hk):
    basis = plane_basis((*hk, 0))
    assert basis.axis == pytest.approx([1.0, 0.0, 0.0])
    assert basis.across[2] == pytest.approx(0.0, abs=1e-12)
    assert basis.stack[2] > 0
    volume = np.linalg.det([basis.axis, basis.across, basis.stack])
    assert volume == pytest.approx(0.5)  # a^3/2: one lattice point of the body-centred cell
    assert basis.rotation @ basis.rotation.T == pytest.approx(np.eye(3), abs=1e-12)


@given(planes)
def test_both_grains_share_the_in_plane_cell(hk):
    first, second = plane_basis((hk[0], hk[1], 0)), plane_basis((hk[0], -hk[1], 0))
    assert first.across == pytest.approx(second.across)
    assert first.stack[2] == pytest.approx(second.stack[2])


def test_known_boundaries_have_their_published_angle_and_sigma():
    # Grimmer's coincidence table for [001]: angle by Sigma.
    published = {5: 36.87, 13: 22.62, 17: 28.07, 25: 16.26, 37: 18.92, 41: 12.68, 61: 10.39}
    found = {t.sigma: t.misorientation_deg for t in tilts(5, 45, 8.0)}
    for sigma, angle in published.items():
        assert found[sigma] == pytest.approx(angle, abs=0.01)


def test_mean_planes_of_one_misorientation():
    by_plane = {t.plane: t for t in tilts(28, 28.2, 6.0)}
    assert by_plane[4, 1, 0].mean_plane == "100"
    assert by_plane[5, 3, 0].mean_plane == "110"


def test_ion_counts_follow_from_the_volume():
    tilt = tilt_of((4, 1, 0))
    lattice_A = 13.0
    ions = ions_of(tilt, 3, 20.0, lattice_A)
    thickness = ions / 192 * tilt.spacing_a * lattice_A
    assert thickness >= 20.0 + 3 * lattice_A / 4 - 1e-6
    assert thickness < 20.0 + 3 * lattice_A / 4 + tilt.spacing_a * lattice_A


def test_sigma_and_area_agree_with_pymatgen():
    from pymatgen.core.interface import GrainBoundaryGenerator

    table = GrainBoundaryGenerator.enum_sigma_cubic(45, (0, 0, 1))
    for sigma, angles in table.items():
        ours = [t for t in tilts(5, 30, 8.0) if t.sigma == sigma]
        for tilt in ours:
            reduced = [min(a % 90, 90 - a % 90) for a in angles]
            assert min(abs(a - tilt.misorientation_deg) for a in reduced) < 1e-3
