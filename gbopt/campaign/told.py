"""What a campaign's search is told: its own evaluations, and figures from elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from gbopt.campaign.record import of_evaluation
from gbopt.campaign.space import GBSpace
from gbopt.config import CampaignConfig
from gbopt.config.sections import SearchConfig
from gbopt.errors import ConfigError, GboptError, RunFolderError
from gbopt.geometry.archive import Archive, is_library
from gbopt.model.observables import QUANTITIES
from gbopt.model.orientation import digits
from gbopt.model.spec import GBSpec, dopants_label
from gbopt.search.history import Observation
from gbopt.search.settings import SearchSettings
from gbopt.search.space import Params
from gbopt.store.files import read_lines, write_atomic
from gbopt.store.rundir import RunFolder

TOLD = "told.jsonl"
"""Figures from elsewhere, one a line, in the run folder."""
# Each costs time in every fit of the classifier.
_MOST_OF_LIBRARY = 100
_SAME = ("md.potential", "search.objective")


def search_settings(search: SearchConfig) -> SearchSettings:
    """Return the section [search] as the search takes it."""
    return SearchSettings(
        evaluations=search.evaluations,
        initial=search.initial,
        patience=search.patience,
        min_improvement=search.min_improvement,
        least_expected=search.least_expected_gain,
        finalists=search.finalists,
        replicates=search.replicates,
        acquisition=search.acquisition,
        surrogate=search.surrogate,
        cost_aware=search.cost_aware,
        leads=search.leads,
        limits={str(name): limits for name, limits in search.limits.items()},
    )


def told_before(folder: RunFolder) -> list[Observation]:
    """Return the figures from elsewhere, numbered downwards from -1.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        return [
            Observation(
                number=-1 - i,
                params=dict(line["params"]),
                state=line["state"],
                value=line["value"],
                std_err=line["std_err"],
                bound=line["bound"],
                others={name: tuple(pair) for name, pair in line["others"].items()},
                source=line["source"],
            )
            for i, line in enumerate(read_lines(folder.path / TOLD))
        ]
    except (KeyError, TypeError, ValueError):
        raise RunFolderError(
            f"{folder.path / TOLD} cannot be read",
            hint="move it away: `gbopt observe` writes it again, figure by figure",
        ) from None


def tell(folder: RunFolder, told: Iterable[Observation]) -> None:
    """Add figures from elsewhere, all or, after a kill, none. Call under the study lock."""
    kept = ("source", "params", "state", "value", "std_err", "bound", "others")
    lines = [*read_lines(folder.path / TOLD), *({n: asdict(o)[n] for n in kept} for o in told)]
    if lines:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        write_atomic(folder.path / TOLD, text)


def by_hand(
    config: CampaignConfig, params: Params, value: float, std_err: float, source: str
) -> Observation:
    """Return a measured figure as the search is told it.

    Args:
        config: the campaign.
        params: the boundary, every variable of the campaign's search.
        value: the objective quantity in its own unit.
        std_err: its standard error.
        source: who measured it and how; figures of one source share their deviation from ours.

    Raises:
        ConfigError: a variable is missing, unknown or out of its range, or the value is not
            positive.
    """
    quantity = QUANTITIES[config.search.objective]
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(
            f"the {quantity.label} is {value:g} {quantity.unit}", hint="give a positive figure"
        )
    if not (math.isfinite(std_err) and std_err > 0):
        raise ConfigError(
            f"the standard error is {std_err:g} {quantity.unit}",
            hint="give a positive one: the search weighs the figure by it",
        )
    found = _checked(config, params)
    # Error propagation to the logarithm.
    return Observation(
        number=-1,
        params=found,
        state="complete",
        value=math.log10(value),
        std_err=std_err / value / math.log(10),
        source=source,
    )


def _checked(config: CampaignConfig, params: Params) -> Params:
    dimensions = {d.name: d for d in GBSpace(config).search_space.dimensions}
    for name in params:
        if name not in dimensions:
            raise ConfigError(
                f"the campaign has no variable '{name}'", hint=f"it has {', '.join(dimensions)}"
            )
    for name, d in dimensions.items():
        if name not in params:
            raise ConfigError(f"the variable '{name}' is missing", hint=f"give --at {name}=...")
        if d.kind == "categorical":
            d.plain(params[name])  # says which choices there are
            continue
        number = _number(name, params[name])
        if d.outside(number):
            raise ConfigError(
                f"'{name}' is {number:g}, the campaign searches {d.low:g} to {d.high:g}",
                hint="a figure from outside the space tells the search nothing reliable",
            )
    return {name: d.plain(params[name]) for name, d in dimensions.items()}


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"'{name}' is {value!r}", hint="give a number")
    return number


def of_earlier(config: CampaignConfig) -> list[Observation]:
    """Return what earlier campaigns and libraries found, for ``search.warm_start``.

    A library holds no resistances: it tells which boundaries could be built, and which could not.

    Raises:
        ConfigError: a campaign has another potential or objective, or none of its boundaries is
            in this one's space.
        RunFolderError: a folder is neither a run folder nor a library, or damaged.
    """
    return [
        o
        for path in map(Path, config.search.warm_start)
        for o in (_of_library if is_library(path) else _of_campaign)(config, path)
    ]


def _of_library(config: CampaignConfig, path: Path) -> list[Observation]:
    found = []
    with Archive.open_(path) as archive:
        for record in archive.records():
            params = _within(config, _of_spec(GBSpec.model_validate_json(record.spec)))
            if params is not None and record.status in ("ok", "refused"):
                built = record.status == "ok"
                state: Literal["possible", "failed"] = "possible" if built else "failed"
                found.append(Observation(-1, params, state, source=f"library {path.name}"))
    if not found:
        raise ConfigError(
            f"search.warm_start: the library {path} has no boundary that this campaign may propose",
            hint="leave it out",
        )
    return found[:: math.ceil(len(found) / _MOST_OF_LIBRARY)]


def _of_campaign(config: CampaignConfig, path: Path) -> list[Observation]:
    folder = RunFolder.open_(path)
    theirs = folder.config
    for name in _SAME:
        if theirs.settings[name] != config.settings[name]:
            raise ConfigError(
                f"search.warm_start: {path} has {name} = {theirs.settings[name]!r}, this campaign "
                f"{config.settings[name]!r}",
                hint="give a campaign with the same one",
            )
    source = f"{theirs.name}, {theirs.md.temperature_K:g} K"
    found = []
    for evaluation in folder.evaluations():
        if not evaluation.status.finished or evaluation.objective is None:
            continue
        params = _within(config, _of_spec(evaluation.spec) | evaluation.params)
        if params is None:
            continue
        told = of_evaluation(evaluation, 0, None)
        found.append(replace(told, number=-1, params=params, completion=None, source=source))
    if not found:
        raise ConfigError(
            f"search.warm_start: {path} has no evaluation of a boundary that this campaign may "
            "propose",
            hint="leave it out",
        )
    return found


def _within(config: CampaignConfig, known: dict[str, Any]) -> Params | None:
    """The variables of a campaign; None where the boundary is not in its space."""
    dimensions = GBSpace(config).search_space.dimensions
    try:
        params = {d.name: d.plain(known[d.name]) for d in dimensions}
    except (KeyError, GboptError):
        return None  # drawn there and searched here, or another choice
    return None if any(d.outside(params[d.name]) for d in dimensions) else params


def _of_spec(spec: GBSpec) -> dict[str, Any]:
    """Every variable that a campaign may search."""
    shift = spec.translation or ()
    return {
        "misorientation_deg": abs(spec.misorientation_deg),
        "width_layers": spec.width_layers,
        "mean_plane": spec.mean_plane,
        "kind": spec.kind,
        "axis": digits(spec.axis),
        "gap_A": spec.gap_A,
        "li2o_per_nm2": spec.composition.li2o_per_nm2,
        "dopants": dopants_label(spec.composition.dopants),
        **{f"translation_{n}": value for n, value in enumerate(shift, start=1)},
    }
