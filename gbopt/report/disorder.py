"""The tables and figures of a study, written into its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gbopt.analysis.pairs import PairResult
from gbopt.analysis.vibration import SpectrumResult
from gbopt.disorder.curves import Curves, load_curves
from gbopt.disorder.measure import Measured
from gbopt.disorder.records import RunRecord
from gbopt.disorder.setup import Setup
from gbopt.disorder.study import finished
from gbopt.disorder.systems import all_runs
from gbopt.report.disorder_figures import (
    activation_against_density,
    arrhenius_lines,
    diffusivity_against_density,
)
from gbopt.report.disorder_tables import (
    Rows,
    SystemResult,
    cross_rows,
    glass_rows,
    run_rows,
    system_results,
    system_rows,
)
from gbopt.report.site_network import write_site_network
from gbopt.report.structure import rdf_figure, vdos_figure
from gbopt.store.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES, FIGURES = "tables", "figures"
# The temperature that D is compared at, as in Grieder et al. (2024), or the nearest that was run.
_COMPARED_K = 1100.0


def write_study(setup: Setup) -> tuple[list[SystemResult], list[Path]]:
    """Write tables (CSV) and figures (PNG, SVG) of all that is done; return them and the files.

    What an earlier call wrote and there is nothing for any more is taken away.
    """
    made, done = finished(setup)
    results = system_results(done)
    tables = {
        "runs": run_rows(done),
        "systems": system_rows(results),
        "cross": cross_rows(setup.config, results),
        "glasses": glass_rows(made),
    }
    paths = []
    for name, rows in tables.items():
        if rows:
            path = setup.folder / TABLES / f"{name}.csv"
            write_atomic(path, as_csv(rows))
            paths.append(path)
    for name, figure in _figures(setup, results):
        for ending in ("png", "svg"):
            path = setup.folder / FIGURES / f"{name}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=160)
            paths.append(path)
    written = set(paths)
    for old in [*setup.folder.glob(f"{TABLES}/*.csv"), *setup.folder.glob(f"{FIGURES}/*.*")]:
        if old not in written:
            old.unlink()
    return results, paths


def draw_run(measured: Measured, folder: Path) -> None:
    """Write tables and pictures of a run's site network, pair functions and vibrations."""
    if measured.network is not None:
        where = folder / "network"
        where.mkdir(exist_ok=True)
        write_site_network(measured.network, where)
    for name, curves in (("pairs", measured.pairs), ("spectrum", measured.spectrum)):
        if curves is not None:
            write_atomic(folder / f"{name}.csv", as_csv(curves.rows()))


def as_csv(rows: Rows) -> str:
    """Rows as CSV, the columns of all of them, floats with nine digits."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f"{v:.9g}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def _figures(setup: Setup, results: list[SystemResult]) -> Iterator[tuple[str, Figure]]:
    temperatures = sorted({T for result in results for T in result.D_cm2_s})
    if not temperatures:
        return
    compared_K = min(temperatures, key=lambda T: abs(T - _COMPARED_K))
    yield "diffusivity_density", diffusivity_against_density(results, compared_K)
    if any(result.fit for result in results):
        yield "activation_density", activation_against_density(results)
        yield "arrhenius", arrhenius_lines(results)
    if pairs := _curves(setup, PairResult):
        yield "pairs", rdf_figure(pairs)
    if spectra := _curves(setup, SpectrumResult):
        yield "vibrations", vdos_figure(spectra)


def _curves(setup: Setup, kind: type[Curves]) -> dict[str, Curves]:
    """Curves of one run of each system, by label, all at the temperature that most have."""
    found: dict[float, dict[str, Curves]] = {}
    for run in all_runs(setup.config):
        result = setup.run_result(run)
        known = found.setdefault(run.temperature_K, {})
        if not result.exists() or run.system.label in known:
            continue
        record = RunRecord.model_validate_json(result.read_text(encoding="utf-8"))
        curves = load_curves(kind, setup.run_folder(run)) if record.usable else None
        if curves is not None:
            known[run.system.label] = curves
    if not any(found.values()):
        return {}
    T = max(sorted(found), key=lambda T: len(found[T]))
    return {f"{label}, {T:g} K": curves for label, curves in found[T].items()}
