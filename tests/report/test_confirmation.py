"""What runs of a confirmation come to, without running any."""

import pytest

from gbopt.analysis.statistics import interval
from gbopt.campaign.confirm import Rung
from gbopt.evaluate.candidate import Job
from gbopt.model.evaluation import Status
from gbopt.model.spec import GBSpec
from gbopt.report.confirmation import summarise
from gbopt.report.ladders import conductance
from tests.report.factory import config, estimate, finished

ASR = "area_specific_resistance"


def rung(role, temperature_K, replica, evaluation):
    job = Job(number=0, replicate=replica, requested={}, params={}, spec=evaluation.spec)
    return Rung(role, temperature_K, replica, job), evaluation


def results(best, reference, bound=None):
    """Values of log10 of the objective at 1100 K; the last of the best may be a bound."""
    found = []
    for role, values in (("best", best), ("reference", reference)):
        for replica, value in enumerate(values):
            last = role == "best" and replica == len(values) - 1
            evaluation = finished(replica, value, 0.02, bound=bound if last else None)
            rho = estimate(1.0, 0.05, "ohm cm")
            observables = evaluation.observables | {"bulk_resistivity": rho}
            evaluation = evaluation.model_copy(update={"observables": observables})
            found.append(rung(role, 1100.0, replica, evaluation))
    return found


def with_asr(asr):
    evaluation = finished(0)
    return evaluation.model_copy(update={"observables": evaluation.observables | {ASR: asr}})


def test_the_best_is_better_where_its_replicas_are():
    found = summarise(config(), results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32)))
    assert found.better is not None
    assert found.better.factor == pytest.approx(10**0.32, rel=0.01)
    assert "better beyond seed noise" in found.sentences()[0]
    assert "6 of 6 runs resolved" in found.sentences()[0]


def test_the_best_is_held_against_a_choice_at_random():
    design = [finished(n, value, 0.02) for n, value in enumerate((1.1, 1.5, 1.2, 1.6))]
    found = summarise(config(), results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32)), design)
    better = found.better_than_random
    assert better.factor == pytest.approx(10**0.35, rel=0.01)
    # What the boundaries differ by is in the interval: 0.24 decades, of four values.
    assert better.log10_factor.std_err == pytest.approx(0.24 / 2, rel=0.05)
    assert "is 2.24 times the resistance of the best" in found.sentences()[2]
    # One that was ended early as worse looked bad: what it has at least is below its value.
    pruned = finished(3, 1.6, 0.02)
    lower = interval(pruned.objective, 0.95)[0]
    design[3] = pruned.model_copy(update={"status": Status.PRUNED})
    found = summarise(config(), results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32)), design)
    least = 10 ** ((1.1 + 1.5 + 1.2 + lower) / 4 - 1.0)
    assert lower < 1.57
    assert found.better_than_random.factor == pytest.approx(least, rel=0.001)
    assert (
        f"is at least {least:.3g} times the resistance of the best (above "
        in (found.sentences()[2])
    )
    assert summarise(config(), results((1.0, 1.02), (1.3, 1.34))).better_than_random is None


def test_a_replica_of_the_best_that_is_only_bounded_from_below_is_not_left_out():
    found = summarise(config(), results((1.0, 1.02, 2.0), (1.3, 1.34, 1.32), bound="lower"))
    assert found.better is None
    assert "No comparison" in found.sentences()[0]
    assert found.rows()[0]["resolved"] == "2 of 3"


def test_what_failed_its_checks_or_was_not_run_is_said():
    runs = results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32))
    role, bad = runs[0][0], finished(0, 1.0, 0.02, flags={"temperature": "fail"})
    found = summarise(config(confirm={"temperatures_K": [500, 1100]}), [(role, bad), *runs[1:]])
    assert found.missing_K == [500]
    assert "Nothing was run at 500 K: trace.jsonl in the run folder has the reason." in (
        found.remarks()
    )
    assert "In 1 of 6 runs the check temperature failed." in found.remarks()
    warned = finished(0, 1.0, 0.02, flags={"grain_thickness": "warn", "lag": "ok"})
    found = summarise(config(), [(role, warned), *runs[1:]])
    assert "In 1 of 6 runs the check grain_thickness warns." in found.remarks()
    assert not any("lag" in remark for remark in found.remarks())
    assert not any("check" in remark for remark in summarise(config(), runs).remarks())


def test_the_bulk_reference_counts_once_at_each_temperature():
    runs = results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32))
    hotter = [(r._replace(temperature_K=1200.0), e) for r, e in runs]
    (bulk,) = (
        ladder for ladder in summarise(config(), runs + hotter).ladders if ladder.of == "bulk"
    )
    # ln sigma of two temperatures, each with the 5 % of the one reference: not with less.
    one = conductance([e for _, e in runs], "bulk_resistivity")
    assert one.std_err == pytest.approx(0.05, rel=0.01)
    step = 1 / 8.617333e-5 * (1 / 1100 - 1 / 1200)
    assert bulk.fit.Ea_eV.std_err == pytest.approx(0.05 * 2**0.5 / step, rel=0.02)


def test_each_replica_is_a_ladder_of_its_own():
    """Other seeds lie a factor apart, at all temperatures alike: the slope is sharp."""
    whole = []
    for T, shift in ((1000.0, 0.2), (1100.0, 0.0), (1200.0, -0.16)):
        for r, e in results((1.0 + shift, 1.3 + shift, 0.7 + shift), (2.0, 2.0, 2.0)):
            whole.append((r._replace(temperature_K=T), e))
    found = summarise(config(), whole)
    sharp = next(ladder for ladder in found.ladders if ladder.of == "best").fit.Ea_eV
    assert "of replicas" in sharp.method
    # A run is missing: its replica is left out, which is said.
    part = summarise(config(), whole[1:])
    fit = next(ladder for ladder in part.ladders if ladder.of == "best").fit
    assert fit.Ea_eV.std_err < 3 * sharp.std_err
    assert any("1 of 3 replicas lack a temperature" in remark for remark in part.remarks())
    # A temperature that one replica only bounds is left out; that a whole one lacks it is no harm.
    low = results((1.2, 1.5, 0.9), (2.0, 2.0, 2.0), bound="lower")
    cold = [(r._replace(temperature_K=900.0), e) for r, e in low if r.replica != 1]
    hot = [x for x in whole if x[0][:3] != ("best", 1200.0, 2)]
    fit = next(x for x in summarise(config(), hot + cold).ladders if x.of == "best").fit
    assert fit is not None
    assert "of replicas" in fit.Ea_eV.method
    assert fit.temperatures_K == (1000.0, 1100.0, 1200.0)
    assert any("900 K" in warning for warning in fit.warnings)
    # With one whole replica the means are fitted, with what the seeds differ by at each point.
    part = summarise(config(), [*whole[1:7], *whole[8:]])
    blurred = next(ladder for ladder in part.ladders if ladder.of == "best").fit.Ea_eV
    assert blurred.std_err > 3 * sharp.std_err
    assert any("as if each were of other structures" in remark for remark in part.remarks())


def test_the_record_holds_what_is_drawn():
    runs = results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32))
    hotter = [(r._replace(temperature_K=1200.0), e) for r, e in runs]
    found = summarise(config(), runs + hotter)
    rows = [
        row
        for row in found.as_dict()["arrhenius"]
        if (row["boundary"], row["unit"]) == ("best", "S/cm")
    ]
    measured = [row for row in rows if row["what"] == "measured"]
    assert [row["T_K"] for row in measured] == [1100.0, 1200.0]
    assert measured[0]["value"] == pytest.approx(0.1, rel=0.02)
    line = [row for row in rows if row["what"] == "fit"]
    assert (line[0]["T_K"], line[-1]["T_K"]) == (pytest.approx(1200), pytest.approx(300))
    assert line[0]["value"] == pytest.approx(measured[1]["value"])
    assert line[-1]["low"] < line[-1]["value"] < line[-1]["high"]
    shown = found.as_dict()["shown"]
    assert shown["best"].endswith("-1100K-0")
    assert found.as_dict()["improvement"]["factor"] == pytest.approx(10**0.32, rel=0.01)


def test_an_improvement_of_a_bound_has_no_upper_end():
    found = summarise(config(), results((1.0, 1.02, 0.4), (1.3, 1.34, 1.32), bound="upper"))
    record = found.as_dict()["improvement"]
    assert (record["bound"], record["high"]) == ("lower", None)
    assert record["low"] == pytest.approx(found.better.interval(0.95)[0])
    assert f"(above {record['low']:.3g} with a confidence of 97.5 %" in found.sentences()[0]
    assert found.rows()[0]["log10 objective"].startswith("<= ")


def by_field(runs, shift):
    """The same by the field route, where the reference has more by so many decades."""
    made = []
    for r, e in runs:
        asr = 1e-7 * 10 ** (0.01 * r.replica + (shift if r.role == "reference" else 0))
        route = {
            "conductivity_through_plane": estimate(0.4, 0.02, "S/cm"),
            "conductivity_collective": estimate(0.5, 0.4, "S/cm"),
            "conductivity_field": estimate(0.6, 0.1, "S/cm"),
            ASR: estimate(1e-7, 1e-8, "ohm cm2"),
            f"{ASR}_field": estimate(asr, 0.05 * asr, "ohm cm2"),
            "resistance_ratio_field": estimate(1.5, 0.2),
        }
        made.append((r, e.model_copy(update={"observables": e.observables | route})))
    return made


def test_the_field_route_stands_beside_the_tracer_one():
    found = summarise(config(), by_field(results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32)), 0.5))
    rows = found.as_dict()["routes"]
    assert [(row["boundary"], row["route"]) for row in rows] == [
        (role, route)
        for role in ("best", "reference")
        for route in ("tracer", "collective", "field")
    ]
    # The bulk reference is that of all three: their mean is not known better than one of them.
    assert rows[2]["ASR (ohm cm2)"] == "1.02(5)e-07"
    # Not told from zero, a conductivity has no resistance.
    assert (rows[1]["ASR (ohm cm2)"], rows[1]["runs with ASR"]) == (None, 0)
    assert rows[1]["conductivity (S/cm)"] == "0.5(2)"
    said = next(s for s in found.sentences() if "by the field route" in s)
    assert "the reference has 3.16 times that of the best (95 % interval " in said
    assert said.endswith("; 3 of 3 runs of the best and 3 of 3 of the reference show one.")
    # No comparison of means is surer of a bulk that all runs share than one run is.
    low, high = (float(x) for x in said.split("interval ")[1].split(")")[0].split(" to "))
    assert low < 10 ** (0.5 - 2 * 0.05 / 2.303 * 2**0.5)
    assert high > 10 ** (0.5 + 2 * 0.05 / 2.303 * 2**0.5)
    said = next(s for s in found.sentences() if "by the collective route" in s)
    assert said.endswith(
        "no comparison: 0 of 3 runs of the best and 0 of 3 of the reference show one."
    )
    numbers = found.as_dict()["evaluations"]
    assert [row["role"] for row in numbers] == ["best"] * 3 + ["reference"] * 3
    assert numbers[0][f"{ASR}_field_unit"] == "ohm cm2"


@pytest.mark.parametrize(("bound", "expected"), [("lower", "upper"), (None, None)])
def test_the_bound_of_a_conductance_is_that_of_the_resistance_upside_down(bound, expected):
    one = estimate(2e-6, 2e-7, "ohm cm2", bound)
    assert conductance([with_asr(one), with_asr(one)], ASR).bound == expected


def test_a_resistance_lost_in_noise_bounds_the_conductance_from_below():
    lost = with_asr(estimate(1e-8, 3e-8, "ohm cm2"))
    assert conductance([lost, lost], ASR).bound == "lower"


def test_the_finding_says_what_the_factor_is_against():
    runs = results((1.0, 1.02, 0.98), (1.3, 1.34, 1.32))
    plain = summarise(config(), runs)
    assert "The reference is the conventional boundary Sigma17 (530)" in plain.sentences()[1]
    assert plain.better_per_area is None
    flags = {"film_melted": "ok", "film_disordered": "ok", "film_whole": "ok"}
    film = {"thickness_A": 20.0, "li_per_formula_unit": 6.5}
    made = []
    for r, e in runs:
        if r.role == "best":
            made.append((r, e))
            continue
        spec = GBSpec(plane=(3, 1, 0), film=film, crystal_A=14.0, seed=r.replica)
        levels = flags if r.replica else flags | {"film_melted": "fail"}
        more = finished(r.replica, flags=levels).flags
        made.append((r, e.model_copy(update={"spec": spec, "flags": more})))
    found = summarise(config(confirm={"reference": "glass film"}), made)
    said = found.sentences()
    assert "has 2.09 times the resistance" in said[0]
    assert "film of LLZO glass: Sigma5 (310)[001] 36.87 deg, glass film 20 A, Li6.5" in said[1]
    assert "in 2 of 3 runs it passed as molten, disordered and whole" in said[1]
    assert said[2].startswith("Per area the film has ")
    assert found.as_dict()["reference"] == "glass film"
