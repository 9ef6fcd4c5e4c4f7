"""The field route from conductivities to resistances, by hand."""

import pytest

from gbopt.config import parse_campaign
from gbopt.evaluate.routes import compare, field_route, haven_ratio
from gbopt.model.observables import Estimate

LENGTH_A, WIDTH_A = 50.0, 10.0


def sigma(value, std_err=0.01):
    return Estimate(value=value, std_err=std_err, unit="S/cm", n_eff=5, method="made up")


def config(fields):
    return parse_campaign(
        'name = "x"\nquestion = "which boundary is it?"\nseed = 1\n'
        f"[field]\nfields_V_A = {list(fields)}\n",
        "x.toml",
    )


def route(cell, bulk, fields=(0.015, 0.03)):
    return field_route(config(fields), cell, bulk, length_A=LENGTH_A, core_width_A=WIDTH_A)


def levels(found):
    return {flag.name: flag.level for flag in found.flags}


def test_resistance_is_half_of_what_the_cell_has_over_bulk_crystal():
    found = route((sigma(1.0), sigma(1.0)), (sigma(2.0), sigma(2.0)))
    length_cm, width_cm = LENGTH_A * 1e-8, WIDTH_A * 1e-8
    asr = 0.5 * (length_cm / 1.0 - length_cm / 2.0)
    figures = found.observables
    assert figures["conductivity_field"].value == pytest.approx(1.0, rel=1e-3)
    assert figures["area_specific_resistance_field"].value == pytest.approx(asr, rel=1e-2)
    assert figures["gb_resistivity_field"].value == pytest.approx(asr / width_cm + 0.5, rel=1e-2)
    # Extrapolated from fields of ratio 2 the error is sqrt(16 + 1)/3 that of each, and
    # d(ASR) = L/2 (ds/s^2 of the cell, ds/s^2 of bulk).
    at_zero = 0.01 * 17**0.5 / 3
    error = 0.5 * length_cm * (at_zero**2 + (at_zero / 4) ** 2) ** 0.5
    assert figures["area_specific_resistance_field"].std_err == pytest.approx(error, rel=0.1)
    assert levels(found) == {"field_linear": "ok", "field_linear_bulk": "ok"}


def test_a_response_that_is_not_linear_is_flagged():
    found = route((sigma(1.0), sigma(1.5)), (sigma(2.0), sigma(2.0)))
    assert levels(found)["field_linear"] == "warn"
    assert found.observables["conductivity_field"].value < 1.0  # extrapolated to zero field


def test_one_field_cannot_show_linearity():
    found = route((sigma(1.0),), (sigma(2.0),), fields=(0.03,))
    assert levels(found)["field_linear"] == "warn"
    assert "area_specific_resistance_field" in found.observables


def test_what_is_not_resolved_gives_no_resistance():
    found = route((sigma(0.1, 0.2), sigma(0.1, 0.2)), (sigma(2.0), sigma(2.0)))
    assert levels(found)["field_resolved"] == "warn"
    assert set(found.observables) == {"conductivity_field"}


def test_no_fields_no_route():
    assert route((), (), fields=()) == ({}, ())


def test_haven_ratio():
    ratio = haven_ratio(sigma(0.5), sigma(1.0, 0.1))
    assert ratio is not None
    assert ratio.value == pytest.approx(0.5)
    assert ratio.std_err == pytest.approx(0.05, rel=0.1)
    assert haven_ratio(sigma(0.5), sigma(0.1, 0.1)) is None


def test_routes_that_disagree_are_flagged():
    assert compare({"conductivity_field": sigma(1.0)}) == ()
    close = {"conductivity_field": sigma(1.0, 0.1), "conductivity_collective": sigma(1.1, 0.1)}
    assert [flag.level for flag in compare(close)] == ["ok"]
    far = {"conductivity_field": sigma(1.0, 0.1), "conductivity_collective": sigma(2.0, 0.1)}
    assert [flag.level for flag in compare(far)] == ["warn"]
