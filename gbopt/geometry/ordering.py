"""Orderings of mobile ions: ranked by energy, and improved by Metropolis Monte Carlo.

All orderings move at once, as replicas, with random numbers drawn by numpy whatever library
computes. An ion hops to a site, half of the time one that its own site excludes (a neighbour in
garnets), else any. If one other ion blocks the target, it is kicked out and hops as well: where
ions are packed as densely as exclusion allows, as in Li7La3Zr2O12, hardly any other hops change
the share of tetrahedra. The reverse of a hop, kick or none, is drawn with the same probability,
so that Metropolis' rule keeps detailed balance.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.electrostatics import (
    SiteEnergies,
    ordering_energies,
    padded_rows,
    site_fields,
    to_device,
    to_numpy,
)
from gbopt.units import BOLTZMANN_EV_K

_NEAR_SHARE = 0.5
# Proposals of one replica that are judged at once; what comes of them does not depend on it.
_WINDOW = 128
# Orderings equal by symmetry must be equal for every array library, whatever it rounds to.
_TIE_EV = 1e-9


class Ranked(NamedTuple):
    """Orderings, the lowest energy first."""

    occupied: NDArray[np.bool_]
    """(m, s)."""
    energy_eV: NDArray[np.float64]
    """(m,) eV."""


class _Tables(NamedTuple):
    """What does not change; row s belongs to the site that is none, and is empty."""

    xp: ModuleType
    on_site: Any  # (s + 1,) eV
    partner: Any  # (s + 1, k), see SiteEnergies
    coupling: Any  # (s + 1, k) eV
    excluded: Any  # (s + 1, e), see exclusion_table
    row: Any  # (m, 1) replicas
    order: Any  # (1, w) places in the window


class _State(NamedTuple):
    """What moves, updated in place; where nothing does, column s (or n) of none is written to."""

    occupied: Any  # (m, s + 1) 1 or 0
    blocked: Any  # (m, s + 1) occupied sites that exclude this one
    field: Any  # (m, s + 1) eV, see site_fields
    site_of: Any  # (m, n + 1) the site of each ion
    ion_at: Any  # (m, s + 1) the ion on each occupied site


class _Draws(NamedTuple):
    """Random numbers for n proposals of each of m replicas, (m, n)."""

    ion: Any
    first: Any  # target of the ion: a site, or -e .. -1 for a column of the exclusion table
    second: Any  # target of the ion that may be kicked
    threshold: Any  # the largest rise in energy that is accepted, -kT ln(u), eV


# Sites a -> b of an ion and c -> d of the one it kicks; c and d are s where it kicks none.
_Hops = tuple[Any, Any, Any, Any]


def exclusion_table(
    sites: NDArray[np.float64], cell: NDArray[np.float64], least_A: float
) -> NDArray[np.intp]:
    """For each site the sites too close to hold an ion at the same time.

    Args:
        sites: (s, 3) A.
        cell: (3, 3) A, rows are cell vectors.
        least_A: least distance between two mobile ions.

    Returns:
        (s, e), ascending; s marks the end of a short row.
    """
    i, j, _, _ = pairs_within(wrap(sites, cell), cell, least_A)
    i, j = i[i != j], j[i != j]
    row, column = np.concatenate([i, j]), np.concatenate([j, i])
    return padded_rows(row, column, np.ones(len(row)), len(sites))[0]


def rank_orderings(energies: SiteEnergies, occupied: NDArray[np.bool_], xp: ModuleType) -> Ranked:
    """Sort orderings by energy.

    Args:
        energies: tables of s sites.
        occupied: (m, s) the sites that hold an ion.
        xp: namespace to compute with; see ``array_namespace``.
    """
    energy_eV = ordering_energies(energies, occupied, xp)
    order = energy_eV.argsort(kind="stable")
    return Ranked(occupied[order], energy_eV[order])


def anneal_orderings(
    *,
    energies: SiteEnergies,
    occupied: NDArray[np.bool_],
    blocked: NDArray[np.intp],
    temperature_K: float,
    rng: np.random.Generator,
    xp: ModuleType,
    sweeps: int = 100,
) -> Ranked:
    """Move the ions of each ordering at a constant temperature, and rank the orderings reached.

    Args:
        energies: tables of s sites.
        occupied: (m, s) the sites that hold an ion, n in each ordering.
        blocked: (s, e) sites that exclude each other; see ``exclusion_table``.
        temperature_K: temperature; at 0 K no energy rises.
        rng: source of the proposals.
        xp: namespace to compute with; see ``array_namespace``.
        sweeps: proposals for each ion.

    Raises:
        ConfigError: the temperature is negative.
        GeometryError: the orderings differ in their number of ions, hold none, or occupy two
            sites that exclude each other.
    """
    if temperature_K < 0:
        raise ConfigError(f"temperature_K is {temperature_K}", hint="use 0 K or more")
    _check(occupied, blocked)
    tables, state = _start(energies, occupied, blocked, xp)
    for _ in range(sweeps):
        draws = _draw(state, blocked, BOLTZMANN_EV_K * temperature_K, rng)
        _sweep(tables, state, _Draws(*(to_device(part, xp) for part in draws)))
    return rank_orderings(energies, to_numpy(state.occupied)[:, :-1] > 0, xp)


def _check(occupied: NDArray[np.bool_], blocked: NDArray[np.intp]) -> None:
    counts = set(occupied.sum(axis=1).tolist())
    if len(counts) != 1 or counts == {0}:
        raise GeometryError(
            f"orderings must all hold the same number of ions, one or more; got {sorted(counts)}",
            hint="draw them with the same count",
        )
    clash = np.argwhere(occupied & (_blockers(occupied, blocked) > 0))
    if len(clash):
        raise GeometryError(
            f"ordering {clash[0, 0]} occupies site {clash[0, 1]} and one that excludes it",
            hint="draw the orderings with the distance of the exclusion table",
        )


def _blockers(occupied: NDArray[np.bool_], blocked: NDArray[np.intp]) -> NDArray[np.int64]:
    """Count, (m, s), the occupied sites that exclude each site."""
    return np.asarray(np.pad(occupied, ((0, 0), (0, 1)))[:, blocked].sum(axis=2))


def _start(
    energies: SiteEnergies, occupied: NDArray[np.bool_], blocked: NDArray[np.intp], xp: ModuleType
) -> tuple[_Tables, _State]:
    (m, s), ions = occupied.shape, int(occupied[0].sum())

    def moved(array: NDArray[Any], rows: int, columns: int, fill: int) -> Any:
        padded = np.pad(array, ((0, rows), (0, columns)), constant_values=fill)
        return to_device(padded, xp)

    tables = _Tables(
        xp=xp,
        on_site=to_device(np.append(energies.on_site_eV, 0.0), xp),
        partner=moved(energies.partner, 1, 0, s),
        coupling=moved(energies.coupling_eV, 1, 0, 0),
        excluded=moved(blocked, 1, 0, s),
        row=to_device(np.arange(m)[:, None], xp),
        order=to_device(np.arange(min(_WINDOW, ions))[None], xp),
    )
    site_of = np.nonzero(occupied)[1].reshape(m, ions)
    ion_at = np.full((m, s), ions)
    np.put_along_axis(ion_at, site_of, np.arange(ions)[None], axis=1)
    filled = moved(occupied.astype(np.float64), 0, 1, 0)
    state = _State(
        occupied=moved(occupied.astype(np.int64), 0, 1, 0),
        blocked=moved(_blockers(occupied, blocked), 0, 1, 0),
        field=site_fields(tables.partner, tables.coupling, filled, xp),
        site_of=moved(site_of, 0, 1, s),
        ion_at=moved(ion_at, 0, 1, ions),
    )
    return tables, state


def _draw(
    state: _State, blocked: NDArray[np.intp], kT_eV: float, rng: np.random.Generator
) -> _Draws:
    (sites, columns), shape = blocked.shape, (len(state.site_of), state.site_of.shape[1] - 1)

    def targets() -> NDArray[np.int64]:
        near = rng.random(shape) < _NEAR_SHARE
        return np.where(near, rng.integers(-columns, 0, shape), rng.integers(sites, size=shape))

    threshold = kT_eV * rng.standard_exponential(shape) + _TIE_EV
    return _Draws(rng.integers(shape[1], size=shape), targets(), targets(), threshold)


def _sweep(tables: _Tables, state: _State, draws: _Draws) -> None:
    """Work through the proposals of every replica, one after the other as Metropolis does.

    Rejections change nothing, so a window of proposals can be judged at once: those up to the
    first that is accepted are done with, and the next window begins after it.
    """
    xp, proposals, width = tables.xp, draws.ion.shape[1], tables.order.shape[1]
    done = 0 * tables.row
    while not bool((done >= proposals).all()):
        at = done + tables.order
        window = _Draws(*(part[tables.row, xp.clip(at, None, proposals - 1)] for part in draws))
        hops, possible = _propose(tables, state, window)
        accepted = _accepted(tables, state, hops, possible & (at < proposals), window.threshold)
        first = xp.amin(xp.where(accepted, tables.order, width), 1)[:, None]
        _move(tables, state, hops, window.ion, first)
        done = done + xp.clip(first + 1, None, width)


def _propose(tables: _Tables, state: _State, draws: _Draws) -> tuple[_Hops, Any]:
    """Sites of the hops, and whether exclusion allows them, each (m, w)."""
    xp, row, none = tables.xp, tables.row, len(tables.on_site) - 1
    a = state.site_of[row, draws.ion]
    b = _target(tables, a, draws.first)
    blockers = state.blocked[row, b] - _excludes(tables, b, a)
    kicked = blockers == 1
    members = tables.excluded[b]
    others = state.occupied[row[..., None], members] * (members != a[..., None])
    c = xp.where(kicked, (members * others).sum(-1), none)
    d = xp.where(kicked, _target(tables, c, draws.second), none)
    left = state.blocked[row, d] - _excludes(tables, d, a) - _excludes(tables, d, c)
    clear = (d != b) & (left == 0) & (_excludes(tables, d, b) == 0)
    kick = kicked & clear & (d < none) & (state.occupied[row, d] == 0)
    empty = (b < none) & (state.occupied[row, b] == 0)
    return (a, b, c, d), empty & ((blockers == 0) | kick)


def _target(tables: _Tables, site: Any, code: Any) -> Any:
    return tables.xp.where(code < 0, tables.excluded[site, tables.xp.clip(code, None, -1)], code)


def _excludes(tables: _Tables, one: Any, other: Any) -> Any:
    """1 where two sites exclude each other, else 0."""
    return (tables.excluded[one] == other[..., None]).sum(-1)


def _accepted(tables: _Tables, state: _State, hops: _Hops, possible: Any, threshold: Any) -> Any:
    """Judge the possible proposals of a window by the energy they cost, (m, w)."""
    xp = tables.xp
    chosen = xp.where(possible.reshape(-1))[0]
    a, b, c, d = (site.reshape(-1)[chosen] for site in hops)
    sites = xp.stack([a, b, c, d])
    at_a, at_b, at_c, at_d = tables.on_site[sites] + state.field[chosen // possible.shape[1], sites]
    pairs = xp.stack([b, a, a, a, c, c]), xp.stack([d, c, b, d, b, d])
    bd, ac, ab, ad, cb, cd = _coupling(tables, *pairs)
    rise = (at_b - at_a) + (at_d - at_c) + bd + ac - ab - ad - cb - cd
    accepted = xp.zeros_like(possible).reshape(-1)
    accepted[chosen] = rise <= threshold.reshape(-1)[chosen]
    return accepted.reshape(possible.shape)


def _coupling(tables: _Tables, one: Any, other: Any) -> Any:
    """Look couplings up by bisection of the rows; 0 for sites that are not partners."""
    left, partner = tables.partner.shape[1], tables.partner.reshape(-1)
    at = one * left
    while left > 1:
        half = left // 2
        at = tables.xp.where(partner[at + half] <= other, at + half, at)
        left -= half
    return tables.xp.where(partner[at] == other, tables.coupling.reshape(-1)[at], 0.0)


def _move(tables: _Tables, state: _State, hops: _Hops, ions: Any, first: Any) -> None:
    """Carry out the first accepted proposal of each replica, if there is one."""
    xp, row, width = tables.xp, tables.row, tables.order.shape[1]
    found, at = first < width, xp.clip(first, None, width - 1)
    a, b, c, d = (xp.where(found, site[row, at], len(tables.on_site) - 1) for site in hops)
    ion = xp.where(found, ions[row, at], state.site_of.shape[1] - 1)
    kicked = state.ion_at[row, c]
    for mover, target in ((ion, b), (kicked, d)):
        state.site_of[row, mover] = target
        state.ion_at[row, target] = mover
    # Sites are vacated last, so that the site that is none stays empty.
    for site, change in ((b, 1), (d, 1), (a, -1), (c, -1)):
        state.occupied[row, site] = int(change > 0)
        state.field[row, tables.partner[site[:, 0]]] += change * tables.coupling[site[:, 0]]
        state.blocked[row, tables.excluded[site[:, 0]]] += change
