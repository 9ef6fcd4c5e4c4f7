"""The network that jumps make of the sites: its parts, percolation, and how it conducts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import cg

from gbopt.analysis.hops import Hops
from gbopt.errors import AnalysisError

_SOLVED = 1e-8


class JumpNetwork(NamedTuple):
    """Directed edges between sites, periodic images apart; E edges, S time segments."""

    sites: int
    origin: NDArray[np.intp]
    """(E,)"""
    target: NDArray[np.intp]
    """(E,)"""
    offset: NDArray[np.intp]
    """(E, 3) cell vectors from the image of the origin to that of the target."""
    jumps: NDArray[np.int64]
    """(S, E) jumps in each time segment."""

    def counts(self, mask: NDArray[np.bool_] | None = None) -> sparse.csr_array:
        """(n, n) jumps from row to column, in all segments or those of a mask (S,)."""
        chosen = self.jumps if mask is None else self.jumps[mask]
        shape = (self.sites, self.sites)
        matrix = sparse.csr_array((chosen.sum(axis=0), (self.origin, self.target)), shape=shape)
        matrix.eliminate_zeros()
        return matrix

    def probabilities(self, mask: NDArray[np.bool_] | None = None) -> sparse.csr_array:
        """(n, n) chance that the next jump from row leads to column; rows add up to 1 or 0."""
        counts = self.counts(mask).astype(np.float64)
        total = np.maximum(counts.sum(axis=1), 1.0)
        return sparse.csr_array(sparse.diags_array(1 / total) @ counts)


def jump_network(hops: Hops) -> JumpNetwork:
    """Count the jumps along each edge."""
    jumps, segments, sites = hops.jumps, hops.segments, hops.steps.shape[1]
    rows = np.column_stack([jumps.origin, jumps.target, jumps.offset]).reshape(-1, 5)
    edges, which = np.unique(rows, axis=0, return_inverse=True)
    # The last row takes the frames left over at the end.
    count = np.zeros((segments + 1, len(edges)), dtype=np.int64)
    np.add.at(count, (hops.segment, which.ravel()), 1)
    return JumpNetwork(sites, edges[:, 0], edges[:, 1], edges[:, 2:], count[:segments])


def components(counts: sparse.csr_array) -> NDArray[np.int32]:
    """(n,) connected component of each site, the largest first."""
    _, label = connected_components(counts, directed=True, connection="weak")
    rank = np.argsort(np.argsort(-np.bincount(label), kind="stable"), kind="stable")
    ranked: NDArray[np.int32] = rank[label].astype(np.int32)
    return ranked


class Percolation(NamedTuple):
    """How far jumps lead through the periodic cell."""

    along: tuple[bool, bool, bool]
    """Whether some component leads from one cell to the next along each cell vector."""
    dimension: int
    """Independent directions in which one component goes on for ever: 0 to 3, the most of any."""


def percolation(network: JumpNetwork, label: NDArray[np.int32]) -> Percolation:
    """Say along which cell vectors the components go on without end.

    Each site of a component gets the periodic image that a walk from the first one leads to.
    Every further edge then closes a loop, and the cell vectors that it is off by are a period of
    the component (J. Machta et al., Phys. Rev. E 54, 1332 (1996), for the loops); their rank is
    the dimension.

    Args:
        network: the edges.
        label: (n,) component of each site.
    """
    used = network.jumps.sum(axis=0) > 0
    origin, target, offset = network.origin[used], network.target[used], network.offset[used]
    image = _images(network.sites, label, origin, target, offset)
    period = image[origin] + offset - image[target]
    looped = np.flatnonzero(period.any(axis=1))
    along, dimension = np.zeros(3, dtype=bool), 0
    for part in np.unique(label[origin[looped]]):
        own = np.unique(period[looped[label[origin[looped]] == part]], axis=0)
        along |= own.any(axis=0)
        dimension = max(dimension, int(np.linalg.matrix_rank(own)))
    return Percolation((bool(along[0]), bool(along[1]), bool(along[2])), dimension)


def _images(
    sites: int,
    label: NDArray[np.int32],
    origin: NDArray[np.intp],
    target: NDArray[np.intp],
    offset: NDArray[np.intp],
) -> NDArray[np.intp]:
    """(n, 3) image of each site on a walk from the first one of its component."""
    step: dict[tuple[int, int], NDArray[np.intp]] = {}
    for i, j, shift in zip(origin.tolist(), target.tolist(), offset, strict=True):
        if i != j:
            step.setdefault((i, j), shift)
            step.setdefault((j, i), -shift)
    graph = sparse.csr_array((np.ones(len(origin)), (origin, target)), shape=(sites, sites))
    image = np.zeros((sites, 3), dtype=np.intp)
    for start in np.unique(label, return_index=True)[1].tolist():
        order, before = breadth_first_order(graph, start, directed=False)
        for site in order[1:].tolist():
            last = int(before[site])
            image[site] = image[last] + step[last, site]
    return image


def network_diffusivity(
    network: JumpNetwork,
    sites: NDArray[np.float64],
    cell: NDArray[np.float64],
    *,
    ions: int,
    segment_ps: float,
    axis: int,
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """D along x, y or z, A^2/ps, of ions that jump as often as these but without memory.

    The effective conductance of the network of resistors whose edges conduct by their jumps
    (P. G. Doyle and J. L. Snell, Random Walks and Electric Networks, 1984), periodic: D is the
    least of sum N_e (d_e + v_j - v_i)^2 / (2 N t) over the potentials v, with the jumps N_e and
    their lengths d_e along the axis. Jumps back make the true D smaller by the correlation factor.

    Args:
        network: the edges.
        sites: (n, 3) A.
        cell: (3, 3) A, rows are cell vectors.
        ions: Li that jumped, N.
        segment_ps: length of one time segment.
        axis: 0, 1 or 2.
        mask: (S,) the segments that take part; all where it is None.

    Raises:
        AnalysisError: the potentials are not found.
    """
    count = network.jumps if mask is None else network.jumps[mask]
    weight = count.sum(axis=0).astype(np.float64)
    i, j = network.origin, network.target
    length = (sites[j] + network.offset @ cell - sites[i])[:, axis]
    laplacian, source = _laplacian(network.sites, i, j, weight, length)
    diagonal = laplacian.diagonal()
    scale = sparse.diags_array(1 / np.where(diagonal > 0, diagonal, 1.0))
    potential, failed = cg(laplacian, source, rtol=_SOLVED, M=scale)
    if failed:
        raise AnalysisError(
            "the effective conductance of the network is not found", hint="analyse a longer run"
        )
    across = length + potential[j] - potential[i]
    return float((weight * across**2).sum() / (2 * ions * segment_ps * len(count)))


def _laplacian(
    sites: int,
    i: NDArray[np.intp],
    j: NDArray[np.intp],
    weight: NDArray[np.float64],
    length: NDArray[np.float64],
) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """The matrix of the resistors, and what a unit field drives into each site, (n,)."""
    links = sparse.csr_array((weight, (i, j)), shape=(sites, sites))
    links = links + links.T
    laplacian = sparse.csr_array(sparse.diags_array(links.sum(axis=1)) - links)
    driven = weight * length
    source = np.bincount(i, driven, sites) - np.bincount(j, driven, sites)
    return laplacian, np.asarray(source, dtype=np.float64)
