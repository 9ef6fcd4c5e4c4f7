"""A campaign file to begin with: what matters first, each field with what it means."""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any, Literal

from gbopt.config.campaign import CampaignConfig
from gbopt.config.sections import NAME_PATTERN
from gbopt.errors import ConfigError

Size = Literal["quick", "overnight", "cluster"]
Fields = dict[str, dict[str, Any]]

_WIDTH = 96
_INTRO = {
    "quick": "Minutes on two cores: to see how everything works. Grains are too thin and runs too "
    "short for figures that mean something; the quality flags will say so.",
    "overnight": "A night on a workstation: a first answer with honest error bars. No evaluation "
    "is begun after search.max_hours; `gbopt resume` goes on the next night.",
    "cluster": "Days on one node: grains that hold bulk crystal in their middle, runs long enough "
    "to tell boundaries apart, and a confirmation of the best.",
}
_QUESTION = (
    "Which [001] symmetric tilt boundary of {low:g}-{high:g} deg and which core width resists Li "
    "least at 1100 K?"
)


def _fields(size: Size, workers: int) -> Fields:
    """What a file of this size sets; all else stays at its default."""
    quick, cluster = size == "quick", size == "cluster"

    def by_size(quick_one: Any, overnight: Any, cluster_one: Any) -> Any:
        return quick_one if quick else cluster_one if cluster else overnight

    return {
        "geometry": {
            "misorientation_deg": [12.0, 30.0] if quick else [5.0, 30.0],
            "width_layers": [2, 3] if quick else [2, 5],
            "mean_plane": ["100", "110"],
            "crystal_A": by_size("12 A", "2 nm", "4 nm"),
            "max_ions": by_size(3000, 6000, 15000),
        },
        "md": {
            "potential": "llzo-buckingham-c",
            "temperature_K": 1100,
            "timestep_ps": "2 fs",
            "anneal_ps": by_size("1 ps", "5 ps", "10 ps"),
            "quench_ps": by_size("1 ps", "10 ps", "20 ps"),
            "npt_ps": by_size("2 ps", "20 ps", "30 ps"),
            "nvt_ps": by_size("1 ps", "10 ps", "20 ps"),
            "production_ps": by_size("8 ps", "100 ps", "200 ps"),
            "frame_ps": by_size("50 fs", "0.1 ps", "0.1 ps"),
        },
        "bulk": {
            "cells": by_size(2, 2, 3),
            "replicas": by_size(2, 2, 4),
            "npt_ps": by_size("3 ps", "20 ps", "30 ps"),
            "production_ps": by_size("8 ps", "150 ps", "200 ps"),
        },
        "analysis": {
            "lag_ps": by_size("0.5 ps", "3 ps", "5 ps"),
            "segments": by_size(5, 8, 8),
            "energy_frames": by_size(0, 4, 4),
        },
        "search": {
            "evaluations": by_size(8, 40, 100),
            "initial": by_size(5, 10, 16),
            "patience": by_size(8, 15, 20),
            **({} if quick or cluster else {"max_hours": 10.0}),
        },
        "run": {"workers": workers},
    }


def starter(name: str, size: Size, workers: int) -> str:
    """Write a campaign file that runs as it stands, each field under what it means.

    Args:
        name: of the campaign and its run folder.
        size: how much it may cost: minutes, a night, or days on a node.
        workers: evaluations at once.

    Returns:
        TOML text.

    Raises:
        ConfigError: no campaign may have that name.
    """
    if not re.match(NAME_PATTERN, name):
        raise ConfigError(
            f"a campaign cannot be called {name!r}",
            hint="name the file with letters, digits, '.', '_' and '-', such as tilt-1100K.toml",
        )
    fields = _fields(size, workers)
    low, high = fields["geometry"]["misorientation_deg"]
    parts = [
        _comment("Write your question here: it stands at the head of every report."),
        "#",
        _comment(_INTRO[size]),
        "#",
        _comment(f"gbopt check {name}.toml: the space, the cost, warnings; runs nothing"),
        _comment(f"gbopt run {name}.toml: into runs/{name}, to be resumed after any interruption"),
        _comment("gbopt schema: every field that can stand here. What is not set has its default."),
        "",
        "schema_version = 1",
        f"name = {json.dumps(name)}",
        f"question = {json.dumps(_QUESTION.format(low=low, high=high))}",
        _comment("Root of every random number: another seed is another, independent campaign."),
        "seed = 1",
    ]
    for section, values in fields.items():
        parts += ["", *_section(section, values)]
    return "\n".join(parts) + "\n"


def _section(name: str, values: dict[str, Any]) -> list[str]:
    """One section: what it is about, and its fields."""
    model: Any = CampaignConfig.model_fields[name].annotation
    about = str(model.__doc__).partition(": ")[2]
    lines = [_comment(about[0].upper() + about[1:]), f"[{name}]"]
    for field, value in values.items():
        meaning = model.model_fields[field].description
        lines += [_comment(" ".join(meaning.split())), f"{field} = {json.dumps(value)}"]
    return lines


def _comment(text: str) -> str:
    return textwrap.fill(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )
