"""Rational rotations against published coincidence tables."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gbopt.errors import ConfigError
from gbopt.model.orientation import (
    Rotation,
    coprime,
    dot,
    least_angle,
    miller,
    parse_name,
    rotation_about,
    symmetric_tilt,
    turned_back,
)

indices = st.tuples(*[st.integers(-4, 4)] * 3).filter(any).map(coprime)
rotations = st.builds(Rotation, indices, st.integers(0, 12), st.integers(-12, 12)).filter(
    lambda r: math.gcd(r.m, r.n) == 1
)

# Grimmer, Bollmann and Warrington, Acta Cryst. A30, 197 (1974): least angles by axis and Sigma.
PUBLISHED = {
    ((0, 0, 1), 5): 36.87,
    ((0, 0, 1), 13): 22.62,
    ((0, 0, 1), 17): 28.07,
    ((1, 1, 0), 3): 70.53,
    ((1, 1, 0), 9): 38.94,
    ((1, 1, 0), 11): 50.48,
    ((1, 1, 0), 19): 26.53,
    ((1, 1, 1), 7): 38.21,
    ((1, 1, 1), 13): 27.80,
    ((1, 1, 1), 19): 46.83,
    ((2, 1, 0), 15): 48.19,
}


@pytest.mark.parametrize(("axis", "sigma"), PUBLISHED)
def test_published_rotations_are_found_from_two_decimals(axis, sigma):
    rotation = rotation_about(axis, PUBLISHED[axis, sigma])
    assert rotation.sigma == sigma
    assert rotation.degrees == pytest.approx(PUBLISHED[axis, sigma], abs=0.005)


@given(rotations)
def test_matrix_is_a_rotation_about_the_axis_by_the_angle(rotation):
    rows, over = rotation.matrix
    matrix = np.array(rows) / over
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert matrix @ np.array(rotation.axis) == pytest.approx(np.array(rotation.axis))
    assert (np.trace(matrix) - 1) / 2 == pytest.approx(math.cos(math.radians(rotation.degrees)))
    assert over % 2 == 1  # of cubic lattices every coincidence index is odd


@given(rotations)
def test_stored_angle_means_the_same_rotation(rotation):
    assume(rotation.sigma <= 1000)
    again = rotation_about(rotation.axis, round(rotation.degrees, 6))
    if abs(rotation.degrees) < 180:
        assert again == rotation
    else:
        assert abs(again.degrees) == 180


@given(rotations, indices)
def test_turned_back_plane_is_turned_onto_the_plane(rotation, plane):
    rows, _ = rotation.matrix
    second = np.array(turned_back(rotation, plane))
    onto = np.array(rows) @ second
    assert np.cross(onto, plane) == pytest.approx(np.zeros(3))
    assert onto @ np.array(plane) > 0


@given(indices, indices)
def test_symmetric_tilt_joins_planes_of_one_family(axis, plane):
    tilt = symmetric_tilt(axis, plane)
    if tilt is None:
        twofold = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        mirrors = [w for w in twofold if dot(w, axis) == 0 and dot(w, plane) != 0]
        assert dot(axis, plane) != 0 or not mirrors
        return
    rotation, mean = tilt
    second = turned_back(rotation, plane)
    assert sorted(map(abs, second)) == sorted(map(abs, plane))
    assert dot(axis, second) == 0
    # Both planes lie as far from the mean plane, by half of the angle.
    for one in (plane, second):
        cosine = dot(one, mean) / math.sqrt(dot(one, one) * dot(mean, mean))
        assert math.degrees(math.acos(min(1.0, cosine))) == pytest.approx(
            abs(rotation.degrees) / 2, abs=1e-4
        )


@given(rotations)
def test_least_angle_is_the_same_orientation_of_a_cube(rotation):
    least = least_angle(rotation.axis, rotation.degrees)
    assert abs(least) <= abs(rotation.degrees) + 1e-9
    unit = np.array(rotation.axis) / np.linalg.norm(rotation.axis)
    between = math.radians(rotation.degrees - least)
    cross = np.cross(np.eye(3), unit)
    turn = np.eye(3) + math.sin(between) * cross + (1 - math.cos(between)) * cross @ cross
    assert np.abs(turn - np.rint(turn)).max() < 1e-9  # a rotation of the cube onto itself


def test_angles_that_are_not_commensurate_are_not_found():
    assert rotation_about((0, 0, 1), 15.0) is None
    assert rotation_about((0, 0, 1), 60.0) is None
    assert rotation_about((1, 1, 1), 60.0).sigma == 3


@pytest.mark.parametrize(
    ("name", "axis", "degrees", "plane"),
    [
        ("Sigma5(210)[001]", (0, 0, 1), 36.87, (2, 1, 0)),
        ("sigma5 (3 1 0)", (0, 0, 1), 36.87, (3, 1, 0)),
        ("Sigma3(112)", (1, -1, 0), 70.53, (1, 1, 2)),
        ("Sigma3(111)", (1, -1, 0), 70.53, (1, 1, 1)),
        ("Sigma5(001) twist", (0, 0, 1), 36.87, (0, 0, 1)),
        ("Sigma7(111)[111]", (1, 1, 1), 38.21, (1, 1, 1)),
        ("Sigma11(113)[1-10]", (1, -1, 0), 50.48, (1, 1, 3)),
    ],
)
def test_names_of_known_boundaries(name, axis, degrees, plane):
    found_axis, rotation, found_plane = parse_name(name)
    assert (found_axis, found_plane) == (axis, plane)
    assert abs(rotation.degrees) == pytest.approx(degrees, abs=0.005)


@pytest.mark.parametrize("name", ["Sigma7(210)", "Sigma5", "Sigma5(21)", "Sigma5(211)[001]"])
def test_wrong_names_are_refused_with_what_there_is(name):
    with pytest.raises(ConfigError) as error:
        parse_name(name)
    assert error.value.hint


def test_miller_indices_are_read_with_and_without_spaces():
    assert miller("1-10") == (1, -1, 0)
    assert miller("11 -2 0") == (11, -2, 0)
    with pytest.raises(ConfigError):
        miller("12")
