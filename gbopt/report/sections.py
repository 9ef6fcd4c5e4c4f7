"""Tables that only the page shows: settings, ranking, health, reference, provenance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gbopt.campaign.space import GBSpace
from gbopt.campaign.view import CampaignView
from gbopt.model.observables import QUANTITIES
from gbopt.potentials.buckingham import get_potential
from gbopt.report.boundaries import boundaries, recommended, scatter
from gbopt.report.tables import Rows, number

_SHOWN = 5


def settings_rows(view: CampaignView) -> Rows:
    """What was searched, under which conditions, and how it was measured."""
    config = view.config
    geometry, md, search, analysis = config.geometry, config.md, config.search, config.analysis
    quantity = QUANTITIES[search.objective]
    return _items(
        {
            "minimised": f"log10 of the {quantity.label} ({quantity.unit})",
            "boundaries": "symmetric tilt about [001], misorientation "
            f"{_range(geometry.misorientation_deg)} deg, mean planes "
            f"{', '.join(f'({p})' for p in geometry.mean_plane)}, disordered slab "
            f"{_range(geometry.width_layers)} layers, crystal {geometry.crystal_A:g} A or more; "
            f"{len(GBSpace(config).geometries)} of these can be built with at most "
            f"{geometry.max_ions:,} ions",
            "conditions": f"{md.temperature_K:g} K, {md.pressure_atm:g} atm, {md.potential}",
            "cores": f"disordered at {md.anneal_temperature_K:g} K for {md.anneal_ps:g} ps, "
            f"cooled in {md.quench_ps:g} ps",
            "run of each": f"NPT {md.npt_ps:g} ps, NVT {md.nvt_ps:g} ps, production "
            f"{md.production_ps:g} ps in steps of {1000 * md.timestep_ps:g} fs",
            "analysis": f"lag {analysis.lag_ps:g} ps, bins of {analysis.bin_A:g} A, "
            f"{analysis.segments} segments behind every error bar",
            "search": f"{search.evaluations} evaluations at most, the first {search.initial} "
            f"space-filling; patience {search.patience}",
        }
    )


def _items(items: dict[str, str]) -> Rows:
    return [{"item": item, "value": value} for item, value in items.items()]


def _range(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"


def best_rows(view: CampaignView) -> Rows:
    """The boundaries of lowest value, and the recommended one wherever it stands."""
    chosen, found = recommended(view), boundaries(view)
    shown = [b for rank, b in enumerate(found) if rank < _SHOWN or b == chosen]
    return [
        {
            "boundary": b.label,
            "recommended": "yes" if b == chosen else "",
            "trials": b.trials,
            "log10_objective": number(b.objective),
            "gb_ohm_cm": number(b.mean("gb_resistivity")),
            "asr_ohm_cm2": number(b.mean("area_specific_resistance")),
            "LER": number(b.mean("li_enrichment_ratio")),
            "OVC": number(b.mean("o_vacancy_fraction")),
            "flags": ", ".join([*(f"{f} (fail)" for f in b.flagged("fail")), *b.flagged("warn")]),
        }
        for b in shown
    ]


def flag_rows(view: CampaignView) -> Rows:
    """How often each check came out how, with the message of the latest that did not pass."""
    flags = [f for e in view.evaluations for f in e.flags]
    rows: Rows = []
    for name in dict.fromkeys(f.name for f in flags):
        own = [f for f in flags if f.name == name]
        counts = {level: sum(f.level == level for f in own) for level in ("ok", "warn", "fail")}
        bad = [f.message for f in own if f.level != "ok"]
        rows.append({"check": name, **counts, "message": bad[-1] if bad else ""})
    return rows


def health_notes(view: CampaignView) -> list[str]:
    """What the reader should know beyond single checks."""
    notes = []
    spread = scatter(boundaries(view))
    if spread is not None:
        notes.append(
            f"Replicates (same geometry, other seed) scatter with chi² per degree of freedom "
            f"{spread[0]:.2g} ({spread[1]} in all); well above 1 means that the quoted errors "
            "miss what differs between seeds."
        )
    edges = _on_edges(view)
    if edges:
        notes.append(
            f"The recommended boundary has the {' and the '.join(edges)} of the space: a better "
            "one may lie beyond it."
        )
    return notes


def _on_edges(view: CampaignView) -> list[str]:
    best = recommended(view)
    if best is None:
        return []
    spec, points = best.evaluations[0].spec, list(GBSpace(view.config).geometries)
    coordinates: dict[str, tuple[float, list[float]]] = {
        "misorientation": (round(spec.misorientation_deg, 4), [angle for _, angle, _ in points]),
        "width": (spec.width_layers, [width for _, _, width in points]),
    }
    return [
        f"{word} {name}"
        for name, (value, values) in coordinates.items()
        for word, edge in (("least", min(values)), ("largest", max(values)))
        if value == edge and min(values) < max(values)
    ]


def bulk_rows(view: CampaignView) -> Rows:
    """The crystal without boundaries under the same conditions."""
    bulk = view.bulk
    if bulk is None:
        return []
    transport = bulk.transport
    return _items(
        {
            "resistivity": str(transport.resistivity_ohm_cm),
            "tracer D of Li": str(transport.D_cm2_s),
            "lattice parameter": str(bulk.lattice_A),
            "Li density": str(transport.li_density_per_A3),
            "conditions": f"{bulk.temperature_K:g} K, {bulk.potential}, lag "
            f"{transport.lag_ps:g} ps",
            "runs": f"{transport.replicas} replicas of {bulk.n_ions:,} ions, "
            f"{bulk.production_ps:g} ps each",
            "key": bulk.key,
        }
    )


def definition_rows() -> Rows:
    """What each reported number means."""
    return _items(
        {q.label + (f" ({q.unit})" if q.unit else ""): q.meaning for q in QUANTITIES.values()}
    )


def provenance_rows(view: CampaignView) -> Rows:
    """What the numbers were made with; several values show that it changed on the way."""
    potential = get_potential(view.config.md.potential)
    made = [e.provenance for e in view.evaluations]
    packages = list(dict.fromkeys(name for p in made for name in p.packages))
    return _items(
        {
            "potential": f"{potential.name} (parameters {potential.key}). {potential.citation}.",
            "its validity": potential.validity,
            "root seed": str(view.config.seed),
            "settings key": view.config.key,
            "settings of the trials": _distinct(p.settings_key for p in made),
            "gbopt": _distinct(p.gbopt_version for p in made),
            "engine": _distinct(p.engine for p in made),
            "Python": _distinct(p.python_version for p in made),
        }
        | {name: _distinct(p.packages.get(name, "none") for p in made) for name in packages}
    )


def _distinct(values: Iterable[Any]) -> str:
    return "; ".join(sorted({str(value) for value in values})) or "no evaluation yet"
