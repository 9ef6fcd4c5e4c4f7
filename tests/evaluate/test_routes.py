"""The field and the collective route from conductivities to resistances, by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from gbopt.analysis.collective import CollectiveMotion
from gbopt.analysis.potential import ChargeBatches, FieldRun
from gbopt.config import parse_campaign
from gbopt.evaluate.agreement import agreement, haven_ratio, tracer_ratio
from gbopt.evaluate.fields import FieldStage
from gbopt.evaluate.routes import (
    NOT_RUN,
    Cell,
    collective_route,
    field_route,
)
from gbopt.model.observables import Estimate
from gbopt.units import VACUUM_PERMITTIVITY_E_V_A

LENGTH_A, WIDTH_A, AREA_A2, BINS = 50.0, 10.0, 100.0, 200
CELL = Cell(LENGTH_A, WIDTH_A, (0.0, 25.0))


def sigma(value, std_err=0.01, unit="S/cm", bound=None):
    return Estimate(value=value, std_err=std_err, unit=unit, n_eff=5, method="made up", bound=bound)


IN_PLANE = sigma(1.0, 0.05)


def config(fields):
    return parse_campaign(
        'name = "x"\nquestion = "which boundary is it?"\nseed = 1\n'
        f"[field]\nfields_V_A = {list(fields)}\n",
        "x.toml",
    )


def batches(field_V_A, share):
    """Charge sheets at the first boundary's sides that make it take this share of the voltage.

    A dipole layer of the moment p across the boundary adds p/(eps0 A) to its drop and takes it
    from the rest of the cell, in which half of the cell's length holds the other boundary.
    """
    charge = np.zeros((20, BINS))
    extra_V = (share - 0.5) * field_V_A * LENGTH_A
    # Sheets 2 A to either side: field between them -q/(eps0 A) (1 - 4/L), outside +q/(eps0 A) 4/L.
    q = extra_V * VACUUM_PERMITTIVITY_E_V_A * AREA_A2 / (4 * 0.5)
    node = round(2 / LENGTH_A * BINS)
    charge[:, node] = -q
    charge[:, -node] = q
    return ChargeBatches(charge_e=charge, length_A=LENGTH_A, area_A2=AREA_A2, batch_ps=1.0)


def route(cell, bulk, fields=(0.015, 0.03), share=0.5, kelvin=1100.0):
    stages = [
        FieldStage(estimate, FieldRun(field, batches(field, share), 0.0), kelvin)
        for field, estimate in zip(fields, cell, strict=True)
    ]
    reference = SimpleNamespace(at_fields=bulk)
    return field_route(config(fields), stages, batches(0.0, share), IN_PLANE, reference, CELL)


def levels(found):
    return {flag.name: flag.level for flag in found.flags}


def test_resistance_is_half_of_what_the_cell_has_over_bulk_crystal():
    found = route((sigma(1.0), sigma(1.0)), (sigma(2.0), sigma(2.0)))
    length_cm, width_cm = LENGTH_A * 1e-8, WIDTH_A * 1e-8
    asr = 0.5 * (length_cm / 1.0 - length_cm / 2.0)
    figures = found.cell
    assert figures["conductivity_field"].value == pytest.approx(1.0, rel=1e-3)
    assert figures["area_specific_resistance_field"].value == pytest.approx(asr, rel=1e-2)
    assert figures["gb_resistivity_field"].value == pytest.approx(asr / width_cm + 0.5, rel=1e-2)
    assert figures["resistance_ratio_field"].value == pytest.approx(2.0, rel=1e-2)
    # Extrapolated from fields of ratio 2 the error is sqrt(16 + 1)/3 that of each, and
    # d(ASR) = L/2 (ds/s^2 of the cell, ds/s^2 of bulk).
    at_zero = 0.01 * 17**0.5 / 3
    error = 0.5 * length_cm * (at_zero**2 + (at_zero / 4) ** 2) ** 0.5
    assert figures["area_specific_resistance_field"].std_err == pytest.approx(error, rel=0.1)
    assert set(levels(found).values()) == {"ok"}


def test_each_boundary_has_its_share_of_the_voltage():
    found = route((sigma(1.0), sigma(1.0)), (sigma(2.0), sigma(2.0)), share=0.7)
    total, crystal = LENGTH_A * 1e-8, LENGTH_A * 1e-8 / 2
    for figures, share in zip(found.each, (0.7, 0.3), strict=True):
        assert figures["voltage_share"].value == pytest.approx(share)
        assert figures["area_specific_resistance_field"].value == pytest.approx(
            share * total - crystal / 2, rel=1e-2
        )
    both = [figures["area_specific_resistance_field"].value for figures in found.each]
    mean = found.cell["area_specific_resistance_field"].value
    assert np.mean(both) == pytest.approx(mean, rel=1e-6)


def test_a_response_that_is_not_linear_is_flagged():
    found = route((sigma(1.0), sigma(1.5)), (sigma(2.0), sigma(2.0)))
    assert levels(found)["field_linear"] == "warn"
    assert found.cell["conductivity_field"].value < 1.0  # extrapolated to zero field


@pytest.mark.parametrize("fields", [(0.03,), (0.03, -0.03)])
def test_one_magnitude_cannot_show_linearity(fields):
    each = tuple(sigma(1.0) for _ in fields)
    found = route(each, each, fields=fields)
    assert levels(found)["field_linear"] == "warn"
    assert "area_specific_resistance_field" in found.cell


def test_what_a_pair_of_fields_differs_by_is_part_of_its_error():
    found = route((sigma(1.2), sigma(0.8), sigma(1.0)), (sigma(2.0),) * 3, (0.03, -0.03, 0.015))
    assert found.cell["conductivity_field"].value == pytest.approx(1.0, rel=1e-3)
    assert found.cell["conductivity_field"].std_err > 0.05
    assert levels(found)["field_linear"] == "ok"


@pytest.mark.parametrize(("faster", "level"), [(1.0, "ok"), (1.5, "warn")])
def test_a_field_that_speeds_up_motion_across_it_is_too_strong(faster, level):
    motion = SimpleNamespace(in_plane_conductivity=lambda *windows: sigma(faster, 0.05))
    stage = FieldStage(sigma(1.0), FieldRun(0.01, batches(0.01, 0.5), 0.0), 1100.0, motion)
    reference = SimpleNamespace(at_fields=(sigma(2.0),))
    found = field_route(config((0.01,)), [stage], batches(0.0, 0.5), IN_PLANE, reference, CELL)
    assert levels(found)["field_weak"] == level


def test_heating_is_flagged():
    ok = (sigma(1.0), sigma(1.0))
    assert levels(route(ok, ok, kelvin=1150.0))["field_temperature"] == "warn"


def test_what_is_not_resolved_gives_no_resistance():
    found = route((sigma(0.1, 0.2), sigma(0.1, 0.2)), (sigma(2.0), sigma(2.0)))
    assert levels(found)["field_resolved"] == "warn"
    assert set(found.cell) == {"conductivity_field"}


def test_no_fields_no_route():
    assert (
        field_route(config(()), (), batches(0.0, 0.5), IN_PLANE, SimpleNamespace(), CELL) == NOT_RUN
    )


def test_haven_ratio():
    ratio = haven_ratio(sigma(0.5), sigma(1.0, 0.1))
    assert ratio is not None
    assert ratio.value == pytest.approx(0.5)
    assert ratio.std_err == pytest.approx(0.05, rel=0.1)
    assert haven_ratio(sigma(0.5), sigma(0.1, 0.1)) is None


def test_collective_route_of_a_random_walk():
    """Q is a plain random walk, so Einstein-Helfand and Green-Kubo give its step over 2 V kT."""
    steps = np.random.default_rng(3).normal(0.0, 1.0, (4000, 3))
    motion = CollectiveMotion(
        displaced_e_A=np.cumsum(steps, axis=0),
        sample_ps=0.1,
        lag_samples=10,
        volume_A3=5000.0,
        temperature_K=1100.0,
    )
    exact = 1.0 / (2 * 5000.0 * 8.617333e-5 * 1100.0 * 0.1) / 6.241509e-2
    bulk = SimpleNamespace(collective=sigma(5 * exact))
    found = collective_route(motion, {"conductivity_through_plane": sigma(exact)}, bulk, CELL)
    for name in ("conductivity_collective", "conductivity_green_kubo"):
        measured = found.cell[name]
        assert measured.value == pytest.approx(exact, abs=3 * measured.std_err), name
        assert measured.std_err < 0.3 * exact
    ratio = found.cell["resistance_ratio_collective"]
    assert ratio.value == pytest.approx(5.0, abs=3 * ratio.std_err)


def test_the_routes_are_compared_and_the_objective_is_said():
    tracer = tracer_ratio(
        {"bulk_resistivity": sigma(2.0), "conductivity_through_plane": sigma(0.25, 0.01)}
    )
    assert tracer["resistance_ratio_tracer"].value == pytest.approx(2.0)
    alone = agreement(tracer)
    assert alone.level == "ok"
    assert "no second route" in alone.message
    close = agreement(tracer | {"resistance_ratio_field": sigma(2.2, 0.1)})
    assert close.level == "ok"
    assert "tracer route is the objective" in close.message
    far = agreement(tracer | {"resistance_ratio_field": sigma(4.0, 0.1)})
    assert far.level == "warn"
