"""Coincidence index, in-plane cell and atom count against pymatgen's generator, of bcc and fcc."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.core.interface import GrainBoundaryGenerator

from gbopt.geometry.interface import interface_of
from gbopt.model.crystal import Crystal
from gbopt.model.spec import GBSpec

# spglib, through pymatgen.
pytestmark = pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")

LATTICES = {
    "Im-3m": ((2, 0, 0), (0, 2, 0), (1, 1, 1)),
    "Fm-3m": ((1, 1, 0), (0, 1, 1), (1, 0, 1)),
}
# Axis, angle, plane of the first grain: tilts, twists, asymmetric and mixed boundaries.
CASES = [
    ((0, 0, 1), 36.869898, (3, 1, 0), 5),
    ((0, 0, 1), 36.869898, (0, 0, 1), 5),
    ((0, 0, 1), 36.869898, (1, 0, 0), 5),
    ((0, 0, 1), 22.619865, (5, 1, 0), 13),
    ((0, 0, 1), 28.072487, (1, 0, 1), 17),
    ((1, 1, 0), 70.528779, (1, -1, 1), 3),
    ((1, 1, 0), 70.528779, (1, 1, 0), 3),
    ((1, 1, 0), 50.478804, (1, -1, 3), 11),
    ((1, 1, 1), 38.213211, (1, 1, 1), 7),
    ((1, 1, 1), 38.213211, (1, 1, -2), 7),
    ((1, 1, 1), 27.795772, (1, 1, 1), 13),
]


def crystal(group):
    return Crystal(
        name=group,
        elements=("Fe",),
        formal_charges_e=(0,),
        lattice_A=3.0,
        shape_a=np.eye(3),
        primitive=LATTICES[group],
        denominator=2,
        framework=np.zeros((1, 3)),
        species=np.zeros(1, dtype=np.int8),
        shortest_A=np.array([[2.0]]),
    )


@pytest.mark.parametrize("group", LATTICES)
@pytest.mark.parametrize(("axis", "angle", "plane", "sigma"), CASES)
def test_in_plane_cell_is_that_of_pymatgen(group, axis, angle, plane, sigma):
    # Of the conventional cell pymatgen takes cells in the plane that are twice or four times these.
    metal = Structure.from_spacegroup(group, Lattice.cubic(3.0), ["Fe"], [[0, 0, 0]])
    theirs = GrainBoundaryGenerator(metal.get_primitive_structure()).gb_from_parameters(
        axis, angle, expand_times=1, plane=plane, rm_ratio=0.0, max_search=20
    )
    assert theirs.sigma == sigma
    a, b, _ = theirs.lattice.matrix
    # The sense of rotation differs between the codes; mirrored boundaries have one area.
    ours = [
        interface_of(
            GBSpec(
                axis=axis,
                plane=plane,
                misorientation_deg=sense * angle,
                width_layers=0,
                crystal_A=1.0,
                seed=0,
            ),
            crystal(group),
        )
        for sense in (1, -1)
    ]
    theirs_A2 = float(np.linalg.norm(np.cross(a, b)))
    assert min(abs(found.area_a2 * 9.0 - theirs_A2) for found in ours) < 1e-6 * theirs_A2
    # Atoms in one layer over the cell: volume over the volume of a primitive cell.
    for found in ours:
        layer = found.area_a2 * found.first.spacing_a / crystal(group).cells_a3
        assert layer == pytest.approx(found.first.points_per_plane)
    per_area = len(theirs) / theirs.lattice.volume
    assert per_area == pytest.approx(1 / (crystal(group).cells_a3 * 27.0))
