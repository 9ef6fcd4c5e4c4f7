from __future__ import annotations

import json

import numpy as np
import pytest

from gbopt.errors import ConfigError
from gbopt.search import Dimension, Observation, SearchSpace

from .landscape import CATALOGUE, DIMENSIONS, SPACE, snap


def test_numpy_scalars_become_plain_ones():
    point = {
        "mean_plane": np.str_("110"),
        "width_layers": np.int64(3),
        "misorientation_deg": np.float64(CATALOGUE[4]["misorientation_deg"]),
    }
    realised = SPACE.realise(point)
    assert list(realised) == ["width_layers", "misorientation_deg", "mean_plane"]
    assert [type(v) for v in realised.values()] == [int, float, str]
    json.dumps(realised)


def test_encode_and_decode_are_inverse():
    for params in CATALOGUE:
        assert SPACE.decode(SPACE.encode(params)) == params


def test_realised_value_outside_the_range_is_told_at_the_edge():
    assert Dimension("angle", "real", 5, 30).encode(30.4) == 30.0
    assert Dimension("width", "integer", 2, 5).encode(1) == 2


def test_fixed_dimensions_are_left_out_and_put_back():
    space = SearchSpace(
        (
            Dimension("w", "integer", 3, 3),
            Dimension("x", "real", 0, 1),
            Dimension("p", "categorical", choices=("110",)),
            Dimension("t", "real", 2.5, 2.5),
        )
    )
    assert [d.name for d in space.free] == ["x"]
    assert space.from_unit([0.25]) == {"w": 3, "x": 0.25, "p": "110", "t": 2.5}


def test_from_unit_reaches_every_integer_and_choice_equally():
    width, plane = DIMENSIONS[0], DIMENSIONS[2]
    u = (np.arange(8) + 0.5) / 8
    assert [width.from_unit(x) for x in u] == [2, 2, 3, 3, 4, 4, 5, 5]
    assert [plane.from_unit(x) for x in u] == ["100"] * 4 + ["110"] * 4


@pytest.mark.parametrize(
    "make",
    [
        lambda: Dimension("x", "real", 2, 1),
        lambda: Dimension("x", "real", 0, float("inf")),
        lambda: Dimension("x", "real", float("nan"), 1),
        lambda: Dimension("p", "categorical"),
        lambda: Dimension("p", "categorical", choices=("a", "a")),
        lambda: Dimension("p", "categorical", choices=("a", "b")).encode("c"),
        lambda: SearchSpace(()),
        lambda: SearchSpace((DIMENSIONS[0], DIMENSIONS[0])),
        lambda: SearchSpace(DIMENSIONS, snap, ()),
        lambda: SearchSpace(DIMENSIONS, None, CATALOGUE),
        lambda: SearchSpace(DIMENSIONS, dict, CATALOGUE).realise(
            {**CATALOGUE[0], "misorientation_deg": 5.01}
        ),
        lambda: Observation(0, CATALOGUE[0], "complete"),
        lambda: Observation(0, CATALOGUE[0], "complete", float("nan"), 0.1),
        lambda: Observation(0, CATALOGUE[0], "complete", 1.0, -0.1),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_hint(make):
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.hint
