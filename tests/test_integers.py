"""Integer lattices against determinants and brute force."""

import math
from itertools import combinations, product

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from gbopt.integers import cosets, kernel, reduced, span, step

small = st.integers(-9, 9)


def square(n):
    return st.lists(st.tuples(*[small] * n), min_size=n, max_size=n).filter(
        lambda rows: round(np.linalg.det(np.array(rows, dtype=float))) != 0
    )


@given(st.lists(st.tuples(small, small, small, small), min_size=6, max_size=6))
def test_kernel_is_annihilated_and_complete(rows):
    basis = kernel(rows)
    matrix = np.array(rows)
    assert len(basis) == 6 - np.linalg.matrix_rank(matrix)
    assert all((np.array(z) @ matrix == 0).all() for z in basis)
    # Complete: the kernel is a pure lattice, so its maximal minors have no common factor.
    if basis:
        minors = [
            round(np.linalg.det(np.array(basis, dtype=float)[:, list(chosen)]))
            for chosen in combinations(range(6), len(basis))
        ]
        assert math.gcd(*minors) == 1


@given(st.lists(st.integers(-60, 60), min_size=1, max_size=4).filter(any))
def test_step_is_the_greatest_common_divisor(values):
    value, factors = step(values)
    assert value == math.gcd(*values)
    assert sum(f * v for f, v in zip(factors, values, strict=True)) == value


@given(square(2), st.floats(0.3, 3.0))
def test_reduced_basis_spans_the_same_lattice_with_the_shortest_vectors(rows, stretch):
    metric = np.diag([1.0, stretch])
    first, second = reduced(rows[0], rows[1], lambda v, w: float(np.array(v) @ metric @ w))
    volumes = [round(abs(np.linalg.det(pair))) for pair in ((first, second), rows)]
    assert volumes[0] == volumes[1]
    shortest = min(
        float(v @ metric @ v)
        for i, j in product(range(-4, 5), repeat=2)
        if (i, j) != (0, 0)
        for v in [i * np.array(first) + j * np.array(second)]
    )
    assert float(np.array(first) @ metric @ first) <= shortest + 1e-9


@given(square(3))
def test_cosets_are_as_many_as_the_determinant_and_all_different(rows):
    volume = abs(round(np.linalg.det(np.array(rows, dtype=float))))
    assume(volume <= 400)
    points = cosets(rows)
    assert len(points) == volume
    inverse = np.linalg.inv(np.array(rows, dtype=float))
    fractions = (np.array(points) @ inverse + 1e-9) % 1.0
    assert len(np.unique(fractions.round(6), axis=0)) == volume


@given(st.lists(st.tuples(small, small), min_size=2, max_size=5))
def test_span_holds_every_row(rows):
    assume(np.linalg.matrix_rank(np.array(rows)) == 2)
    basis = np.array(span(rows), dtype=float)
    factors = np.array(rows) @ np.linalg.inv(basis)
    assert np.allclose(factors, np.rint(factors))
    minors = [a[0] * b[1] - a[1] * b[0] for n, a in enumerate(rows) for b in rows[n + 1 :]]
    assert abs(round(np.linalg.det(basis))) == math.gcd(*minors)
