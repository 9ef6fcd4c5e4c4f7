"""`gbopt evaluate`: one boundary by the road of a trial, outside of any search."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gbopt.cli.build import _read as read_fields
from gbopt.cli.launch import FINISHED_WITH_FAILURES, CampaignFile
from gbopt.cli.read import Format, FormatOption
from gbopt.cli.read import _print as print_rows
from gbopt.errors import ConfigError

if TYPE_CHECKING:
    from gbopt.campaign.single import Single
    from gbopt.config import CampaignConfig
    from gbopt.md.run import Progress
    from gbopt.model.evaluation import Evaluation
    from gbopt.model.spec import GBSpec

_STRUCTURES = (".extxyz", ".xyz", ".cif", ".data")
_FIELDS = (".toml", ".json")
_EVERY_S = 30.0


def evaluate(
    boundary: Annotated[
        str,
        typer.Argument(
            metavar="BOUNDARY",
            help="Name such as 'Sigma5(210)[001]'; TOML or JSON file of a specification, also a "
            "trial's evaluation.json; or a structure that gbopt built.",
        ),
    ],
    campaign: CampaignFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of this evaluation.")],
    width_layers: Annotated[
        int | None,
        typer.Option(
            min=0, max=12, help="Disordered slab on each boundary; by default 3 as far as may be."
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the structure; default: the campaign's.")
    ] = None,
    fmt: FormatOption = Format.TABLE,
) -> None:
    """Evaluate one boundary with the settings of a campaign, and print its figures.

    The record is DIR/evaluation.json, as that of a trial. Interrupt it freely: the same command
    goes on, and prints the record once it is there.
    """
    from gbopt.campaign.single import finished_single, open_single, run_single
    from gbopt.cli.preflight import say
    from gbopt.config import load_campaign
    from gbopt.evaluate.signals import stoppable
    from gbopt.md.placement import require_room

    config = load_campaign(campaign)
    changes = {"width_layers": width_layers, "seed": seed}
    spec = _specification(
        boundary, config, {name: v for name, v in changes.items() if v is not None}
    )
    found = finished_single(config, spec, out)
    if found is None:
        single = open_single(config, spec, out, say)
        require_room(config.run, single.engine.settings)
        say(_cost(single))
        with stoppable(out) as signals:
            try:
                found = run_single(single, say, _Lines().add)
            except KeyboardInterrupt:
                say(f"\ninterrupted: the same command goes on in {shlex.quote(str(out))}")
                raise typer.Exit(signals.exit_code) from None
    _print(found, fmt)
    if not found.status.finished:
        raise typer.Exit(FINISHED_WITH_FAILURES)


def _specification(text: str, config: CampaignConfig, changes: dict[str, Any]) -> GBSpec:
    """What a name or a file stands for."""
    from gbopt.campaign.single import default_fields
    from gbopt.config.files import validated
    from gbopt.geometry.written import written_specification
    from gbopt.model.orientation import parse_name
    from gbopt.model.spec import GBSpec

    path, fields = Path(text), default_fields(config)
    if path.suffix in _STRUCTURES:
        fields = written_specification(path).model_dump()
    elif path.suffix in _FIELDS:
        own = read_fields(path)
        own = own.get("spec", own)  # of an evaluation
        if "plane" not in own:
            raise ConfigError(
                f"{path} names no plane", hint="write the fields of GBSpec, such as plane = [2,1,0]"
            )
        if own.get("film") is not None:
            del fields["width_layers"]
        fields |= own
    else:
        axis, rotation, plane = parse_name(text)
        angle_deg = round(rotation.degrees, 6)
        fields |= {"axis": axis, "plane": plane, "misorientation_deg": angle_deg}
    hint = "`gbopt catalog` lists boundaries; `gbopt evaluate --help` what may be given"
    return validated(GBSpec, fields | changes, "the boundary: ", hint)


def _cost(single: Single) -> str:
    """How large the run is, and how long it takes where the engine's speed is known."""
    from gbopt.crystal.known import get_crystal
    from gbopt.geometry.plan import plan
    from gbopt.potentials.library import get_potential

    spec = single.spec
    lattice_A = get_potential(single.config.md.potential).lattice_A
    ions = plan(spec, get_crystal(spec.crystal), lattice_A).ions
    us = single.engine.us_per_ion_step
    takes = "" if us is None else f", about {us * ions * single.steps / 3.6e9:.2g} h"
    return f"{spec.label}: {ions} ions, {single.steps} MD steps{takes}; {single.engine.why}"


class _Lines:
    """Says each stage as it begins, and every half minute how far it is."""

    def __init__(self) -> None:
        self._stage, self._said = "", 0.0

    def add(self, now: Progress) -> None:
        """Take a report of the MD."""
        from gbopt.cli.preflight import say

        if now.stage == self._stage and time.monotonic() - self._said < _EVERY_S:
            return
        self._stage, self._said = now.stage, time.monotonic()
        say(f"{now.stage} {100 * now.step / max(1, now.steps):.0f} %")


def _print(evaluation: Evaluation, fmt: Format) -> None:
    from gbopt.report.tables import failure_text, trial_rows

    if fmt is Format.JSON:
        typer.echo(json.dumps(evaluation.model_dump(mode="json"), indent=1, ensure_ascii=False))
        return
    rows = [row for row in trial_rows(evaluation) if row["quantity"] not in {"trial", "replicate"}]
    print_rows(rows, fmt)
    if evaluation.failure is not None and fmt is Format.TABLE:
        typer.echo(failure_text(evaluation.failure))
