"""Tables and figures of a study from records whose numbers are known."""

import math

import pytest

from gbopt.config.study import parse_study
from gbopt.disorder.records import Cell, RunRecord
from gbopt.model.evaluation import QualityFlag
from gbopt.model.observables import Estimate
from gbopt.provenance import make_provenance
from gbopt.report.disorder import as_csv
from gbopt.report.disorder_figures import (
    activation_against_density,
    arrhenius_lines,
    diffusivity_against_density,
)
from gbopt.report.disorder_tables import (
    cross_rows,
    printed_cross_rows,
    printed_rows,
    run_rows,
    system_results,
)
from gbopt.report.disorder_tables import system_rows as rows_of
from gbopt.units import BOLTZMANN_EV_K
from tests.disorder.studies import TEXT

TIMES = {"started_utc": "2026-01-01T00:00:00+00:00", "finished_utc": "2026-01-01T00:00:00+00:00"}
EA_EV, D0 = 0.29, 6e-4


def arrhenius(T):
    return D0 * math.exp(-EA_EV / BOLTZMANN_EV_K / T)


def record(T, D=None, *, kind="crystal", made="", run="c", volume=1.0, replica=0, **changes):
    value = arrhenius(T) if D is None else D
    fields = {
        "name": f"{kind}-{T}",
        "kind": kind,
        "label": f"{kind} {made} {volume:g} by {run}",
        "made_with": made,
        "run_with": run,
        "potential": "p",
        "phase": "c-LLZO",
        "volume": volume,
        "li": 7.0,
        "compensation": "none",
        "temperature_K": T,
        "replica": replica,
        "cell": Cell(
            n_ions=192,
            composition="Li56La24Zr16O96",
            stoichiometry="Li7La3Zr2O12",
            charge_e=0,
            volume_A3=2188.0 * volume,
            volume_per_unit_A3=273.5 * volume,
            density_g_cm3=5.1 / volume,
        ),
        "production_ps": 100.0,
        "equilibrate_ps": 10.0,
        "D_cm2_s": Estimate(value=value, std_err=0.05 * value, unit="cm2/s", n_eff=5, method="m"),
        "flags": (),
        "seconds": 1.0,
        "provenance": make_provenance(
            engine="e",
            engine_settings={},
            potential_key="k",
            settings_key="s",
            seed=1,
            **TIMES,
        ),
    }
    return RunRecord(**fields | changes)


LADDER = [record(T) for T in (900.0, 1100.0, 1300.0, 1500.0)]


def test_the_activation_energy_is_that_of_the_ladder():
    (found,) = system_results(LADDER)
    assert found.fit.Ea_eV.value == pytest.approx(EA_EV, rel=1e-6)
    (row,) = rows_of([found])
    assert row["Ea_eV"] == pytest.approx(EA_EV, rel=1e-6)
    assert row["fitted_K"] == "900 1100 1300 1500"
    assert 10 ** row["log10_D_300K"] == pytest.approx(arrhenius(300), rel=1e-3)
    assert row["density_g_cm3"] == 5.1


def test_a_crystal_that_became_amorphous_is_left_out_and_said():
    bad = QualityFlag(name="amorphous", level="fail", measured=0.5, limit=0.1, message="amorphous!")
    (found,) = system_results([*LADDER, record(1700.0, 1e-3, flags=(bad,))])
    assert 1700.0 not in found.D_cm2_s
    assert "1700 K: amorphous!" in found.remarks
    assert found.fit.Ea_eV.value == pytest.approx(EA_EV, rel=1e-6)
    assert "amorphous!" in run_rows([record(1700.0, flags=(bad,))])[0]["remarks"]


def test_replicas_are_averaged_with_what_they_differ_by():
    pair = [record(1100.0, 2e-5, replica=0), record(1100.0, 4e-5, replica=1)]
    D = system_results(pair)[0].D_cm2_s[1100.0]
    assert D.value == pytest.approx(3e-5)
    assert D.std_err == pytest.approx(1e-5, rel=0.02)


def crossed():
    D = {("a", "a"): 1e-6, ("a", "b"): 1e-5, ("b", "a"): 2e-6, ("b", "b"): 2e-5}
    return [
        record(1000.0, value, kind="glass", made=maker, run=runner, volume=1.12)
        for (maker, runner), value in D.items()
    ]


def test_structure_and_dynamics_are_told_apart():
    config = parse_study(TEXT, "study.toml")
    rows = cross_rows(config, system_results(crossed()))
    assert [row["what"] for row in rows].count("D") == 4
    ratios = {(r["what"], r["made_with"], r["run_with"]): r for r in rows if r["what"] != "D"}
    assert len(ratios) == 4
    one = ratios["dynamics", "a", "a / b"]
    assert one["value"] == pytest.approx(0.1)
    assert one["value_std_err"] == pytest.approx(0.1 * 0.05 * math.sqrt(2))
    assert ratios["structure", "a / b", "b"]["value"] == pytest.approx(0.5)


def test_a_ratio_to_a_bound_is_a_bound():
    config = parse_study(TEXT, "study.toml")
    records = crossed()[:2]
    bound = records[0].D_cm2_s.model_copy(update={"bound": "upper"})
    records[0] = records[0].model_copy(update={"D_cm2_s": bound})
    ratio = cross_rows(config, system_results(records))[-1]
    assert ratio["value_bound"] == "upper"
    ratio = cross_rows(config, system_results(records[::-1]))[-1]
    assert ratio["value_bound"] == "lower"


def test_a_run_that_failed_has_a_row_and_no_figure():
    failed = record(1100.0).model_copy(update={"D_cm2_s": None})
    (found,) = system_results([failed])
    assert found.D_cm2_s == {}
    assert found.fit is None
    assert printed_rows([found])[0]["Ea eV"] == "-"
    assert run_rows([failed])[0]["D_cm2_s"] is None


def test_bounds_of_replicas_keep_their_side():
    stay = Estimate(value=100.0, std_err=1.0, unit="ps", n_eff=5, method="m", bound="lower")
    network = {"residence_all": stay, "mixed": stay}
    other = {"residence_all": stay, "mixed": stay.model_copy(update={"bound": "upper"})}
    pair = [record(1100.0, network=network), record(1100.0, replica=1, network=other)]
    found = system_results(pair)[0].network[1100.0]
    assert found["residence_all"].bound == "lower"
    assert "mixed" not in found


def test_two_bounds_have_no_ratio():
    records = crossed()[:2]
    bounds = [r.D_cm2_s.model_copy(update={"bound": "upper"}) for r in records]
    both = [r.model_copy(update={"D_cm2_s": b}) for r, b in zip(records, bounds, strict=True)]
    row = cross_rows(parse_study(TEXT, "study.toml"), system_results(both))[-1]
    assert row["value"] is None
    assert row["remarks"] == "both D are bounds: no ratio"
    assert printed_cross_rows([row])[0]["value"] == "both D are bounds: no ratio"


def test_the_transition_is_remarked_of_full_crystals_alone():
    cold = [record(700.0), *LADDER]
    assert any("tetragonal" in remark for remark in system_results(cold)[0].remarks)
    glass = [r.model_copy(update={"kind": "glass"}) for r in cold]
    assert not any("tetragonal" in remark for remark in system_results(glass)[0].remarks)
    (row,) = rows_of(system_results(cold))
    assert "beyond" in row["remarks_300K"]


def test_csv_has_the_columns_of_all_rows():
    text = as_csv([{"a": 1.0 / 3, "b": "x, y"}, {"a": 2, "c": None}])
    assert text.splitlines() == ["a,b,c", '0.333333333,"x, y",', "2,,"]


def test_figures_have_what_they_compare():
    results = system_results([*LADDER, *crossed(), record(1100.0, 1e-6, kind="glass", made="a")])
    figure = diffusivity_against_density(results, 1100.0)
    (axes,) = figure.axes
    assert "1100 K" in axes.get_ylabel()
    assert axes.get_yscale() == "log"
    assert len(axes.containers) == 2  # the crystal and the glass that were run at 1100 K
    assert len(activation_against_density(results).axes[0].containers) == 1
    assert "1000 / T" in arrhenius_lines(results).axes[0].get_xlabel()
