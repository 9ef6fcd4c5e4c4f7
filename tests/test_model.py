from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gbopt.geometry.build import build_bicrystal
from gbopt.model.bicrystal import ELEMENTS
from gbopt.model.observables import Estimate, format_with_error
from gbopt.model.spec import Composition, Dopant, GBSpec, dopants_label
from gbopt.provenance import content_key, derive_seed
from gbopt.units import ohm_cm_from_metal, parse_quantity


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (3.41e-7, 6e-9, "3.41(6)e-07"),
        (2.1, 0.12, "2.10(12)"),
        (640.0, 31.0, "640(30)"),
        (0.0123, 0.004, "0.012(4)"),
        (-1.5, 0.2, "-1.5(2)"),
        (1.0, 0.0, "1"),
        (0.0, 0.05, "0.00(5)"),
    ],
)
def test_a_value_is_rounded_to_its_error(value, error, text):
    assert format_with_error(value, error) == text


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_rounding_never_moves_a_value_by_more_than_its_error(value, error):
    text = format_with_error(value, error)
    mantissa, _, rest = text.partition("(")
    exponent = rest.partition(")")[2]
    assert abs(float(mantissa + exponent) - value) <= error


def test_estimates_show_bounds():
    bound = Estimate(value=2.0, std_err=0.1, unit="A", n_eff=5, method="m", bound="lower")
    assert str(bound) == ">= 2.00(10) A"


def test_estimates_refuse_what_is_no_number():
    with pytest.raises(ValidationError):
        Estimate(value=float("nan"), std_err=0.1, unit="A", n_eff=5, method="m")
    with pytest.raises(ValidationError):
        Estimate(value=1.0, std_err=-0.1, unit="A", n_eff=5, method="m")


def test_specification_names_the_boundary():
    spec = GBSpec(plane=(5, 3, 0), width_layers=3, crystal_A=12, seed=1)
    assert spec.sigma == 17
    assert spec.misorientation_deg == pytest.approx(-28.0725, abs=1e-4)
    assert spec.mean_plane == "110"
    assert spec.label == "Sigma17 (530)[001] 28.07 deg w3"


def test_specification_names_what_was_changed():
    dopants = tuple(
        Dopant(element=name, per_formula_unit=x, where=where)
        for name, x, where in (("Ta", 0.5, "everywhere"), ("Al", 0.25, "core"))
    )
    composition = Composition(li2o_per_nm2=-1.5, dopants=dopants)
    spec = GBSpec(plane=(5, 3, 0), width_layers=3, crystal_A=12, seed=1, composition=composition)
    assert spec.label == "Sigma17 (530)[001] 28.07 deg w3, -1.5 Li2O/nm2, Al 0.25 core, Ta 0.5"
    assert dopants_label(dopants) == dopants_label(dopants[::-1]) == "Al 0.25 core, Ta 0.5"
    assert dopants_label(()) == "none"


def test_ions_are_numbered_alike_in_all_that_is_analysed():
    spec = GBSpec(
        plane=(3, 1, 0),
        width_layers=2,
        crystal_A=5,
        seed=1,
        composition=Composition(dopants=(Dopant(element="Ta", per_formula_unit=0.5),)),
    )
    structure = build_bicrystal(spec, 13.0)
    names = np.array(structure.elements)[structure.species]
    assert structure.elements[4] == "Ta"
    assert np.array_equal(np.array(ELEMENTS)[structure.element_numbers], names)
    # Those of another material keep their own numbers.
    other = replace(structure, elements=("Li", "La", "Ti", "O", "Sr"))
    assert np.array_equal(other.element_numbers, structure.species)


@pytest.mark.parametrize("plane", [(4, 2, 0), (0, 0, 0), (4, 0, 0), (4, 1, 1)])
def test_specification_refuses_planes_that_are_none(plane):
    with pytest.raises(ValidationError):
        GBSpec(plane=plane, width_layers=3, crystal_A=12, seed=1)


def test_two_spellings_of_one_boundary_are_one_specification():
    fields = {"width_layers": 3, "crystal_A": 12, "seed": 1}
    by_plane = GBSpec(plane=(4, 1, 0), **fields)
    by_angle = GBSpec(plane=(4, 1, 0), misorientation_deg=28.07, **fields)
    by_name = GBSpec.named("Sigma17(410)[001]", **fields)
    assert by_plane.key == by_angle.key == by_name.key
    assert GBSpec.model_validate_json(by_plane.model_dump_json()) == by_plane


@pytest.mark.parametrize(
    ("axis", "plane", "angle", "kind"),
    [
        ((0, 0, 1), (4, 1, 0), 28.07, "symmetric tilt"),
        ((0, 0, 1), (1, 0, 0), 28.07, "asymmetric tilt"),
        ((0, 0, 1), (0, 0, 1), 28.07, "twist"),
        ((0, 0, 1), (1, 0, 1), 28.07, "mixed"),
        ((1, 1, 1), (1, 1, 1), 60.0, "twist"),
        ((0, 0, 1), (2, 1, 0), 53.13, "symmetric tilt"),
    ],
)
def test_kinds_of_boundary(axis, plane, angle, kind):
    spec = GBSpec(
        axis=axis, plane=plane, misorientation_deg=angle, width_layers=2, crystal_A=9, seed=0
    )
    assert spec.kind == kind


def test_keys_and_seeds_do_not_change_between_versions():
    assert content_key({"b": 1, "a": [1.5, "x"]}) == content_key({"a": [1.5, "x"], "b": 1})
    assert content_key({"a": 1}) == "015abd7f5cc5"
    assert derive_seed(7, 1, 2) == derive_seed(7, 1, 2)
    assert len({derive_seed(7, branch, n) for branch in (1, 2) for n in range(50)}) == 100


def test_nernst_einstein_in_metal_units():
    # c = 0.0256 /A^3, D = 0.27 A^2/ps, 1100 K, by hand: 0.856 ohm cm.
    kT = 8.617333e-5 * 1100
    assert ohm_cm_from_metal(kT / (0.0256 * 0.27)) == pytest.approx(0.856, abs=1e-3)


def test_quantities():
    assert parse_quantity("2 ns", "ps") == 2000.0
    assert parse_quantity("1.3 nm", "A") == 13.0
    assert parse_quantity("1 GPa", "atm") == pytest.approx(9869.2, abs=0.1)
    assert parse_quantity(3.0, "ps") == 3.0
    with pytest.raises(ValueError, match="fs, ps, ns, us"):
        parse_quantity("2 nm", "ps")
