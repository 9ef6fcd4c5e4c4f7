from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_choice_is_told_by_its_index_and_a_number_as_it_is():
    told = [SPACE.encode(params) for params in CATALOGUE]
    planes = DIMENSIONS[2].choices
    back = [(width, angle, planes[index]) for width, angle, index in told]
    assert back == [tuple(params.values()) for params in CATALOGUE]


def test_realised_value_outside_the_range_is_told_at_the_edge():
    assert Dimension("angle", "real", 5, 30).encode(30.4) == [30.0]
    assert Dimension("width", "integer", 2, 5).encode(1) == [2]


def test_the_ends_of_a_translation_are_one_place():
    shift = Dimension("t", "real", 0.0, 1.0, periodic=True)
    assert shift.encode(0.0) == pytest.approx(shift.encode(1.0))
    assert shift.encode(0.25) == pytest.approx([0.0, 1.0])
    assert shift.moved(0.9, 0.2, 0.5) == pytest.approx(0.1)
    assert Dimension("gap", "real", 0.0, 1.0).moved(0.9, 0.2, 0.5) == pytest.approx(0.9)
    places = SearchSpace((shift,), candidates=({"t": 0.1}, {"t": 0.5}))
    assert places.realise({"t": 0.95}) == {"t": 0.1}
    assert len(shift.for_skopt()) == 2


def test_a_proposal_is_moved_to_the_nearest_candidate():
    other_plane = {"width_layers": 4, "misorientation_deg": 20.0, "mean_plane": "110"}
    far = {"width_layers": 2, "misorientation_deg": 9.0, "mean_plane": "100"}
    near = {"width_layers": 2, "misorientation_deg": 12.0, "mean_plane": "100"}
    space = SearchSpace(DIMENSIONS, candidates=(other_plane, far, near))
    # The category is kept; then a width is a third of its range, 3 deg are an eighth of theirs.
    assert space.realise({**other_plane, "mean_plane": "100"}) == near
    assert space.realise({**near, "misorientation_deg": 10.4}) == far
    assert all(space.realise(candidate) == candidate for candidate in (other_plane, far, near))


@given(
    u=st.lists(st.floats(0, 1, exclude_max=True), min_size=4, max_size=4),
    scale=st.floats(0.01, 1.0),
    seed=st.integers(0, 1000),
)
def test_what_no_candidate_names_stays_as_proposed(u, scale, seed):
    gap = Dimension("gap_A", "real", 0.3, 1.2)
    few = tuple(c for i, c in enumerate(CATALOGUE) if i % 7 == 0)
    space = SearchSpace((*DIMENSIONS, gap), candidates=few)
    assert not space.finite
    proposed = space.from_unit(u)
    realised = space.realise(proposed)
    assert realised["gap_A"] == proposed["gap_A"]
    assert {n: v for n, v in realised.items() if n != "gap_A"} in few
    assert space.realise(realised) == realised
    moved = space.near(realised, scale, np.random.default_rng(seed))
    assert 0.3 <= moved["gap_A"] <= 1.2
    assert {n: v for n, v in moved.items() if n != "gap_A"} in few


def test_the_points_of_a_finite_space_are_its_candidates():
    assert SPACE.finite
    assert SPACE.points == CATALOGUE
    fixed = SearchSpace((*DIMENSIONS, Dimension("t", "real", 2.5, 2.5)), candidates=CATALOGUE)
    assert fixed.finite
    assert fixed.points[0] == {**CATALOGUE[0], "t": 2.5}
    assert not SearchSpace(DIMENSIONS).finite


def test_a_space_may_snap_by_a_rule_where_its_points_are_not_listed():
    space = SearchSpace(DIMENSIONS, snap=snap)
    proposed = {"width_layers": 3, "misorientation_deg": 5.4, "mean_plane": "110"}
    assert space.realise(proposed) == {**proposed, "misorientation_deg": 5.0}
    assert not space.finite
    assert space.candidates is None


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
        lambda: SearchSpace(DIMENSIONS, candidates=()),
        lambda: SearchSpace(DIMENSIONS, snap, CATALOGUE),
        lambda: SearchSpace(DIMENSIONS[:2], candidates=CATALOGUE),
        lambda: SearchSpace(DIMENSIONS, candidates=(CATALOGUE[0], {"width_layers": 2})),
        lambda: Observation(0, CATALOGUE[0], "complete"),
        lambda: Observation(0, CATALOGUE[0], "complete", float("nan"), 0.1),
        lambda: Observation(0, CATALOGUE[0], "complete", 1.0, -0.1),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_hint(make):
    with pytest.raises(ConfigError) as caught:
        make()
    assert caught.value.hint
