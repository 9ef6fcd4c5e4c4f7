"""Graphs small enough to be worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from gbopt.analysis.jump_network import (
    JumpNetwork,
    components,
    network_diffusivity,
    percolation,
)
from gbopt.analysis.order_parameter import graph_order_parameter
from gbopt.analysis.super_basins import super_basins
from gbopt.errors import AnalysisError

LN2, LN3, LN4 = np.log([2, 3, 4])


def graph(n, *edges):
    """A matrix from edges (origin, target, weight)."""
    i, j, weight = zip(*edges, strict=True) if edges else ((), (), ())
    return sparse.csr_array((np.array(weight, dtype=float), (i, j)), shape=(n, n))


def network(n, *edges, segments=1):
    """A network from edges (origin, target, offset, jumps), the same in each segment."""
    i, j, offset, jumps = zip(*edges, strict=True)
    return JumpNetwork(
        n, np.array(i), np.array(j), np.array(offset), np.tile(np.array(jumps), (segments, 1))
    )


RING = [(0, 1, 0.5), (1, 2, 0.5), (2, 0, 0.5), (1, 0, 0.5), (2, 1, 0.5), (0, 2, 0.5)]


@pytest.mark.parametrize(
    ("weights", "k", "theta"),
    [
        # Alike: one degree, 1, of all nodes: 1 ln 1 + 1.
        (graph(3, *RING), 1, 1.0),
        (graph(3, *RING), 3, 1.0),
        # A chain of three: the ends get 1/2 each, the middle 2.
        (graph(3, (0, 1, 1), (2, 1, 1), (1, 0, 0.5), (1, 2, 0.5)), 1,
         2 / 3 * np.log(2 / 3) - LN3 / 3 + 1.0),
        # A star of four leaves: 4 leaves of 1/4, the middle 4.
        (graph(5, *[(i, 4, 1) for i in range(4)], *[(4, i, 0.25) for i in range(4)]), 1,
         0.8 * np.log(0.8) + 0.2 * np.log(0.2) + 1.0),
        # Weights as they are: degrees 2, 3, 5 and 7, all different: mean degree - ln 4.
        (graph(4, (0, 1, 2), (1, 2, 3), (2, 3, 5), (3, 0, 7)), 1, 17 / 4 - LN4),
        (graph(4, (0, 1, 2), (1, 2, 3), (2, 3, 5), (3, 0, 7)), 3, (17 / 4 - LN4) ** 3),
        # One way: the source gets nothing, the sink all.
        (graph(2, (0, 1, 1)), 1, -LN2 + 0.5),
        # Nodes alone add nothing: 1 ln 1 + 0.
        (graph(4), 1, 0.0),
        (graph(6, (0, 1, 1)), 1, -LN2 + 0.5),
        # Subgraphs add up, each to the power k.
        (graph(4, (0, 1, 1), (2, 3, 1)), 1, 2 * (-LN2 + 0.5)),
        (graph(4, (0, 1, 1), (2, 3, 1)), 3, 2 * (-LN2 + 0.5) ** 3),
    ],
)  # fmt: skip
def test_graph_order_parameter_of_small_graphs(weights, k, theta):
    assert graph_order_parameter(weights, k=k) == pytest.approx(theta, abs=1e-12)


def test_degrees_are_told_apart_to_so_many_decimals():
    weights = graph(3, (0, 1, 1.001), (1, 2, 1.002), (2, 0, 1.003))
    assert graph_order_parameter(weights) == pytest.approx(1.002 - LN3)
    assert graph_order_parameter(weights, decimals=2) == pytest.approx(1.0)
    # Thirds that add up to one in another order are one degree.
    thirds = graph(4, *[(i, j, 1 / 3) for i in range(4) for j in range(4) if i != j])
    assert graph_order_parameter(thirds) == pytest.approx(1.0)


def test_graphs_that_make_no_sense_are_refused():
    with pytest.raises(AnalysisError, match="square"):
        graph_order_parameter(sparse.csr_array((2, 3)))
    with pytest.raises(AnalysisError, match="negative"):
        graph_order_parameter(graph(2, (0, 1, -1)))


def test_probabilities_are_normalised_by_the_site_that_is_left():
    made = network(3, (0, 1, (0, 0, 0), 3), (0, 2, (0, 0, 0), 1), (1, 0, (0, 0, 0), 5))
    assert made.probabilities().toarray() == pytest.approx(
        np.array([[0, 0.75, 0.25], [1, 0, 0], [0, 0, 0]])
    )
    assert made.counts().toarray().tolist() == [[0, 3, 1], [5, 0, 0], [0, 0, 0]]
    # Edges to two images of a site are one in the matrix.
    twice = network(2, (0, 1, (0, 0, 0), 3), (0, 1, (-1, 0, 0), 2))
    assert twice.counts()[0, 1] == 5


def test_components_are_numbered_by_size():
    label = components(graph(6, (0, 1, 1), (3, 4, 1), (5, 4, 1)))
    assert label.tolist() == [1, 1, 2, 0, 0, 0]


ZERO, RIGHT, UP, OUT = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)


@pytest.mark.parametrize(
    ("edges", "along", "dimension"),
    [
        ([(0, 1, ZERO, 1), (1, 2, ZERO, 1)], (False, False, False), 0),
        # Over the face of the cell and back over it: no period.
        ([(0, 1, RIGHT, 1), (1, 0, (-1, 0, 0), 1)], (False, False, False), 0),
        ([(0, 1, ZERO, 1), (1, 0, RIGHT, 1)], (True, False, False), 1),
        ([(0, 0, UP, 1)], (False, True, False), 1),
        # Two periods along one direction are one dimension.
        ([(0, 0, (1, 1, 0), 1), (0, 0, (2, 2, 0), 1)], (True, True, False), 1),
        ([(0, 1, ZERO, 1), (1, 0, RIGHT, 1), (0, 1, OUT, 2)], (True, False, True), 2),
        ([(0, 0, RIGHT, 1), (0, 0, UP, 1), (0, 0, OUT, 1)], (True, True, True), 3),
        # Three chains that never meet: each goes on in one dimension only.
        ([(0, 0, RIGHT, 1), (1, 1, UP, 1), (2, 2, OUT, 1)], (True, True, True), 1),
        # Jumps that never happened do not connect.
        ([(0, 1, ZERO, 1), (1, 0, RIGHT, 0)], (False, False, False), 0),
    ],
)
def test_percolation_by_periods(edges, along, dimension):
    made = network(3, *edges)
    found = percolation(made, components(made.counts()))
    assert (found.along, found.dimension) == (along, dimension)


def chain(*jumps, spacing_A=2.0):
    """Sites in a row along x, closed over the cell; jumps both ways along each bond."""
    n = len(jumps)
    sites = np.zeros((n, 3))
    sites[:, 0] = spacing_A * np.arange(n)
    cell = np.diag([n * spacing_A, 10.0, 10.0])
    ahead = [(i, (i + 1) % n, RIGHT if i == n - 1 else ZERO, jumps[i]) for i in range(n)]
    behind = [(j, i, (-1, 0, 0) if shift == RIGHT else ZERO, x) for i, j, shift, x in ahead]
    return network(n, *ahead, *behind), sites, cell


def test_resistors_in_series():
    """D of a chain: harmonic mean of the bonds; a^2 times jumps each way over N t."""
    even, sites, cell = chain(10, 10, 10, 10)
    given = {"ions": 4, "segment_ps": 5.0, "axis": 0}
    # Each ion jumps 20/20 ps^-1 both ways together: D = rate a^2 / 2.
    expected = (80 / (4 * 5.0)) * 4 / 2
    assert network_diffusivity(even, sites, cell, **given) == pytest.approx(expected)
    slow, *_ = chain(10, 10, 10, 1)
    series = expected * (4 / (3 / 10 + 1 / 1)) / 10
    assert network_diffusivity(slow, sites, cell, **given) == pytest.approx(series)
    broken, *_ = chain(10, 10, 10, 0)
    assert network_diffusivity(broken, sites, cell, **given) == pytest.approx(0, abs=1e-8)
    across = network_diffusivity(even, sites, cell, **(given | {"axis": 1}))
    assert across == pytest.approx(0, abs=1e-12)


def test_sites_merge_while_ions_go_to_and_fro():
    """Pairs in a row round the cell: a jump to the next image of a pair leads away from it."""
    row = [(0, 1, ZERO, 50), (1, 0, ZERO, 50), (1, 2, ZERO, 5), (2, 1, ZERO, 5)]
    row += [(2, 3, ZERO, 60), (3, 2, ZERO, 60), (3, 0, RIGHT, 5), (0, 3, (-1, 0, 0), 5)]
    assert super_basins(network(4, *row)).tolist() == [0, 0, 1, 1]
    # The same in one cell without images: nothing leaves the whole.
    closed = [(i, j, ZERO, jumps) for i, j, _, jumps in row[:-2]]
    assert super_basins(network(4, *closed)).tolist() == [0, 0, 0, 0]
    # Three sites that exchange, over the face of the cell, beside a chain that goes on for ever.
    trio = [(0, 1, RIGHT, 40), (1, 0, (-1, 0, 0), 40), (1, 2, UP, 40), (2, 1, (0, -1, 0), 40)]
    chain_on = [(2, 3, ZERO, 9), (3, 2, ZERO, 9), (3, 3, OUT, 9), (3, 3, (0, 0, -1), 9)]
    assert super_basins(network(4, *trio, *chain_on)).tolist() == [0, 0, 0, 1]


def test_nothing_merges_where_all_edges_are_alike_or_by_chance():
    n = 12
    ring, *_ = chain(*[30] * n)
    assert len(set(super_basins(ring).tolist())) == n
    # Two jumps to and fro are no basin, six are.
    assert super_basins(network(2, (0, 1, ZERO, 1), (1, 0, ZERO, 1))).tolist() == [0, 1]
    assert super_basins(network(2, (0, 1, ZERO, 3), (1, 0, ZERO, 3))).tolist() == [0, 0]
    assert super_basins(network(2, (0, 1, ZERO, 0))).tolist() == [0, 1]
    # Segments add up, and can be left out.
    twice = network(2, (0, 1, ZERO, 2), (1, 0, ZERO, 2), segments=2)
    assert super_basins(twice).tolist() == [0, 0]
    assert super_basins(twice, np.array([True, False])).tolist() == [0, 1]
