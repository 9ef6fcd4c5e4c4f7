"""The list of boundaries: complete, without equivalents, of the right size; the three modes."""

import math

import pytest

from gbopt.crystal.llzo import cubic_llzo, tetragonal_llzo
from gbopt.errors import GeometryError
from gbopt.geometry.angles import Wish, choose
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.catalog import KINDS, LOW_INDEX, catalog
from gbopt.geometry.interface import interface_of
from gbopt.model.spec import GBSpec

LLZO = cubic_llzo()


def tilts(low, high, area, axes=((0, 0, 1),)):
    return catalog(
        LLZO, kinds=("symmetric tilt",), axes=axes, range_deg=(low, high), max_area_a2=area
    )


def test_tilts_about_001_are_all_coprime_pairs_of_indices():
    """By brute force over (h k 0): each gives one boundary, on the mean plane it is nearest to."""
    wanted = set()
    for h in range(2, 19):
        for k in range(1, h):
            area = math.hypot(h, k) * (0.5 if h % 2 and k % 2 else 1.0)
            turned = 2 * math.degrees(math.atan2(k, h))
            angle = min(turned, 90 - turned)
            if math.gcd(h, k) == 1 and area <= 9.0 and 5 <= angle <= 30:
                wanted.add((round(angle, 4), "100" if turned <= 45 else "110"))
    found = [(round(t.misorientation_deg, 4), t.mean_plane) for t in tilts(5, 30, 9.0)]
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_known_boundaries_have_their_published_angle_and_sigma():
    published = {5: 36.87, 13: 22.62, 17: 28.07, 25: 16.26, 37: 18.92, 41: 12.68, 61: 10.39}
    found = {t.sigma: t.misorientation_deg for t in tilts(5, 45, 8.0)}
    for sigma, angle in published.items():
        assert found[sigma] == pytest.approx(angle, abs=0.01)


def test_sigma_agrees_with_pymatgen():
    from pymatgen.core.interface import GrainBoundaryGenerator

    tables = {
        axis: GrainBoundaryGenerator.enum_sigma_cubic(60, axis)
        for axis in ((0, 0, 1), (1, 1, 0), (1, 1, 1))
    }
    for axis, table in tables.items():
        ours = [t for t in tilts(5, 60, 9.0, (axis,)) if t.sigma <= 60]
        assert ours
        for tilt in ours:
            angles = [a for angle in table[tilt.sigma] for a in (angle, 90 - angle, 120 - angle)]
            assert min(abs(a - tilt.misorientation_deg) for a in angles) < 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_builds_a_boundary_of_its_size_and_kind(kind):
    entries = catalog(
        LLZO,
        kinds=(kind,),
        axes=((0, 0, 1), (1, 1, 0), (1, 1, 1)),
        range_deg=(20.0, 40.0),
        max_area_a2=7.1,
    )
    assert entries
    for entry in entries[:: max(1, len(entries) // 6)]:
        spec = entry.spec(LLZO, 2, 8.0)
        assert spec.kind == kind
        structure = build_bicrystal(spec, 13.0)
        assert structure.area_A2 == pytest.approx(entry.area_a2 * 13.0**2)
        removed = entry.ions(LLZO, 2, 8.0, 13.0) - structure.n_ions
        # Li2O, ZrO2 and La2O3 have 3, 3 and 5 ions.
        per_unit = {"Li2O": 3, "ZrO2": 3, "La2O3": 5}
        assert removed == sum(per_unit[unit] * n for unit, n in structure.ledger.items())


def test_kinds_do_not_repeat_equivalent_boundaries():
    entries = catalog(
        LLZO, kinds=("asymmetric tilt",), axes=((0, 0, 1),), range_deg=(20, 40), max_area_a2=12.0
    )
    shown = [(e.misorientation_deg, round(e.area_a2, 6), e.mean_plane) for e in entries]
    assert len(shown) == len(set(shown))
    # (100) against (430) and (110) against (710) at Sigma 5.
    assert {e.plane for e in entries if e.sigma == 5} >= {(1, 0, 0), (1, 1, 0)}


def wish(angle_deg, **others):
    fields = {"kind": "symmetric tilt", "axis": (0, 0, 1), "width_layers": 3, "crystal_A": 24.0}
    return Wish(angle_deg=angle_deg, **{**fields, **others})


def test_exact_mode_takes_what_is_commensurate_and_refuses_the_rest():
    choice = choose(wish(28.07), LLZO, 13.0, mode="exact", max_ions=20000)
    assert choice.spec.plane == (5, 3, 0)  # the smaller of (410) and (530)
    assert choice.strain == 0.0
    with pytest.raises(GeometryError) as refused:
        choose(wish(15.0), LLZO, 13.0, mode="exact", max_ions=20000)
    assert "14.86" in refused.value.hint


def test_nearest_mode_snaps_and_says_what_else_could_be_had():
    choice = choose(wish(15.0), LLZO, 13.0, mode="nearest", max_ions=12000)
    every = [t for t in tilts(5, 30, 40.0) if t.ions(LLZO, 3, 24.0, 13.0) <= 12000]
    nearest = min(every, key=lambda t: abs(t.misorientation_deg - 15.0))
    assert choice.realised_deg == pytest.approx(nearest.misorientation_deg)
    assert choice.cheaper[1] < choice.ions
    assert choice.closer is None


def test_strained_mode_takes_the_smallest_cell_that_strain_can_turn():
    choice = choose(wish(15.0), LLZO, 13.0, mode="strained", max_ions=20000, max_strain=0.005)
    assert choice.realised_deg == 15.0
    assert 0 < choice.strain <= 0.005
    reach = 2 * math.degrees(math.atan(0.005))
    within = [t for t in tilts(5, 30, 40.0) if abs(t.misorientation_deg - 15.0) <= reach]
    assert choice.ions == min(t.ions(LLZO, 3, 24.0, 13.0) for t in within)
    record = choice.record(15.0)
    assert record["next_cheaper"]["ions"] < choice.ions
    structure = build_bicrystal(choice.spec, 13.0)
    assert structure.charge_e == 0


def test_strained_mode_refuses_kinds_it_does_not_know():
    mixed = wish(22.0, kind="mixed", plane=(1, 0, 1))
    with pytest.raises(GeometryError, match="mixed"):
        choose(mixed, LLZO, 13.0, mode="strained", max_ions=20000)


def test_no_boundary_is_lost_to_what_is_skipped_at_a_glance():
    """By brute force over planes and the coincidence rotations of low index."""
    planes = (*LOW_INDEX, (3, 1, 0), (4, 1, 0), (5, 3, 0))
    found = catalog(
        LLZO,
        kinds=KINDS,
        axes=((0, 0, 1),),
        range_deg=(5.0, 45.0),
        max_area_a2=14.0,
        planes=planes,
    )
    listed = {(e.kind, round(e.misorientation_deg, 4), round(e.area_a2, 6)) for e in found}
    tried = set()
    for plane in planes:
        for angle in (22.6199, -22.6199, 28.0725, -28.0725, 36.8699, -36.8699):
            spec = GBSpec(
                plane=plane, misorientation_deg=angle, width_layers=2, crystal_A=5, seed=0
            )
            area = interface_of(spec, LLZO).area_a2
            if area <= 14.0:
                tried.add((spec.kind, round(abs(spec.misorientation_deg), 4), round(area, 6)))
    assert {kind for kind, *_ in tried} == set(KINDS)
    assert tried <= listed


def test_tetragonal_catalog_is_that_of_the_fourfold_axis():
    found = catalog(
        tetragonal_llzo(),
        kinds=("symmetric tilt", "twist"),
        axes=((0, 0, 1),),
        range_deg=(20, 40),
        max_area_a2=6.0,
    )
    assert {e.sigma for e in found} >= {5, 13, 17}
