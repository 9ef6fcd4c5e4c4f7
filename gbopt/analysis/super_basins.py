"""Super-basins: sites among which an ion goes to and fro before it escapes.

Kinetic Monte Carlo calls a super-basin a set of states that a walker visits over and over before
it leaves (M. A. Novotny, Phys. Rev. Lett. 74, 1 (1995); A. Chatterjee and A. F. Voter, J. Chem.
Phys. 132, 194101 (2010)). Here, from counted jumps: two neighbouring basins A and B become one
while jumps between them outnumber those that leave the pair,

    N_AB + N_BA > N_out,   by more than twice the standard deviation of counting, sqrt(sum),

that is, while the next jump within or out of the pair is more likely to stay within. The pair
with the largest share of jumps within comes first; every site begins as a basin of its own. A
jump to a periodic image of the own basin leads away, so a basin never goes on without end. On a
lattice whose edges are all alike nothing merges, whatever the memory of the jumps; a part of the
network that no jump leaves is one basin in the end.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from gbopt.analysis.jump_network import JumpNetwork

Offset = tuple[int, int, int]

_SIGMA = 2.0


def super_basins(network: JumpNetwork, mask: NDArray[np.bool_] | None = None) -> NDArray[np.intp]:
    """(n,) basin of each site; a site that merged with none is a basin of its own.

    Args:
        network: the jumps.
        mask: (S,) the time segments that take part; all where it is None.
    """
    basins = _Basins(network, network.jumps if mask is None else network.jumps[mask])
    heap = [entry for i in range(network.sites) for entry in basins.clear(i) if entry[1] < entry[2]]
    heapq.heapify(heap)
    while heap:
        negative, i, j, offset = heapq.heappop(heap)
        # Basins that have merged or grown since have another share, or none.
        if i in basins.between and -negative == basins.share(i, j, offset):
            basins.merge(i, j, offset)
            for entry in basins.clear(i):
                heapq.heappush(heap, entry)
    root = [basins.root(site) for site in range(network.sites)]
    return np.unique(root, return_inverse=True)[1]


class _Basins:
    """Basins by their first site, with the jumps between them, periodic images apart."""

    def __init__(self, network: JumpNetwork, jumps: NDArray[np.int64]) -> None:
        self.parent = list(range(network.sites))
        self.leaving = [0] * network.sites
        """Jumps out of each basin, those to its own periodic images included."""
        self.between: dict[int, dict[tuple[int, Offset], int]] = {i: {} for i in self.parent}
        """Jumps to and from the image of another basin at an offset, both ways together."""
        offsets = network.offset.tolist()
        edges = zip(network.origin.tolist(), network.target.tolist(), offsets, strict=True)
        for (i, j, (a, b, c)), count in zip(edges, jumps.sum(axis=0).tolist(), strict=True):
            self.leaving[i] += count
            if i != j and count:
                self._link(i, (j, (a, b, c)), count)
                self._link(j, (i, (-a, -b, -c)), count)

    def _link(self, basin: int, other: tuple[int, Offset], count: int) -> None:
        links = self.between[basin]
        links[other] = links.get(other, 0) + count

    def share(self, i: int, j: int, offset: Offset) -> float:
        """Share of a pair's jumps that stay within it; 0 where they do not clearly outnumber."""
        within = self.between[i].get((j, offset), 0)
        total = self.leaving[i] + self.leaving[j]  # within is in it once: both ways are left
        return within / total if 2 * within - total > _SIGMA * total**0.5 else 0.0

    def clear(self, i: int) -> list[tuple[float, int, int, Offset]]:
        """The pairs with a basin that may merge, the largest share least."""
        pairs = ((self.share(i, j, offset), j, offset) for j, offset in self.between[i])
        return [(-share, i, j, offset) for share, j, offset in pairs if share > 0]

    def merge(self, i: int, j: int, offset: Offset) -> None:
        """Let a basin swallow the image of another at an offset."""
        back = _less((0, 0, 0), offset)
        self.leaving[i] += self.leaving[j] - self.between[i].pop((j, offset))
        del self.between[j][i, back]
        self.parent[j] = i
        for (other, shift), count in self.between.pop(j).items():
            del self.between[other][j, _less((0, 0, 0), shift)]
            if other != i:  # else to an image of itself: that leads away
                far = _less(shift, back)
                self._link(i, (other, far), count)
                self._link(other, (i, _less((0, 0, 0), far)), count)

    def root(self, site: int) -> int:
        """The first site of the basin that a site is in."""
        while self.parent[site] != site:
            site = self.parent[site]
        return site


def _less(one: Offset, other: Offset) -> Offset:
    return one[0] - other[0], one[1] - other[1], one[2] - other[2]
