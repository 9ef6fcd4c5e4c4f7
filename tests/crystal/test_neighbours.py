import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gbopt.crystal.neighbours import pairs_within, wrap


def brute_force(positions, cell, cutoff):
    """Every pair over 5 x 5 x 5 images, each once."""
    found = []
    shifts = np.array(np.meshgrid(*[np.arange(-2, 3)] * 3)).reshape(3, -1).T
    for i in range(len(positions)):
        for j in range(len(positions)):
            for shift in shifts:
                own_image = i == j and shift.any()
                if i < j or own_image:
                    d = np.linalg.norm(positions[j] + shift @ cell - positions[i])
                    if d <= cutoff:
                        found.append((i, j, round(float(d), 6)))
    return sorted(found)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tilt=st.floats(-0.5, 0.5),
    edges=st.tuples(*[st.floats(4.0, 9.0)] * 3),
)
def test_pairs_are_those_of_brute_force_in_oblique_cells(seed, tilt, edges):
    rng = np.random.default_rng(seed)
    cell = np.array([[edges[0], 0, 0], [tilt * edges[0], edges[1], 0], [0, 0, edges[2]]])
    positions = wrap(rng.random((7, 3)) @ cell, cell)
    pairs = pairs_within(positions, cell, 4.5)
    ours = sorted(
        (int(i), int(j), round(float(d), 6))
        for i, j, d in zip(pairs.i, pairs.j, pairs.distance, strict=True)
    )
    assert ours == brute_force(positions, cell, 4.5)
    assert np.linalg.norm(pairs.vector, axis=1) == pytest.approx(pairs.distance)


def test_wrapped_positions_lie_in_the_cell():
    cell = np.array([[5.0, 0, 0], [2.5, 6.0, 0], [0, 0, 7.0]])
    fractional = wrap(np.array([[-1e-17, 6.0, 7.0], [13.0, -2.0, -0.5]]), cell) @ np.linalg.inv(
        cell
    )
    assert (fractional >= 0).all()
    assert (fractional < 1 + 1e-12).all()
