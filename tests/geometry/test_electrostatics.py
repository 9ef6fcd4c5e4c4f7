import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from scipy.stats import spearmanr

from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import ConfigError, GeometryError
from gbopt.geometry.electrostatics import (
    ALPHA_PER_A,
    CUTOFF_A,
    array_namespace,
    dsf_pair,
    dsf_self,
    ordering_energies,
    padded_rows,
    site_energies,
)
from gbopt.model.bicrystal import FORMAL_CHARGES

COULOMB_EV_A = 14.399645


def dsf_sum(positions, cell, charges, alpha, cutoff):
    """Energy of a whole cell, term by term."""
    pairs = pairs_within(wrap(positions, cell), cell, cutoff)
    pair = charges[pairs.i] * charges[pairs.j] * dsf_pair(pairs.distance, alpha, cutoff)
    # An ion with its own image is listed twice, once for each side.
    weight = np.where(pairs.i == pairs.j, 0.5, 1.0)
    return (weight * pair).sum() + (charges**2).sum() * dsf_self(alpha, cutoff)


@pytest.mark.parametrize(
    ("alpha", "cutoff", "tolerance"), [(ALPHA_PER_A, CUTOFF_A, 0.008), (0.2, 15.0, 0.0005)]
)
def test_madelung_energy_of_rock_salt(alpha, cutoff, tolerance):
    edge = 5.64
    cations = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * edge
    positions = np.concatenate([cations, cations + np.array([edge / 2, 0, 0])])
    energy = dsf_sum(positions, np.eye(3) * edge, np.repeat([1.0, -1.0], 4), alpha, cutoff) / 4
    exact = -1.7475646 * COULOMB_EV_A / (edge / 2)
    assert energy == pytest.approx(exact, rel=tolerance)


def test_energy_and_force_vanish_at_the_cut_off():
    step = 1e-4
    near = dsf_pair(np.array([12.0 - step, 12.0 - 2 * step, 12.0, 13.0]), 0.1, 12.0)
    # Value and slope vanish, so what is left is of second order in the step.
    assert abs(near).max() < COULOMB_EV_A * step**2
    assert near[2:].tolist() == [0.0, 0.0]
    short = dsf_pair(np.array([0.01]), 0.1, 12.0)
    assert short == pytest.approx(COULOMB_EV_A / 0.01, rel=0.01)


@pytest.fixture
def crowd():
    """Twelve sites and five host ions in an oblique cell narrower than the cut-off."""
    rng = np.random.default_rng(3)
    cell = np.array([[9.0, 0, 0], [2.0, 11.0, 0], [-1.0, 3.0, 14.0]])
    positions = rng.random((17, 3)) @ cell
    occupied = rng.permuted(np.arange(12) < 5, axis=0)
    orderings = np.array([rng.permutation(occupied) for _ in range(6)])
    tables = {
        "sites": positions[:12],
        "cell": cell,
        "host": positions[12:] + cell[0],
        "host_charges_e": np.array([3.0, -2.0, -2.0, 4.0, -2.0]),
        "charge_e": 2.0,
    }
    return tables, orderings


def test_orderings_have_the_energies_of_a_plain_sum(crowd):
    tables, orderings = crowd
    cell, host, charges = tables["cell"], tables["host"], tables["host_charges_e"]
    alone = dsf_sum(host, cell, charges, ALPHA_PER_A, CUTOFF_A)
    expected = [
        dsf_sum(
            np.concatenate([tables["sites"][chosen], host]),
            cell,
            np.concatenate([np.full(chosen.sum(), 2.0), charges]),
            ALPHA_PER_A,
            CUTOFF_A,
        )
        - alone
        for chosen in orderings
    ]
    got = ordering_energies(site_energies(**tables), orderings, np)
    assert got == pytest.approx(np.array(expected), abs=1e-9)


def test_blocks_do_not_change_energies(crowd, monkeypatch):
    tables, orderings = crowd
    whole = ordering_energies(site_energies(**tables), orderings, np)
    monkeypatch.setattr("gbopt.geometry.electrostatics._SITES_AT_ONCE", 5)
    monkeypatch.setattr("gbopt.geometry.electrostatics._ELEMENTS_AT_ONCE", 200)
    parts = ordering_energies(site_energies(**tables), orderings, np)
    assert parts == pytest.approx(whole, abs=1e-9)


def test_extra_energies_are_added_on_their_sites(crowd):
    tables, orderings = crowd
    extra = np.arange(12.0)
    plain = ordering_energies(site_energies(**tables), orderings, np)
    with_extra = ordering_energies(site_energies(**tables, extra_eV=extra), orderings, np)
    assert with_extra - plain == pytest.approx(orderings @ extra, abs=1e-9)


def test_ranking_follows_exact_ewald_sums_in_llzo():
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core import Lattice, Structure

    found = cubic_sites()
    cell = np.eye(3) * CUBIC_A
    sites = np.concatenate([found.tetrahedral, found.octahedral.reshape(-1, 3)]) * CUBIC_A
    host, charges = found.framework * CUBIC_A, np.array(FORMAL_CHARGES)[found.species]
    orderings = lithium_orderings(24, np.random.default_rng(7))
    exact = []
    for chosen in orderings:
        structure = Structure(
            Lattice(cell),
            ["H"] * (56 + len(host)),
            np.concatenate([sites[chosen], host]),
            coords_are_cartesian=True,
        )
        structure.add_oxidation_state_by_site([1] * 56 + charges.tolist())
        exact.append(EwaldSummation(structure, acc_factor=8).total_energy)
    tables = site_energies(
        sites=sites, cell=cell, host=host, host_charges_e=charges.astype(float), charge_e=1.0
    )
    energies = ordering_energies(tables, orderings, np)
    assert spearmanr(energies, exact).statistic > 0.99
    slope = np.polyfit(exact, energies, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.05)


def lithium_orderings(count, rng):
    """Li7 in the cubic cell: one ion in each octahedron, away from the filled tetrahedra."""
    found = cubic_sites()
    sites = np.concatenate([found.tetrahedral, found.octahedral.reshape(-1, 3)])
    delta = sites[:, None] - sites[None]
    distance = np.linalg.norm((delta - np.round(delta)) * CUBIC_A, axis=-1)
    orderings: list[np.ndarray] = []
    while len(orderings) < count:
        chosen: list[int] = []
        for site in [*rng.permutation(24).tolist(), *(24 + rng.permutation(96)).tolist()]:
            least = 4.1 if site < 24 else 2.0
            filled = site < 24 and len(chosen) == 8
            if not filled and (distance[site, chosen] > least).all():
                chosen.append(site)
        if len(chosen) == 56:
            orderings.append(np.isin(np.arange(120), chosen))
    return np.array(orderings)


def test_sites_on_one_place_are_refused(crowd):
    tables, _ = crowd
    tables["sites"][4] = tables["sites"][2] + tables["cell"][1]
    with pytest.raises(GeometryError, match=r"site [24] and site [24]"):
        site_energies(**tables)
    tables["sites"][4] = tables["host"][1]
    with pytest.raises(GeometryError, match="site 4 and host ion 1"):
        site_energies(**tables)


@pytest.mark.parametrize("extra", [np.zeros(11), np.full(12, np.inf)])
def test_extra_energies_must_be_finite_and_one_a_site(crowd, extra):
    with pytest.raises(GeometryError, match="extra_eV must be 12 finite"):
        site_energies(**crowd[0], extra_eV=extra)


def test_rows_are_padded_and_duplicates_added():
    columns, values = padded_rows(
        np.array([0, 0, 0, 2]), np.array([2, 1, 2, 0]), np.array([1.0, 5.0, 2.0, 7.0]), 3
    )
    assert columns.tolist() == [[1, 2], [3, 3], [0, 3]]
    assert values.tolist() == [[5.0, 3.0], [0.0, 0.0], [7.0, 0.0]]


def library(name, gpu):
    def is_available():
        if gpu is None:
            raise RuntimeError("driver too old")
        return gpu

    module = ModuleType(name)
    module.cuda = SimpleNamespace(is_available=is_available)
    return module


@pytest.mark.parametrize(
    ("cupy", "torch", "chosen"),
    [
        (True, True, "cupy"),
        (False, True, "torch"),
        (None, True, "torch"),
        ("absent", True, "torch"),
        (False, False, "numpy"),
        ("absent", "absent", "numpy"),
    ],
)
def test_auto_takes_a_gpu_library_only_with_a_gpu(monkeypatch, cupy, torch, chosen):
    for name, gpu in (("cupy", cupy), ("torch", torch)):
        module = None if gpu == "absent" else library(name, gpu)
        monkeypatch.setitem(sys.modules, name, module)
    assert array_namespace("auto").__name__ == chosen


def test_named_libraries_are_taken_or_refused(monkeypatch):
    assert array_namespace("numpy") is np
    monkeypatch.setitem(sys.modules, "torch", library("torch", gpu=False))
    assert array_namespace("torch").__name__ == "torch"
    monkeypatch.setitem(sys.modules, "cupy", library("cupy", gpu=False))
    with pytest.raises(ConfigError, match="finds no GPU"):
        array_namespace("cupy")
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(ConfigError, match="cupy cannot be imported"):
        array_namespace("cupy")
    with pytest.raises(ConfigError, match="'jax' is not known"):
        array_namespace("jax")


def test_torch_gives_the_same_energies(crowd):
    torch = pytest.importorskip("torch")
    tables, orderings = crowd
    energies = site_energies(**tables)
    assert ordering_energies(energies, orderings, torch) == pytest.approx(
        ordering_energies(energies, orderings, np), abs=1e-9
    )
