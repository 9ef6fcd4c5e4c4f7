"""Li diffusivities of crystals, activation energies, and what strain does to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gbopt.analysis.arrhenius import fit_arrhenius
from gbopt.analysis.statistics import combine, propagate
from gbopt.config.study import (
    CrystalsConfig,
    DynamicsConfig,
    NetworkConfig,
    StudyConfig,
    VibrationConfig,
)
from gbopt.crystal.llzo import CUBIC_A
from gbopt.disorder.dynamics import do_run
from gbopt.disorder.measure import Measured as RunMeasured
from gbopt.disorder.records import RunRecord
from gbopt.disorder.setup import Setup, choose_engines
from gbopt.disorder.systems import Run, runs
from gbopt.errors import MDError
from gbopt.evaluate.engines import on_its_gpu
from gbopt.md.engine import EngineSettings
from gbopt.model.evaluation import Failure
from gbopt.model.observables import Estimate
from gbopt.potentials.library import get_potential
from gbopt.validate.check import Bench, Measured, plain
from gbopt.validate.findings import Finding

_LABEL = "p"
"""Of the one potential of a study."""
_COMPARED_K = 1100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystals:
    """Cubic LLZO under a potential, NVT, at volumes and temperatures."""

    label: str
    potential: str
    volumes: tuple[float, ...] = ()
    """Over the experimental one; none: that of the potential at temperature and 1 atm."""
    temperatures_K: tuple[float, ...] = (_COMPARED_K,)
    replicas: int = 1
    cells: int = 1
    """Conventional cells along each edge: 1 gives 192 ions."""
    equilibrate_ps: float
    production_ps: float
    lag_ps: float
    seed: int = 20261127

    @property
    def all_volumes(self) -> tuple[float, ...]:
        """Volumes to run at, over the experimental one."""
        if self.volumes:
            return self.volumes
        edge_A = get_potential(self.potential).lattice_A
        return (round((edge_A / CUBIC_A) ** 3, 4),)


def measure_crystals(spec: Crystals, bench: Bench) -> Measured:
    """D at every volume and temperature, and Ea where there are several temperatures."""
    D, settings, engine = diffusivities(spec, bench)
    found = [
        Finding(
            key=_key(f"D {T:g} K", spec, volume),
            quantity=f"D of Li at {T:g} K, {spec.label}, {_at(spec, volume)}",
            ours=estimate,
            note=note,
        )
        for (volume, T), (estimate, note) in D.items()
    ]
    if len(spec.temperatures_K) > 1:
        found += [_activation(spec, volume, D) for volume in spec.all_volumes]
    return Measured(tuple(found), engine, plain(settings))


def measure_strain(spec: Crystals, bench: Bench) -> Measured:
    """D at every volume, and each over that at the volume next to 100 %."""
    plain_D = measure_crystals(spec, bench)
    D = {
        volume: finding.ours
        for volume, finding in zip(sorted(spec.all_volumes), plain_D.findings, strict=True)
    }
    nearest = min(D, key=lambda volume: abs(volume - 1))
    found = [
        Finding(
            key=f"strain {100 * volume:g} %/{spec.label}",
            quantity=f"D at {100 * volume:g} % over D at {100 * nearest:g} % of volume, "
            f"{spec.temperatures_K[0]:g} K, {spec.label}",
            ours=ratio(D[volume], D[nearest]),
            note=plain_D.findings[0].note,
        )
        for volume in D
        if volume != nearest
    ]
    return plain_D._replace(findings=(*plain_D.findings, *found))


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """One figure over another, with its error."""
    value = above.value / below.value
    bound = "upper" if above.bound and not below.bound else None
    bound = "lower" if below.bound and not above.bound else bound
    return propagate(
        value,
        [(1 / below.value, above), (-value / below.value, below)],
        unit="",
        method="ratio",
        bound=bound,  # type: ignore[arg-type]
    )


def _key(what: str, spec: Crystals, volume: float) -> str:
    return f"{what}/{spec.label}/{f'{100 * volume:g} %' if spec.volumes else '1 atm'}"


def _at(spec: Crystals, volume: float) -> str:
    share = f"{100 * volume:.4g} % of the experimental volume"
    return share if spec.volumes else f"lattice of 1 atm ({share})"


def _activation(
    spec: Crystals, volume: float, D: dict[tuple[float, float], tuple[Estimate, str]]
) -> Finding:
    points = [(T, estimate) for (v, T), (estimate, _) in D.items() if v == volume]
    fit = fit_arrhenius(points, quantity="diffusivity")
    low, high = min(spec.temperatures_K), max(spec.temperatures_K)
    return Finding(
        key=_key("Ea", spec, volume),
        quantity=f"Ea of Li between {low:g} and {high:g} K, {spec.label}, {_at(spec, volume)}",
        ours=fit.Ea_eV,
        note=f"{len(points)} temperatures; {D[volume, low][1]}",
    )


def diffusivities(
    spec: Crystals, bench: Bench
) -> tuple[dict[tuple[float, float], tuple[Estimate, str]], EngineSettings, str]:
    """D by volume and temperature with how it was got, the engine and its version.

    Raises:
        MDError: a run failed.
    """
    config = _study(spec, bench)
    choices = choose_engines(config, [_LABEL], bench.folder, lambda _: None)
    settings = on_its_gpu(choices[_LABEL].settings, bench.slot)
    setup = Setup(config, bench.folder, {_LABEL: settings})
    records: dict[tuple[float, float], list[RunRecord]] = {}
    for run in runs(config, "crystal"):
        record = _done(setup, run, settings)
        records.setdefault((run.system.volume, run.temperature_K), []).append(record)
    found = {where: _together(each) for where, each in sorted(records.items())}
    return found, settings, record.provenance.engine


def _study(spec: Crystals, bench: Bench) -> StudyConfig:
    return StudyConfig(
        name="validation",
        question="Does the crystal diffuse as published?",
        seed=spec.seed,
        cells=spec.cells,
        potentials={_LABEL: spec.potential},
        crystals=(CrystalsConfig(potentials=(_LABEL,), volume=spec.all_volumes),),
        dynamics=DynamicsConfig(
            temperatures_K=spec.temperatures_K,
            replicas=spec.replicas,
            equilibrate_ps=spec.equilibrate_ps,
            production_ps=spec.production_ps,
            lag_ps=spec.lag_ps,
            timestep_ps=0.002,
            frame_ps=0.1,
        ),
        network=NetworkConfig(temperatures_K=()),
        vibration=VibrationConfig(temperatures_K=()),
        run=bench.run,
    )


def _done(setup: Setup, run: Run, settings: EngineSettings) -> RunRecord:
    do_run(setup, run, settings, _nothing_to_draw)
    text = setup.run_result(run).read_text(encoding="utf-8")
    record = RunRecord.model_validate_json(text)
    if record.failure is not None:
        raise _failed(record.name, record.failure)
    return record


def _failed(name: str, failure: Failure) -> MDError:
    return MDError(
        f"{name}: {failure.cause}",
        hint=failure.hint,
        stage=failure.stage,
        log_tail=failure.log_tail,
    )


def _nothing_to_draw(measured: RunMeasured, folder: Path) -> None:
    """A check keeps figures alone."""


def _together(records: list[RunRecord]) -> tuple[Estimate, str]:
    """Mean of the replicas, and how it was got: ions, length, what quality checks said."""
    each = [record.D_cm2_s for record in records if record.D_cm2_s is not None]
    D = each[0]
    if len(each) > 1:
        D = combine(each, method=f"{each[0].method}; replicas")
        bounds = {e.bound for e in each if e.bound}
        D = D.model_copy(update={"bound": bounds.pop() if bounds else None})
    flags = [flag for record in records for flag in record.flags if flag.level != "ok"]
    said = dict.fromkeys(flag.message.rstrip(".") for flag in flags)
    first = records[0]
    size = f"{first.cell.n_ions} ions, " if first.cell else ""
    length = f"{size}{len(records)} x {first.production_ps:g} ps"
    return D, "; ".join([length, *said])
