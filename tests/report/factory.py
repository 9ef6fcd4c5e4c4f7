"""Campaigns as data: what a run folder would hold, without running anything."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

from gbopt.analysis.bulk import BulkTransport
from gbopt.campaign.view import CampaignView
from gbopt.config import CampaignConfig
from gbopt.evaluate.bulk import BulkReference
from gbopt.model.evaluation import (
    BoundaryResult,
    Conditions,
    Evaluation,
    Failure,
    QualityFlag,
    Status,
)
from gbopt.model.observables import QUANTITIES, Estimate
from gbopt.model.spec import GBSpec
from gbopt.provenance import Provenance

PLANES = ((5, 3, 0), (7, 1, 0), (4, 1, 0), (5, 1, 0), (3, 2, 0))
QUESTION = "Which small tilt boundary resists Li least at 1100 K?"


def config(**changes: Any) -> CampaignConfig:
    return CampaignConfig.model_validate(
        {
            "name": "small",
            "question": QUESTION,
            "seed": 7,
            "geometry": {
                "misorientation_deg": (12, 30),
                "width_layers": (2, 3),
                "crystal_A": 14.0,
                "max_ions": 2700,
            },
            "search": {"evaluations": 8, "initial": 2},
            **changes,
        }
    )


def estimate(
    value: float,
    std_err: float,
    unit: str = "",
    bound: Literal["lower", "upper"] | None = None,
) -> Estimate:
    return Estimate(
        value=value, std_err=std_err, unit=unit, n_eff=5, method="measured", bound=bound
    )


def bulk() -> BulkReference:
    return BulkReference(
        key="b79fba2ea3ce",
        potential="llzo-buckingham-c",
        engine="LAMMPS",
        temperature_K=1100.0,
        lattice_A=estimate(13.18, 0.001, "A"),
        transport=BulkTransport(
            resistivity_ohm_cm=estimate(1.0, 0.07, "ohm cm"),
            D_cm2_s=estimate(2.4e-5, 1.6e-6, "cm2/s"),
            li_density_per_A3=estimate(0.02445, 5e-6, "A-3"),
            temperature_K=1100.0,
            lag_ps=5.0,
            replicas=2,
        ),
        collective=estimate(2.0, 0.3, "S/cm"),
        at_fields=(),
        inherent_eV=None,
        production_ps=100.0,
        n_ions=1536,
        seconds=60.0,
    )


def finished(
    trial: int,
    log10: float = 0.5,
    err: float = 0.05,
    *,
    plane: int = 0,
    bound: Literal["lower", "upper"] | None = None,
    flags: dict[str, Literal["ok", "warn", "fail"]] | None = None,
) -> Evaluation:
    rho = 10**log10
    values = {
        "gb_resistivity": (rho, rho * math.log(10) * err),
        "area_specific_resistance": ((rho - 1) * 1.4e-7, rho * err * 3e-7),
        "blocking_factor": (rho, rho * 0.1),
        "li_enrichment_ratio": (1.0 + 0.01 * trial, 0.002),
        "o_vacancy_fraction": (0.03 + 0.01 * trial, 0.0005),
    }
    observables = {
        name: estimate(value, error, QUANTITIES[name].unit)
        for name, (value, error) in values.items()
    }
    if bound:
        # What is not resolved counts as the upper end of its one-sided 95 % interval.
        measured = (rho, rho * math.log(10) * err) if bound == "lower" else (0.0, rho / 2.13185)
        least = "lower" if bound == "lower" else None
        observables["gb_resistivity"] = estimate(*measured, "ohm cm", least)
    levels = {"core_hops": "ok", **(flags or {})}
    return Evaluation.model_validate(
        {
            **_question(trial, plane),
            "status": Status.SUSPECT if "fail" in levels.values() else Status.OK,
            "objective": estimate(log10, err, "log10(ohm cm)", bound),
            "observables": observables,
            "boundaries": tuple(
                BoundaryResult(z_A=z, observables=observables) for z in (0.0, 30.0)
            ),
            "flags": tuple(
                QualityFlag(name=n, level=level, measured=1, limit=2, message=f"about {n}")
                for n, level in levels.items()
            ),
            "conditions": Conditions(
                potential="llzo-buckingham-c",
                temperature_K=1100,
                pressure_atm=1,
                production_ps=200,
                lattice_A=13.18,
                composition="Li728La312Zr208O1248",
                n_ions=2496,
                area_A2=506.6,
                length_A=60.0,
                nominal_width_A=14.0,
                oxide_units_removed={"Li2O": 2},
            ),
            "artifacts": {"profiles": "profiles.csv"},
        }
    )


def failed(trial: int, *, plane: int = 0, cause: str = "the cell blew up") -> Evaluation:
    return Evaluation.model_validate(
        {
            **_question(trial, plane),
            "status": Status.MD_FAILED,
            "failure": Failure(
                stage="npt", cause=cause, hint="shorten the step", log_tail="ERROR: lost ions"
            ),
        }
    )


def _question(trial: int, plane: int) -> dict[str, Any]:
    spec = GBSpec(plane=PLANES[plane], width_layers=3, crystal_A=14.0, seed=trial)
    params = {
        "misorientation_deg": round(abs(spec.misorientation_deg), 4),
        "width_layers": 3,
        "mean_plane": spec.mean_plane,
    }
    return {
        "trial": trial,
        "replicate": 0,
        "requested": params,
        "params": params,
        "spec": spec,
        "provenance": Provenance(
            gbopt_version="0.1.0",
            source_key="0" * 12,
            python_version="3.11",
            packages={"numpy": "2"},
            host="here",
            cpu_count=2,
            engine="LAMMPS",
            potential_key="41aa747663f4",
            settings_key="5a36598166a5",
            seed=trial,
            started_utc="2026-01-01T00:00:00+00:00",
            finished_utc=f"2026-01-01T00:{trial + 1:02d}:30+00:00",
        ),
    }


def view(
    *evaluations: Evaluation,
    path: Path = Path("runs/small"),
    stopped: str | None = None,
    running: tuple[dict[str, Any], ...] = (),
    with_bulk: bool = True,
    is_running: bool = False,
    **changes: Any,
) -> CampaignView:
    events: list[dict[str, Any]] = [{"event": "created", "time_utc": "2026-01-01T00:00:00"}]
    if stopped:
        events.append({"event": "stopped", "time_utc": "2026-01-02T00:00:00", "reason": stopped})
    return CampaignView(
        path=path,
        config=config(**changes),
        evaluations=evaluations,
        running=running,
        events=tuple(events),
        bulk=bulk() if with_bulk else None,
        told=(),
        is_running=is_running,
    )


def mixed(**options: Any) -> CampaignView:
    """A bit of everything: a replicate, a suspect one, both bounds, a failure."""
    return view(
        finished(0, 0.40, plane=0),
        finished(1, 0.70, plane=1, flags={"core_hops": "fail", "equilibrated": "warn"}),
        failed(2, plane=2),
        finished(3, 0.44, plane=0),
        finished(4, 1.10, plane=2, bound="lower"),
        finished(5, 0.90, 0.43, plane=3, bound="upper"),
        finished(6, 0.95, plane=4),
        **options,
    )


def write_profiles(run: CampaignView) -> None:
    """Put the profiles of every finished trial where the campaign would."""
    names = ["z_A"]
    for kind in ("n_Li", "n_La", "n_Zr", "n_O"):
        names += [f"{kind}_per_A3", f"{kind}_err"]
    for axis in "xyz":
        names += [f"D_{axis}_cm2_s", f"D_{axis}_err"]
    lines = [",".join(names)]
    rest = ["0.02", "0.001"] * 4 + ["1e-05", "2e-06"] * 3
    lines += [",".join([str(z), *rest]) for z in range(0, 60, 2)]
    for e in run.evaluations:
        folder = run.path / "trials" / f"{e.trial:04d}-{e.spec.key}"
        folder.mkdir(parents=True)
        (folder / "profiles.csv").write_text("\n".join(lines) + "\n")
