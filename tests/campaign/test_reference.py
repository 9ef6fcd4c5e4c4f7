"""The conventional boundary that the best one is held against."""

import pytest

from gbopt.campaign.confirm import conventional, specifications
from gbopt.crystal.known import get_crystal
from gbopt.geometry.catalog import KINDS, catalog
from gbopt.model.spec import Composition, Dopant, GBSpec

CRYSTAL = get_crystal("c-LLZO")
SIZES = {"width_layers": 3, "crystal_A": 24.0, "seed": 4}


@pytest.mark.parametrize(
    ("plane", "reference"),
    [
        ((4, 1, 0), (3, 1, 0)),
        ((5, 1, 0), (3, 1, 0)),
        ((5, 3, 0), (2, 1, 0)),
        ((3, 2, 0), (2, 1, 0)),
    ],
)
def test_tilts_about_001_have_the_sigma5_boundary_of_their_mean_plane(plane, reference):
    found = specifications(GBSpec(plane=plane, **SIZES))
    assert found["best"] == GBSpec(plane=plane, **SIZES)
    # Confirmations of earlier versions are found again by this key.
    assert found["reference"].key == GBSpec(plane=reference, **SIZES).key


EXPECTED = {
    ("symmetric tilt", (1, 1, 0), "100"): "Sigma9 (1-14)[110] 38.94 deg w2",
    ("symmetric tilt", (1, 1, 0), "110"): "Sigma9 (2-21)[110] 38.94 deg w2",
    ("symmetric tilt", (1, 1, 1), "110"): "Sigma7 (21-3)[111] 38.21 deg w2",
    ("asymmetric tilt", (0, 0, 1), "100"): "Sigma5 (310)[001] 36.87 deg w2",
    ("asymmetric tilt", (0, 0, 1), "210"): "Sigma5 (210)[001] 36.87 deg w2",
    ("mixed", (0, 0, 1), "211"): "Sigma5 (210)[001] 36.87 deg w2",
    ("twist", (0, 0, 1), "100"): "Sigma5 (001)[001] 36.87 deg twist w2",
    ("twist", (1, 1, 0), "110"): "Sigma9 (110)[110] 38.94 deg twist w2",
    ("twist", (1, 1, 1), "111"): "Sigma7 (111)[111] 38.21 deg twist w2",
}


def test_every_kind_axis_and_plane_has_one():
    seen = {}
    for entry in catalog(
        CRYSTAL,
        kinds=KINDS,
        axes=((0, 0, 1), (1, 1, 0), (1, 1, 1), (9, 7, 5)),
        range_deg=(5.0, 30.0),
        max_area_a2=22.0,
    ):
        best = entry.spec(CRYSTAL, 2, 24.0)
        reference = specifications(best)["reference"]
        seen[entry.kind, entry.axis, entry.mean_plane] = reference.label
        assert reference.sigma in (5, 7, 9)
        assert abs(reference.misorientation_deg) > 30
        assert (reference.kind == "twist") == (entry.kind == "twist")
    assert EXPECTED.items() <= seen.items()


def test_an_axis_without_a_small_cell_falls_back_on_001():
    entry = conventional(GBSpec(axis=(9, 7, 5), plane=(9, 7, 5), misorientation_deg=20.0,
                                max_strain=0.01, **SIZES))  # fmt: skip
    assert (entry.axis, entry.sigma, entry.kind) == ((0, 0, 1), 5, "twist")


def test_what_belongs_to_the_best_alone_is_not_taken_over():
    best = GBSpec(
        plane=(4, 1, 0),
        misorientation_deg=28.5,
        max_strain=0.01,
        translation=(0.2, 0.7),
        termination=(0, 0),
        gap_A=0.9,
        orderings=3,
        composition=Composition(
            li2o_per_nm2=-1.0, dopants=(Dopant(element="Al", per_formula_unit=0.2),)
        ),
        **SIZES,
    )
    assert specifications(best)["reference"] == GBSpec(
        plane=(3, 1, 0), gap_A=0.9, orderings=3, **SIZES
    )
