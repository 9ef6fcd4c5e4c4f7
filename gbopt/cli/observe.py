"""`gbopt observe`: tell a campaign a figure that it did not measure."""

from __future__ import annotations

from typing import Annotated

import typer

from gbopt.cli.read import RunDir
from gbopt.errors import ConfigError


def observe(
    run_dir: RunDir,
    value: Annotated[
        float,
        typer.Option(help="The campaign's objective in its own unit, not its log10 (ohm cm)."),
    ],
    error: Annotated[float, typer.Option(help="Standard error of it, in the same unit.")],
    source: Annotated[
        str, typer.Option(help="Who measured it, how and at which temperature: one name a source.")
    ],
    at: Annotated[
        list[str] | None,
        typer.Option(help="A variable of the boundary, such as width_layers=3; give every one."),
    ] = None,
) -> None:
    """Add a measured or published figure, which the search takes into account from then on.

    Figures of one source count as far as they go with those of the campaign: the model learns
    how. The campaign may be running; the recommended boundary is always one that it evaluated.
    """
    from gbopt.campaign.told import by_hand, tell
    from gbopt.store.rundir import RunFolder

    if not source.strip():
        raise ConfigError("the source is empty", hint="say where the figure comes from")
    folder = RunFolder.open_(run_dir)
    params = dict(_pair(text) for text in at or [])
    found = by_hand(folder.config, {**params}, value, error, source.strip())
    with folder.study_lock():
        tell(folder, [found])
        folder.note(
            "observed", params=found.params, value=value, std_err=error, source=found.source
        )
    where = ", ".join(f"{name} {x}" for name, x in found.params.items())
    typer.echo(f"noted {value:g} +- {error:g} at {where} ({found.source})")


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise ConfigError(f"--at {text!r} is no variable", hint="write --at width_layers=3")
    return name.strip(), value.strip()
