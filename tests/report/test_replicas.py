"""Means over replicas that subtract one and the same bulk crystal."""

import numpy as np
import pytest

from gbopt.analysis.statistics import combine, interval
from gbopt.report.replicas import compared, mean_of, own_log
from tests.report.factory import estimate, finished

ASR, RHO, FACTOR = "area_specific_resistance", "gb_resistivity", "blocking_factor"
LENGTH_CM, WIDTH_CM = 30e-8, 14e-8  # of half a cell of the factory
BULK, BULK_ERROR = 1.0, 0.04
SLAB, SLAB_ERROR = 6e-7, 0.04e-7
TRUTHS = [
    (ASR, 3e-7),
    (RHO, 3e-7 / WIDTH_CM + BULK),
    (FACTOR, 3e-7 / WIDTH_CM / BULK + 1),
]


def replicas(rng, n=4, rho=None, slab=SLAB):
    """A boundary that resists as much as its grains, run n times beside one bulk reference."""
    rho = rho or BULK + BULK_ERROR * rng.normal()
    found = []
    for trial in range(n):
        asr = slab + SLAB_ERROR * rng.normal() - LENGTH_CM * rho
        figures = {
            ASR: estimate(asr, np.hypot(SLAB_ERROR, LENGTH_CM * BULK_ERROR), "ohm cm2"),
            RHO: estimate(
                asr / WIDTH_CM + rho,
                np.hypot(SLAB_ERROR / WIDTH_CM, (1 - LENGTH_CM / WIDTH_CM) * BULK_ERROR),
                "ohm cm",
            ),
            "bulk_resistivity": estimate(rho, BULK_ERROR, "ohm cm"),
            FACTOR: estimate(
                (asr / WIDTH_CM + rho) / rho,
                np.hypot(SLAB_ERROR, (asr / rho + LENGTH_CM) * BULK_ERROR) / WIDTH_CM / rho,
            ),
        }
        evaluation = finished(trial)
        observables = evaluation.observables | figures
        found.append(evaluation.model_copy(update={"observables": observables}))
    return found


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("name", "truth"), TRUTHS)
def test_the_error_of_a_mean_is_what_it_scatters_by(name, truth, log):
    rng = np.random.default_rng(3)
    means = [mean_of(replicas(rng), name, log=log) for _ in range(400)]
    quoted = np.sqrt(np.mean([m.std_err**2 for m in means]))
    scatter = np.std([m.value for m in means])
    assert quoted == pytest.approx(scatter, rel=0.1)
    truth = np.log10(truth) if log else truth
    covered = [low < truth < high for low, high in (interval(m, 0.95) for m in means)]
    assert np.mean(covered) > 0.92
    # Taken for independent, the errors of four runs are half of what they are.
    naive = combine([e.observables[name] for e in replicas(rng)], method="")
    plain = mean_of(replicas(rng), name)
    assert naive.std_err < 0.65 * plain.std_err


def test_replicas_differ_by_their_own_errors_alone():
    rng = np.random.default_rng(4)
    runs = replicas(rng, n=200)
    values = [own_log(run, RHO) for run in runs]
    own = np.sqrt(np.mean([v.std_err**2 for v in values]))
    assert own == pytest.approx(np.std([v.value for v in values]), rel=0.15)


def test_a_figure_without_the_bulk_in_it_is_averaged_plainly():
    runs = [finished(n) for n in range(3)]
    expected = combine([r.observables["li_enrichment_ratio"] for r in runs], method="")
    found = mean_of(runs, "li_enrichment_ratio")
    assert (found.value, found.std_err) == (expected.value, expected.std_err)
    assert found.n_eff == pytest.approx(expected.n_eff)


def test_what_replicas_differ_by_is_in_the_error_and_a_lower_bound_makes_the_mean_one():
    ler = "li_enrichment_ratio"

    def told(*figures):
        runs = [finished(n) for n in range(len(figures))]
        return [
            run.model_copy(update={"observables": run.observables | {ler: figure}})
            for run, figure in zip(runs, figures, strict=True)
        ]

    close = mean_of(told(estimate(1.0, 0.3), estimate(1.2, 0.4)), ler)
    assert (close.value, close.std_err) == (pytest.approx(1.1), pytest.approx(0.25))
    apart = mean_of(told(estimate(1.0, 0.1), estimate(3.0, 0.1, bound="lower")), ler)
    assert (apart.std_err, apart.bound) == (pytest.approx(1.0), "lower")
    alone = estimate(1.0, 0.3, bound="lower")
    assert mean_of(told(alone), ler) == alone


@pytest.mark.parametrize("name", [ASR, RHO])
def test_a_factor_holds_of_the_bulk_error_what_does_not_cancel(name):
    """Two boundaries beside one bulk reference, one with 1.25 times the slab resistance."""
    rng = np.random.default_rng(6)
    asr = {slab: slab - LENGTH_CM * BULK for slab in (SLAB, 1.25 * SLAB)}
    of = (lambda a: a) if name == ASR else (lambda a: a / WIDTH_CM + BULK)
    truth = np.log10(of(asr[1.25 * SLAB]) / of(asr[SLAB]))
    found = []
    for _ in range(300):
        rho = BULK + BULK_ERROR * rng.normal()
        best, other = (replicas(rng, rho=rho, slab=slab) for slab in asr)
        found.append(compared(best, other, name).log10_factor)
    covered = [low < truth < high for low, high in (interval(f, 0.95) for f in found)]
    assert 0.92 < np.mean(covered) < 0.99
    quoted = np.sqrt(np.mean([f.std_err**2 for f in found]))
    assert quoted == pytest.approx(np.std([f.value for f in found]), rel=0.15)
