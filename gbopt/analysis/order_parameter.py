"""Graph order parameter of a weighted graph, such as the network of jumps.

    theta = sum over subgraphs S of [ sum over unique degrees m of P(d_m) ln P(d_m) + d_m P(d_m) ]^k

J. Chapman, N. Goldman and B. C. Wood, npj Comput. Mater. 8, 37 (2022). Subgraphs are the
connected components, whatever the direction of the edges; the degree d of a node is the sum of
the weights of the edges into it, and P(d_m) the share of the nodes of the subgraph that have the
m-th of the different degrees. With jump probabilities as weights, normalised so that the jumps
out of every site that is ever left add up to 1, degrees are 1 on average, and those of a graph in
which everything is alike are all 1.

The sign is that of the formula: P ln P is never positive, so a graph whose degrees all differ has
theta = mean degree - ln N at k = 1, and one node alone has 0. The number grows with the nodes,
with k, and with how finely degrees are told apart; k = 1 is the formula as it is printed for
jump networks, k = 3 what the code of its authors uses in its examples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from gbopt.errors import AnalysisError

DECIMALS = 12
"""Degrees are told apart to so many decimals: no finer than the arithmetic is exact."""


def graph_order_parameter(
    weights: sparse.csr_array, *, k: int = 1, decimals: int = DECIMALS
) -> float:
    """Return theta of a directed graph.

    Args:
        weights: (n, n) weight of the edge from row to column; nothing negative.
        k: exponent of each subgraph's sum.
        decimals: to which degrees are rounded before they are told apart.

    Raises:
        AnalysisError: a matrix that is not square, or negative weights.
    """
    n, columns = weights.shape
    if n != columns or (weights.nnz and float(weights.min()) < 0):
        raise AnalysisError(
            "a graph needs a square matrix of weights that are not negative",
            hint="give jump probabilities from row to column",
        )
    degree = np.round(np.asarray(weights.sum(axis=0)).ravel(), decimals)
    _, label = connected_components(weights, directed=True, connection="weak")
    return float((_sums(label, degree) ** k).sum())


def _sums(label: NDArray[np.int32], degree: NDArray[np.float64]) -> NDArray[np.float64]:
    """(subgraphs,) the sum over unique degrees in each."""
    pairs, nodes = np.unique(np.column_stack([label, degree]), axis=0, return_counts=True)
    subgraph = pairs[:, 0].astype(np.intp)
    share = nodes / np.bincount(label)[subgraph]
    terms = share * np.log(share) + pairs[:, 1] * share
    return np.asarray(np.bincount(subgraph, terms), dtype=np.float64)
