"""Integer lattices: vectors in a plane, coincidence of two lattices, reduced cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

Vector = tuple[int, ...]


def kernel(rows: Sequence[Sequence[int]]) -> list[Vector]:
    """Basis of all integer vectors z with z @ rows = 0.

    Unimodular row operations bring the rows to echelon form while the same operations are
    applied to the identity; what stands beside the zero rows is the kernel (Cohen, A Course in
    Computational Algebraic Number Theory, algorithm 2.4.10, without the size reduction).
    """
    table = [[*row, *(int(i == j) for j in range(len(rows)))] for i, row in enumerate(rows)]
    top = 0
    for column in range(len(rows[0])):
        while True:
            nonzero = [i for i in range(top, len(table)) if table[i][column]]
            if not nonzero:
                break
            pivot = min(nonzero, key=lambda i: abs(table[i][column]))
            table[top], table[pivot] = table[pivot], table[top]
            if len(nonzero) == 1:
                top += 1
                break
            for i in range(top + 1, len(table)):
                times = table[i][column] // table[top][column]
                table[i] = [x - times * y for x, y in zip(table[i], table[top], strict=True)]
    width = len(rows[0])
    return [tuple(row[width:]) for row in table[top:]]


def combine(factors: Sequence[int], rows: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Sum of rows of three, each times its factor."""
    a, b, c = (sum(f * row[i] for f, row in zip(factors, rows, strict=True)) for i in range(3))
    return a, b, c


def step(values: Sequence[int]) -> tuple[int, Vector]:
    """Least positive integer combination of some integers, and factors that give it."""
    factors: list[list[int]] = [
        [int(i == j) for j in range(len(values))] for i in range(len(values))
    ]
    left = [
        (v, f) if v >= 0 else (-v, [-x for x in f]) for v, f in zip(values, factors, strict=True)
    ]
    while sum(v > 0 for v, _ in left) > 1:
        left.sort(key=lambda item: (item[0] == 0, item[0]))
        least, own = left[0]
        left = [
            left[0],
            *(
                (v % least, [x - v // least * y for x, y in zip(f, own, strict=True)])
                for v, f in left[1:]
            ),
        ]
    value, found = max(left, key=lambda item: item[0])
    return value, tuple(found)


def reduced(
    first: Vector, second: Vector, dot: Callable[[Vector, Vector], float]
) -> tuple[Vector, Vector]:
    """Gauss-reduced basis of a plane lattice: the two shortest independent vectors."""
    while True:
        if dot(second, second) < dot(first, first) - 1e-9:
            first, second = second, first
        times = _round(dot(first, second) / dot(first, first))
        if times == 0:
            return first, second
        second = tuple(y - times * x for x, y in zip(first, second, strict=True))


def _round(value: float) -> int:
    # 0.5 must not flip between two equally short vectors for ever.
    return 0 if abs(value) <= 0.5 + 1e-9 else round(value)


def span(rows: Sequence[Vector]) -> list[Vector]:
    """Basis of the lattice that integer rows span, in Hermite form: unique, pivots positive."""
    left = [list(row) for row in rows if any(row)]
    basis: list[Vector] = []
    for column in range(len(rows[0])):
        while sum(row[column] != 0 for row in left) > 1:
            pivot = min((row for row in left if row[column]), key=lambda row: abs(row[column]))
            for row in left:
                if row is not pivot:
                    times = row[column] // pivot[column]
                    row[:] = [x - times * y for x, y in zip(row, pivot, strict=True)]
        for row in [row for row in left if row[column]]:
            sign = 1 if row[column] > 0 else -1
            pivot = [sign * x for x in row]
            basis = [_lowered(above, pivot, column) for above in basis] + [tuple(pivot)]
        left = [row for row in left if not row[column] and any(row)]
    return basis


def _lowered(above: Vector, pivot: Sequence[int], column: int) -> Vector:
    times = above[column] // pivot[column]
    return tuple(x - times * y for x, y in zip(above, pivot, strict=True))


def cosets(outer: Sequence[Vector]) -> list[Vector]:
    """Points of the integer lattice in a cell, one of each coset.

    Args:
        outer: as many independent integer vectors as they have components; they span the cell.
    """
    edges = [abs(row[i]) for i, row in enumerate(span(outer))]
    return list(product(*(range(edge) for edge in edges)))
