"""What a campaign file asks for that comes to nothing: choices that no boundary has."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from gbopt.campaign.space import GBSpace
from gbopt.config import CampaignConfig
from gbopt.model.orientation import coprime, digits
from gbopt.model.spec import dopants_label
from gbopt.search.space import Params

# Of two variables one may follow from the other; an angle decides more than it is meant to.
_LISTED = ("kind", "axis", "mean_plane", "width_layers", "dopants")
_CONTINUOUS = {"gap_A", "translation_1", "translation_2"}


def redundancies(config: CampaignConfig) -> list[str]:
    """Say what the space of a campaign lists but cannot have, and what is no variable of its own.

    Args:
        config: the campaign; it has at least one boundary.
    """
    space = GBSpace(config)
    points = space.search_space.candidates or ()
    return [
        *_without_boundary(config, space),
        *_without_room(config, points),
        *_following(points),
        *_never_read(config),
        *_spent_before(config, space),
    ]


def _without_boundary(config: CampaignConfig, space: GBSpace) -> Iterator[str]:
    """Kinds, axes, planes, widths and angles of which there is no boundary."""
    geometry, found = config.geometry, space.geometries
    tilts = {b.mean_plane for b in found if b.kind == "symmetric tilt"}
    low, high = geometry.width_layers
    asked_and_had: list[tuple[str, list[object], set[object]]] = [
        ("kinds", list(geometry.kinds), {b.kind for b in found}),
        ("axes", [digits(coprime(axis)) for axis in geometry.axes], {b.axis for b in found}),
        ("width_layers", list(range(low, high + 1)), {b.width_layers for b in found}),
    ]
    if "symmetric tilt" in geometry.kinds:
        asked_and_had.append(("mean_plane", list(geometry.mean_plane), set(tilts)))
    for name, asked, had in asked_and_had:
        if missing := [str(value) for value in asked if value not in had]:
            yield (
                f"geometry.{name}: no boundary with {' or '.join(missing)} fits "
                f"max_ions = {geometry.max_ions}: leave it out, or raise max_ions"
            )
    angles = {b.misorientation_deg for b in found}
    if len(angles) == 1 and geometry.misorientation_deg[0] < geometry.misorientation_deg[1]:
        yield (
            f"geometry.misorientation_deg: {angles.pop():g} deg is the only angle that can be "
            "built: widen the range, or raise max_ions"
        )


def _without_room(config: CampaignConfig, points: tuple[Params, ...]) -> Iterator[str]:
    """Compositions that no boundary has room for."""
    geometry = config.geometry
    surplus = {float(point["li2o_per_nm2"]) for point in points if "li2o_per_nm2" in point}
    idle = [f"{value:g}" for value in geometry.li2o_per_nm2 if value not in surplus]
    if len(geometry.li2o_per_nm2) > 1 and not surplus:
        yield (
            "geometry.li2o_per_nm2: all boundaries come to one of its values, the others have no "
            "room or are as many whole units: it is not searched"
        )
    elif surplus and idle:
        yield (
            f"geometry.li2o_per_nm2: {', '.join(idle)} is never used: no core has room for it, or "
            "it comes to as many whole units as another value"
        )
    had = {str(point["dopants"]) for point in points if "dopants" in point}
    labels = [dopants_label(dopants) for dopants in geometry.dopants]
    if len(labels) > 1 and not had:
        yield "geometry.dopants: boundaries have room for only one of the sets: it is not searched"
    elif had and (idle := [label for label in labels if label not in had]):
        yield f"geometry.dopants: no boundary has room for {' or '.join(idle)}"


def _following(points: tuple[Params, ...]) -> Iterator[str]:
    """Variables that another one decides."""
    for one, other in combinations(_LISTED, 2):
        pairs = {(point[one], point[other]) for point in points if one in point and other in point}
        ones, others = ({pair[side] for pair in pairs} for side in (0, 1))
        if len(ones) < 2 or len(others) < 2:
            continue
        if len(pairs) == len(ones):
            yield f"{other} follows from {one} in all boundaries: it is no variable of its own"
        elif len(pairs) == len(others):
            yield f"{one} follows from {other} in all boundaries: it is no variable of its own"


def _never_read(config: CampaignConfig) -> Iterator[str]:
    """Options that belong to kinds which are not searched."""
    geometry = config.geometry
    given = geometry.model_fields_set
    if "max_index" in given and not {"asymmetric tilt", "mixed"} & set(geometry.kinds):
        yield (
            "geometry.max_index is of asymmetric tilts and mixed boundaries, which are not in "
            "geometry.kinds"
        )
    for name in sorted({"mean_plane", "max_strain"} & given):
        if "symmetric tilt" not in geometry.kinds:
            yield f"geometry.{name} is of symmetric tilts, which are not in geometry.kinds"


def _spent_before(config: CampaignConfig, space: GBSpace) -> Iterator[str]:
    """Budgets that leave nothing to the search."""
    search, searched = config.search, space.search_space
    if search.initial >= search.evaluations:
        yield (
            f"search.initial = {search.initial} is the whole of search.evaluations = "
            f"{search.evaluations}: nothing is left for the search to choose"
        )
    free = {dimension.name for dimension in searched.free} & _CONTINUOUS
    candidates = len(searched.candidates or ())
    if not free and candidates < search.evaluations:
        yield (
            f"search.evaluations = {search.evaluations}, but there are {candidates} different "
            "boundaries: all beyond them are replicates with other seeds"
        )
