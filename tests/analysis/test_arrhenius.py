import math

import numpy as np
import pytest

from gbopt.analysis.arrhenius import ArrheniusFit, Point, fit_arrhenius, fit_replicas
from gbopt.analysis.statistics import combine, interval
from gbopt.errors import AnalysisError
from gbopt.model.observables import Estimate
from gbopt.units import BOLTZMANN_EV_K

EA_EV, D0_CM2_S = 0.30, 3e-4
LADDER_K = (1000.0, 1100.0, 1200.0, 1300.0)
RUNS = 600


def true_D(temperature_K: float) -> float:
    return D0_CM2_S * math.exp(-EA_EV / (BOLTZMANN_EV_K * temperature_K))


def estimate(
    value: float, std_err: float, n_eff: float = 100.0, bound=None, unit: str = "cm2/s"
) -> Estimate:
    return Estimate(value=value, std_err=std_err, unit=unit, n_eff=n_eff, method="", bound=bound)


def ladder(temperatures=LADDER_K, error: float = 0.05) -> list[Point]:
    return [(T, estimate(true_D(T), error * true_D(T))) for T in temperatures]


def noisy_fit(
    rng: np.random.Generator, temperatures: tuple[float, ...], scatter: float = 1.0
) -> ArrheniusFit:
    """A ladder of 5 % errors whose points scatter ``scatter`` times as much."""
    points = []
    for T in temperatures:
        D = true_D(T) * (1 + 0.05 * scatter * rng.normal())
        points.append((T, estimate(D, 0.05 * D)))
    return fit_arrhenius(points, quantity="diffusivity")


def covered(fits: list[ArrheniusFit], level: float) -> tuple[float, float]:
    """Shares of fits whose intervals hold the true Ea and the true D at 300 K."""
    intervals = [(interval(f.Ea_eV, level), f.interval_at(300.0, level)) for f in fits]
    log_D = math.log10(true_D(300.0))
    return (
        float(np.mean([low <= EA_EV <= high for (low, high), _ in intervals])),
        float(np.mean([low <= log_D <= high for _, (low, high) in intervals])),
    )


@pytest.mark.parametrize("temperatures", [LADDER_K, (700.0, 900.0, 1100.0)])
def test_intervals_cover_the_truth_as_often_as_they_claim(temperatures) -> None:
    rng = np.random.default_rng(1)
    fits = [noisy_fit(rng, temperatures) for _ in range(RUNS)]
    assert np.mean([f.Ea_eV.value for f in fits]) == pytest.approx(EA_EV, abs=0.004)
    for share in covered(fits, 0.95):
        assert 0.93 <= share <= 0.985
    for share in covered(fits, 0.68):
        assert 0.64 <= share <= 0.80


def replicated_fits(
    count: int,
    *,
    offset_dex: float,
    Ea_eV: float = 0.0,
    shared: float = 0.0,
    plain: bool = False,
    count_of_replicas: int = 4,
) -> list[ArrheniusFit]:
    """Ladders of replicas with errors of 0.02 decades, each of one structure throughout.

    Args:
        count: how many.
        offset_dex: what the structures differ by at all temperatures.
        Ea_eV: what their activation energies differ by.
        shared: relative error that all replicas at one temperature have in common.
        plain: whether to fit the means as if they were independent.
        count_of_replicas: in each ladder.
    """
    rng = np.random.default_rng(5)
    own = 0.02 * math.log(10)
    middle = 1 / (BOLTZMANN_EV_K * 1150.0)
    fits = []
    for _ in range(count):
        common = 1 + shared * rng.normal(size=len(LADDER_K))
        replicas = []
        for _ in range(count_of_replicas):
            offset, energy = offset_dex * math.log(10) * rng.normal(), Ea_eV * rng.normal()
            logs = [
                offset - energy * (1 / (BOLTZMANN_EV_K * T) - middle) + own * rng.normal()
                for T in LADDER_K
            ]
            values = [true_D(T) * math.exp(x) for T, x in zip(LADDER_K, logs, strict=True)]
            seen = zip(LADDER_K, values, common, strict=True)
            replicas.append({T: estimate(D * c, own * D * c) for T, D, c in seen})
        points = [(T, combine([of[T] for of in replicas], method="")) for T in LADDER_K]
        errors = dict.fromkeys(LADDER_K, estimate(1.0, shared))
        if plain:
            fits.append(fit_arrhenius(points, quantity="diffusivity"))
        else:
            fits.append(fit_replicas(points, replicas, errors, quantity="diffusivity"))
    return fits


def test_what_structures_differ_by_throughout_does_not_blur_the_slope() -> None:
    found, plain = (
        [f.Ea_eV.std_err for f in replicated_fits(100, offset_dex=0.1, plain=way)]
        for way in (False, True)
    )
    # 0.01 decades of a mean of four, over the four temperatures.
    inverse_eV = np.array([1 / (BOLTZMANN_EV_K * T) for T in LADDER_K])
    true = 0.01 * math.log(10) / math.sqrt(((inverse_eV - inverse_eV.mean()) ** 2).sum())
    # The Birge ratio and the variance between replicas are never taken below what is expected.
    assert true < np.mean(found) < 1.4 * true
    assert np.mean(plain) > 3 * np.mean(found)


@pytest.mark.parametrize(
    "of",
    [
        {"offset_dex": 0.0},
        {"offset_dex": 0.1},
        {"offset_dex": 0.1, "shared": 0.05},
        {"offset_dex": 0.1, "count_of_replicas": 2},
        {"offset_dex": 0.1, "count_of_replicas": 3},
        {"offset_dex": 0.05, "Ea_eV": 0.05},
    ],
)
def test_intervals_of_replicas_cover_the_truth_as_often_as_they_claim(of) -> None:
    for share in covered(replicated_fits(400, **of), 0.95):
        assert 0.9 <= share <= 0.99


def test_a_replica_that_shows_nothing_at_a_temperature_is_refused() -> None:
    points = ladder()
    whole = dict(points)
    hidden = whole | {LADDER_K[-1]: estimate(1e-7, 1e-6)}
    missing = {T: D for T, D in points if LADDER_K[0] != T}
    for part in (hidden, missing):
        with pytest.raises(AnalysisError, match="a replica has no resolved value"):
            fit_replicas(points, [whole, part], whole, quantity="diffusivity")


def test_scatter_beyond_the_errors_widens_them() -> None:
    rng = np.random.default_rng(2)
    fits = [noisy_fit(rng, (*LADDER_K, 900.0, 950.0), scatter=3.0) for _ in range(RUNS)]
    assert np.mean([f.chi2 / f.dof for f in fits]) == pytest.approx(9.0, rel=0.1)
    assert min(covered(fits, 0.95)) > 0.85
    honest = noisy_fit(rng, (*LADDER_K, 900.0, 950.0), scatter=0.0)
    assert np.median([f.Ea_eV.std_err for f in fits]) > 2 * honest.Ea_eV.std_err


def test_errors_by_hand() -> None:
    """Two temperatures: Ea is the difference of the logarithms, its error that of both."""
    fit = fit_arrhenius(ladder((1000.0, 1250.0), error=0.1), quantity="diffusivity")
    span = (1 / 1000 - 1 / 1250) / BOLTZMANN_EV_K
    assert fit.Ea_eV.value == pytest.approx(EA_EV)
    assert fit.Ea_eV.std_err == pytest.approx(math.sqrt(2) * 0.1 / span)
    assert fit.ln_prefactor.value == pytest.approx(math.log(D0_CM2_S))
    assert (fit.chi2, fit.dof) == (pytest.approx(0.0, abs=1e-18), 0)
    at = fit.at(1000.0)
    assert at.value == pytest.approx(math.log10(true_D(1000.0)))
    assert at.std_err == pytest.approx(0.1 / math.log(10))
    assert at.unit == "log10(cm2/s)"


def test_a_conductivity_is_fitted_as_sigma_T() -> None:
    points = [(T, estimate(true_D(T) / T, 0.05 * true_D(T) / T, unit="S/cm")) for T in LADDER_K]
    fit = fit_arrhenius(points, quantity="conductivity")
    assert fit.Ea_eV.value == pytest.approx(EA_EV)
    assert fit.ln_prefactor.unit == "ln(S/cm K)"
    assert 10 ** fit.at(700.0).value == pytest.approx(true_D(700.0) / 700.0)


def test_published_diffusivities_of_cubic_llzo() -> None:
    """DFT-trained NEP potential (Yan and Zhu): 0.26 eV by their own fit of these points."""
    published = ((1000.0, 8.58e-6), (1100.0, 1.20e-5), (1200.0, 1.42e-5))
    points = [(T, estimate(D, 0.05 * D)) for T, D in published]
    fit = fit_arrhenius(points, quantity="diffusivity")
    assert 0.26 <= fit.Ea_eV.value <= 0.32
    low, high = fit.interval_at(300.0, 0.95)
    assert low < -8.0 < high  # some 1e-8 cm2/s at room temperature
    assert high - low > 0.4


def test_a_sound_ladder_has_no_warnings() -> None:
    fit = fit_arrhenius(ladder(), quantity="diffusivity")
    assert fit.warnings == ()
    assert fit.warnings_at(900.0) == ()


@pytest.mark.parametrize(
    ("temperatures", "words"),
    [
        ((1000.0, 1100.0, 1200.0), "3 temperatures"),
        ((1000.0, 1100.0, 1200.0, 1200.0), "3 temperatures"),
        ((800.0, 900.0, 1000.0, 1100.0), "tetragonal-cubic"),
        ((890.0, 950.0, 1000.0, 1100.0), "tetragonal-cubic"),
    ],
)
def test_ladders_to_distrust(temperatures, words) -> None:
    (warning,) = fit_arrhenius(ladder(temperatures), quantity="diffusivity").warnings
    assert words in warning


def test_one_phase_alone_is_no_cause_for_warning() -> None:
    for temperatures in ((898.0, 1000.0, 1100.0, 1200.0), (700.0, 750.0, 800.0, 850.0)):
        assert fit_arrhenius(ladder(temperatures), quantity="diffusivity").warnings == ()


def test_far_extrapolation_and_another_phase_are_warned_of() -> None:
    fit = fit_arrhenius(ladder(), quantity="diffusivity")
    far, phase = fit.warnings_at(300.0)
    assert "3.3 times beyond 1000-1300 K" in far
    assert "two sides" in phase
    assert len(fit.warnings_at(600.0)) == 1
    assert "2.3 times" in fit.warnings_at(3000.0)[0]


def test_bounds_and_unresolved_points_are_left_out() -> None:
    odd = [(950.0, estimate(5e-6, 1e-6, bound="upper")), (920.0, estimate(-1e-8, 1e-7))]
    fit = fit_arrhenius([*odd, *ladder()], quantity="diffusivity")
    assert fit.Ea_eV == fit_arrhenius(ladder(), quantity="diffusivity").Ea_eV
    assert fit.temperatures_K == LADDER_K
    bound, unresolved = fit.warnings
    assert "950 K" in bound
    assert "only a bound" in bound
    assert "not above its error" in unresolved


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "two temperatures"),
        (ladder((1000.0,)), "two temperatures"),
        (ladder((1000.0, 1000.0)), "two temperatures"),
        ([*ladder(), (900.0, estimate(1.0, 0.1, unit="S/cm"))], "different units"),
        ([*ladder(), (900.0, estimate(1e-5, 0.0))], "no error"),
        ([*ladder(), (0.0, estimate(1e-5, 1e-6))], "no temperature"),
    ],
)
def test_refusals(points, words) -> None:
    with pytest.raises(AnalysisError, match=words) as refused:
        fit_arrhenius(points, quantity="diffusivity")
    assert refused.value.hint
