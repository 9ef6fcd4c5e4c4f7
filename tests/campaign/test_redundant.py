"""What `gbopt check` says of choices that come to nothing."""

from pathlib import Path

import pytest

from gbopt.campaign.redundant import redundancies
from gbopt.config import load_campaign

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
BASE = load_campaign(CAMPAIGNS / "quickstart.toml")
AL = "potentials/llzo-al.toml"
TWISTS = {"kinds": ["twist"], "axes": [[0, 0, 1], [1, 1, 0]], "max_ions": 12000}


def said(potential=None, search=None, **geometry):
    given = BASE.geometry.model_dump(exclude_unset=True) | geometry
    config = BASE.model_copy(update={"geometry": type(BASE.geometry).model_validate(given)})
    if search:
        config = config.model_copy(update={"search": BASE.search.model_copy(update=search)})
    if potential:
        config = config.with_potential(str(CAMPAIGNS / potential))
    return "\n".join(redundancies(config))


def test_the_campaigns_that_come_along_ask_for_nothing_idle():
    for file in ("smoke", "quickstart", "llzo-tilt", "llzo-wide"):
        assert redundancies(load_campaign(CAMPAIGNS / f"{file}.toml")) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width_layers": [2, 5], "max_ions": 2000}, "no boundary with 5 fits max_ions = 2000"),
        ({"kinds": ["symmetric tilt", "twist"]}, "geometry.kinds: no boundary with twist"),
        ({"misorientation_deg": [22, 23]}, "22.6199 deg is the only angle that can be built"),
        ({"li2o_per_nm2": [0, 0.01]}, "all boundaries come to one of its values"),
        ({"li2o_per_nm2": [0, 0.01, 2]}, "geometry.li2o_per_nm2: 0.01 is never used"),
        (TWISTS, "mean_plane follows from axis"),
        (TWISTS, "geometry.mean_plane is of symmetric tilts"),
        ({"max_index": 3}, "geometry.max_index is of asymmetric tilts"),
        ({"search": {"initial": 8}}, "nothing is left for the search to choose"),
        ({"search": {"evaluations": 30}}, "there are 12 different boundaries"),
        (
            {
                "potential": AL,
                "dopants": [[], [{"element": "Al", "per_formula_unit": 1.5, "where": "core"}]],
            },
            "boundaries have room for only one of the sets",
        ),
    ],
)
def test_what_comes_to_nothing_is_named(changes, words):
    assert words in said(**changes)
