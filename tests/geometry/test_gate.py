"""The gate measures what was built, and refuses what was not asked for."""

from dataclasses import replace

import numpy as np
import pytest

from gbopt.crystal.llzo import cubic_llzo
from gbopt.errors import GeometryError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.gate import characterise, check
from gbopt.geometry.interface import interface_of
from gbopt.model.spec import GBSpec

LLZO = cubic_llzo()
FIELDS = {"crystal_A": 22.0, "seed": 1}
SPECS = [
    GBSpec(plane=(4, 1, 0), width_layers=3, **FIELDS),
    GBSpec.named("Sigma3(112)", width_layers=0, **FIELDS),
    GBSpec.named("Sigma5(001) twist", width_layers=2, **FIELDS),
    GBSpec(plane=(15, 2, 0), misorientation_deg=15.0, max_strain=0.005, width_layers=2, **FIELDS),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda s: s.label)
def test_grains_and_boundaries_are_measured(spec):
    structure = build_bicrystal(spec, 13.0)
    report = check(structure, LLZO, interface_of(spec, LLZO))
    assert report.misorientation_deg == pytest.approx(abs(spec.misorientation_deg), abs=1e-3)
    assert min(report.grains_A) >= spec.crystal_A - 1e-6
    assert report.bulk_like
    boundaries = characterise(structure, LLZO, interface_of(spec, LLZO))
    assert [b.z_A for b in boundaries] == list(structure.boundaries_A)
    for boundary in boundaries:
        assert boundary.continuous < 0.5
        assert (boundary.displaced_A > 1.0) == (spec.width_layers > 0)
    counted = sum(sum(b.counts.values()) for b in boundaries)
    assert counted == structure.core.sum() or spec.width_layers == 0
    assert counted > 0


def test_grains_of_another_angle_are_refused():
    spec = SPECS[0]
    structure = build_bicrystal(spec, 13.0)
    other = interface_of(GBSpec(plane=(5, 1, 0), width_layers=3, **FIELDS), LLZO)
    with pytest.raises(GeometryError, match=r"turned by 28\.07 deg .* asked for was 22\.62"):
        check(structure, LLZO, other)


def test_a_grain_turned_too_little_is_refused():
    """Both grains are crystal, but one is turned by a degree about x."""
    spec = GBSpec(plane=(4, 1, 0), width_layers=0, **FIELDS)
    structure, asked = build_bicrystal(spec, 13.0), interface_of(spec, LLZO)
    angle = np.radians(1.0)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    second = asked.second._replace(deformation=turn @ asked.second.deformation)
    with pytest.raises(GeometryError, match="turned by 28"):
        check(structure, LLZO, asked._replace(second=second, realised_deg=29.07))


def test_a_stretched_cell_is_refused():
    structure = build_bicrystal(SPECS[0], 13.0)
    wide = replace(structure, positions=structure.positions * 1.01, cell=structure.cell * 1.01)
    with pytest.raises(GeometryError, match=r"grain 1 is stretched by 1\.0%"):
        check(wide, LLZO, interface_of(SPECS[0], LLZO))


def test_strongly_sheared_tilts_pass_at_their_angle():
    spec = GBSpec(
        plane=(4, 1, 0), misorientation_deg=30.0, max_strain=0.02, width_layers=2, **FIELDS
    )
    report = check(build_bicrystal(spec, 13.0), LLZO, interface_of(spec, LLZO))
    assert report.misorientation_deg == pytest.approx(30.0, abs=1e-3)


def test_a_missing_boundary_is_seen():
    """One crystal that claims to be two: every vector across the plane is the crystal's."""
    spec = GBSpec(
        plane=(0, 0, 1),
        misorientation_deg=0.0,
        width_layers=0,
        crystal_A=24.0,
        gap_A=0.0,
        translation=(0.0, 0.0),
        termination=(0, 0),
        seed=1,
    )
    structure = build_bicrystal(spec, 13.0)
    interface = interface_of(spec, LLZO)
    report = check(structure, LLZO, interface)
    assert [b.continuous for b in characterise(structure, LLZO, interface)] == [1.0, 1.0]
    assert report.misorientation_deg == pytest.approx(0.0, abs=0.01)


def test_thin_grains_are_no_bulk():
    spec = GBSpec(plane=(4, 1, 0), width_layers=2, crystal_A=8.0, seed=0)
    report = check(build_bicrystal(spec, 13.0), LLZO, interface_of(spec, LLZO))
    assert not report.bulk_like


def test_charge_is_refused():
    structure = build_bicrystal(SPECS[0], 13.0)
    short = replace(
        structure,
        positions=structure.positions[1:],
        species=structure.species[1:],
        sites=structure.sites[1:],
        grain=structure.grain[1:],
        core=structure.core[1:],
    )
    with pytest.raises(GeometryError, match="charge of -1 e"):
        check(short, LLZO)
