"""The checks of the suite, by tier: every length, size and seed of it stands here.

quick: some 8 minutes of processor time; standard: under two hours of it; full: for a GPU.
"""

from __future__ import annotations

from dataclasses import replace

from gbopt.validate.boundaries import Boundary, measure_boundary
from gbopt.validate.check import Check
from gbopt.validate.coverage import Coverage, Estimator, measure_coverage
from gbopt.validate.dft import DftBoundaries, measure_dft
from gbopt.validate.diffusion import Crystals, measure_crystals, measure_strain
from gbopt.validate.engines import Engines, measure_engines
from gbopt.validate.findings import TIERS, Tier
from gbopt.validate.lattice import Cubic, Tetragonal, measure_cubic, measure_tetragonal

GIVEN = "the given potential"
_LATTICE, _DIFFUSION, _ENERGY = "Lattice", "Diffusion in crystals", "Boundary energies"
_BOUNDARY, _ESTIMATORS, _ENGINES = "Transport in boundaries", "Estimators", "Engines"
SECTIONS = (_LATTICE, _DIFFUSION, _ENERGY, _BOUNDARY, _ESTIMATORS, _ENGINES)
"""Of the table, in order."""

_SETS = {
    "set C": "llzo-buckingham-c",
    "set D": "llzo-buckingham-d",
    "CIP": "kozinsky-grieder-cip",
}
_C, _CIP = _SETS["set C"], _SETS["CIP"]
_AT_ZERO_PRESSURE = ("set C", "set D")
"""Those that have the lattice of LLZO there."""
_CUBIC_K = (900.0, 1000.0, 1100.0, 1200.0)
_BOUNDARIES = ("Sigma5(310)[001]", "Sigma5(210)[001]", "Sigma3(112)[1-10]")
# Runs of each estimator in the quick tier, and what one costs, s.
_RUNS: dict[Estimator, tuple[int, float]] = {
    "D": (200, 0.055),
    "R slow layer": (150, 0.14),
    "R density step": (150, 0.15),
    "Einstein-Helfand": (400, 0.028),
    "Ea": (4000, 0.0004),
}


def suite(tier: Tier, potential: str | None = None) -> tuple[Check, ...]:
    """The checks of a tier and of those below it, tier by tier, the dearest of each first.

    Args:
        tier: quick, standard or full.
        potential: name or file of one more potential, such as a learned one.
    """
    made = [*_quick(), *_standard(), *_full()]
    if potential is not None:
        made += _of_given(potential)
    wanted = TIERS[: TIERS.index(tier) + 1]
    return tuple(
        sorted(
            (check for check in made if check.tier in wanted),
            key=lambda check: (TIERS.index(check.tier), -check.cpu_s),
        )
    )


def _quick() -> list[Check]:
    checks = [
        Check(
            name=f"lattice t {label}",
            section=_LATTICE,
            tier="quick",
            cpu_s=15,
            spec=Tetragonal(label=label, potential=potential),
            measure=measure_tetragonal,
        )
        for label, potential in _SETS.items()
    ]
    checks += [
        Check(
            name=f"engines {label}",
            section=_ENGINES,
            tier="quick",
            cpu_s=8,
            spec=Engines(label=label, potential=_SETS[label]),
            measure=measure_engines,
        )
        for label in ("set C", "CIP")
    ]
    for label in _AT_ZERO_PRESSURE:
        checks += [
            _cubic("quick", 60, Cubic(label=label, potential=_SETS[label], npt_ps=15.0)),
            _crystals("quick", 50, _short(label)),
        ]
    checks.append(_crystals("quick", 100, replace(_short("CIP"), volumes=(1.01, 1.07))))
    static = DftBoundaries(label="set C", potential=_C, relaxed=False)
    return [*checks, _dft("quick", 25, static), *_coverage("quick", 1)]


def _standard() -> list[Check]:
    checks = [_dft("standard", 80, DftBoundaries(label="set C", potential=_C, relaxed=True))]
    for label in _AT_ZERO_PRESSURE:
        wide = Cubic(label=label, potential=_SETS[label], cells=2, npt_ps=20.0)
        ladder = replace(_long(label), temperatures_K=_CUBIC_K)
        checks += [_cubic("standard", 330, wide), _crystals("standard", 350, ladder)]
    cip = replace(_long("CIP"), replicas=2)
    # Of the published size: with 192 ions D is a third larger.
    published = replace(_long("CIP"), cells=2, production_ps=80.0)
    ladder = replace(published, volumes=(1.01,), temperatures_K=(700.0, 900.0, 1100.0))
    expanded = _crystals("standard", 500, replace(published, volumes=(1.07,)))
    checks += [
        _crystals("standard", 1500, ladder),
        replace(expanded, name="diffusion CIP expanded"),
        _strain("standard", 500, replace(cip, volumes=(0.85, 1.01, 1.12))),
    ]
    bulk = replace(_long("set C"), production_ps=60.0, lag_ps=3.0)
    checks += [
        _boundary(
            "standard",
            450,
            Boundary(
                name=name,
                potential=_C,
                bulk=bulk,
                npt_ps=10.0,
                nvt_ps=10.0,
                production_ps=60.0,
                lag_ps=3.0,
            ),
        )
        for name in _BOUNDARIES[:2]
    ]
    return [*checks, *_coverage("standard", 4)]


def _full() -> list[Check]:
    checks = []
    for label in _AT_ZERO_PRESSURE:
        wide = Cubic(label=label, potential=_SETS[label], cells=2, replicas=4, npt_ps=200.0)
        ladder = replace(_longest(label), temperatures_K=_CUBIC_K)
        checks += [_cubic("full", 8e3, wide), _crystals("full", 1e5, ladder)]
    cip = _longest("CIP")
    ladder = replace(cip, volumes=(1.01, 1.07), temperatures_K=(700.0, 900.0, 1100.0, 1300.0))
    checks += [
        _crystals("full", 2e5, ladder),
        _strain("full", 1e5, replace(cip, volumes=(0.85, 0.9, 0.95, 1.01, 1.07, 1.12))),
    ]
    checks += [
        _boundary(
            "full",
            1e5,
            Boundary(
                name=name,
                potential=_C,
                bulk=_longest("set C"),
                crystal_A=40.0,
                translations=200,
                replicas=3,
                npt_ps=50.0,
                nvt_ps=50.0,
                production_ps=1000.0,
                lag_ps=5.0,
            ),
        )
        for name in _BOUNDARIES
    ]
    return [*checks, *_coverage("full", 40)]


def _of_given(potential: str) -> list[Check]:
    """What a potential that the user gives is run through; a learned one is slow on a CPU."""
    one = Crystals(
        label=GIVEN, potential=potential, equilibrate_ps=4.0, production_ps=40.0, lag_ps=2.0
    )
    ladder = replace(
        _longest("set C"),
        label=GIVEN,
        potential=potential,
        temperatures_K=_CUBIC_K,
        production_ps=200.0,
    )
    return [
        _dft("quick", 60, DftBoundaries(label=GIVEN, potential=potential, relaxed=False)),
        _crystals("standard", 300, one),
        _crystals("full", 1e5, ladder),
        _cubic("full", 1e4, Cubic(label=GIVEN, potential=potential, cells=2)),
    ]


def _short(label: str) -> Crystals:
    return Crystals(
        label=label,
        potential=_SETS[label],
        equilibrate_ps=2.0,
        production_ps=40.0,
        lag_ps=2.0,
    )


def _long(label: str) -> Crystals:
    return replace(_short(label), equilibrate_ps=10.0, production_ps=100.0, lag_ps=4.0)


def _longest(label: str) -> Crystals:
    return replace(
        _short(label), equilibrate_ps=100.0, production_ps=1000.0, lag_ps=5.0, cells=2, replicas=3
    )


def _cubic(tier: Tier, cpu_s: float, spec: Cubic) -> Check:
    return Check(
        name=f"lattice c {spec.label}",
        section=_LATTICE,
        tier=tier,
        cpu_s=cpu_s,
        spec=spec,
        measure=measure_cubic,
    )


def _crystals(tier: Tier, cpu_s: float, spec: Crystals) -> Check:
    return Check(
        name=f"diffusion {spec.label}",
        section=_DIFFUSION,
        tier=tier,
        cpu_s=cpu_s,
        spec=spec,
        measure=measure_crystals,
    )


def _strain(tier: Tier, cpu_s: float, spec: Crystals) -> Check:
    return Check(
        name=f"strain {spec.label}",
        section=_DIFFUSION,
        tier=tier,
        cpu_s=cpu_s,
        spec=spec,
        measure=measure_strain,
    )


def _dft(tier: Tier, cpu_s: float, spec: DftBoundaries) -> Check:
    return Check(
        name=f"dft {'relaxed' if spec.relaxed else 'static'} {spec.label}",
        section=_ENERGY,
        tier=tier,
        cpu_s=cpu_s,
        spec=spec,
        measure=measure_dft,
    )


def _boundary(tier: Tier, cpu_s: float, spec: Boundary) -> Check:
    return Check(
        name=f"boundary {spec.name.partition('[')[0]}",
        section=_BOUNDARY,
        tier=tier,
        cpu_s=cpu_s,
        spec=spec,
        measure=measure_boundary,
    )


def _coverage(tier: Tier, times: int) -> list[Check]:
    """Estimators on media, so many times as often as in the quick tier."""
    return [
        Check(
            name=f"coverage {estimator}",
            section=_ESTIMATORS,
            tier=tier,
            cpu_s=times * runs * each_s,
            spec=Coverage(estimator=estimator, runs=times * runs),
            measure=measure_coverage,
        )
        for estimator, (runs, each_s) in _RUNS.items()
    ]
