"""Pair functions of gases, of lattices whose shells are known, and of crystalline LLZO."""

import numpy as np
import pytest

from gbopt.analysis.pairs import PairFunctions
from gbopt.crystal.llzo import CUBIC_A, cubic_sites
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.model.trajectory import TrajectoryInfo

TRICLINIC = np.array([[9.0, 0, 0], [3.1, 8.0, 0], [-2.0, 2.5, 10.0]])


def info_of(species, cell, n_frames, content="positions"):
    return TrajectoryInfo(
        species=np.asarray(species, dtype=np.int8),
        cell=np.asarray(cell, dtype=np.float64),
        frame_interval_ps=0.1,
        n_frames=n_frames,
        temperature_K=1000.0,
        content=content,
    )


def counted(species, cell, frames, **settings):
    functions = PairFunctions(info_of(species, cell, len(frames)), **settings)
    for frame in frames:
        functions.add(frame)
    return functions.result()


def lattice(basis, repeat, edge):
    """Positions of ``repeat`` cells along each axis, and the cell."""
    corners = np.stack(np.meshgrid(*[np.arange(repeat)] * 3, indexing="ij"), axis=-1)
    sites = corners.reshape(-1, 1, 3) + np.asarray(basis)
    return sites.reshape(-1, 3) * edge, np.eye(3) * repeat * edge


def shaken(positions, count, size_A, seed=1):
    rng = np.random.default_rng(seed)
    return [positions + rng.normal(0, size_A, positions.shape) for _ in range(count)]


@pytest.mark.parametrize("r_max_A", [4.0, 9.0])
def test_an_ideal_gas_has_no_structure(r_max_A):
    """In an oblique cell, and far beyond half of it: 1 within the errors, 1 - 1/N among equals."""
    rng = np.random.default_rng(2)
    species = [LI] * 20 + [O] * 30
    frames = [rng.random((50, 3)) @ TRICLINIC for _ in range(200)]
    found = counted(species, TRICLINIC, frames, r_max_A=r_max_A, bin_A=r_max_A / 20, segments=10)
    assert found.pairs == ("Li-Li", "Li-O", "O-O")
    # The first bins hold few pairs; from the shortest lattice vector on an ion meets its images.
    near = (found.radius_A > 1.0) & (found.radius_A < 8.1)
    off = []
    for pair, expected in (("Li-Li", 19 / 20), ("Li-O", 1.0), ("O-O", 29 / 30)):
        value, error = found.g(pair)
        assert value[near] == pytest.approx(expected, abs=0.3 if r_max_A == 4.0 else 0.08)
        off.extend((value - expected)[near] / error[near])
    # Half of Student's t with nine degrees of freedom lies within 0.70.
    assert np.median(np.abs(off)) == pytest.approx(0.70, abs=0.3)


def test_shells_of_a_simple_cubic_lattice_smaller_than_the_distance():
    """Eight ions in a cell of 6 A, counted to 9.5 A."""
    positions, cell = lattice([[0, 0, 0]], 2, 3.0)
    found = counted([ZR] * 8, cell, [positions + 0.01] * 4, r_max_A=9.5, bin_A=0.05, segments=2)
    value, error = found.running("Zr-Zr")
    shells = 3.0 * np.sqrt([1, 2, 3, 4, 5, 6, 8, 9])
    for distance, total in zip(shells, np.cumsum([6, 12, 8, 6, 24, 24, 12, 30]), strict=True):
        assert value[np.searchsorted(found.edges_A[1:], distance + 0.06)] == total
    assert not error.any()
    assert found.coordination("Zr-Zr").value == 6
    assert found.first_minimum_A("Zr-Zr") == pytest.approx((1 + np.sqrt(2)) / 2 * 3.0, abs=0.1)


def test_shells_of_a_shaken_body_centred_lattice():
    positions, cell = lattice([[0, 0, 0], [0.5, 0.5, 0.5]], 4, 3.5)
    frames = shaken(positions, 10, 0.08)
    found = counted([LI, LA] * 64, cell, frames, r_max_A=6.5)
    across, along = 3.5 * np.sqrt(3) / 2, 3.5
    assert found.coordination("Li-La", 3.7).value == pytest.approx(8, abs=0.02)
    assert found.coordination("La-La").value == pytest.approx(6, abs=1e-9)
    assert found.peaks_A("Li-La") == pytest.approx([across, 3.5 * np.sqrt(11) / 2], abs=0.03)
    first = found.first_peak("La-La")
    assert first.value == pytest.approx(along, abs=0.02)
    assert 0 < first.std_err < 0.02


def test_shells_of_cubic_llzo():
    """Zr-O 6 at 2.11 A, La-O 8, Zr-Zr 8 at sqrt(3)/4 a; La-La and O-O as its sites have them."""
    sites = cubic_sites()
    frames = shaken(sites.framework * CUBIC_A, 10, 0.05)
    cell = np.eye(3) * CUBIC_A
    found = counted(sites.species, cell, frames, r_max_A=8.0)
    assert found.pairs == ("La-La", "La-Zr", "La-O", "Zr-Zr", "Zr-O", "O-O")
    for pair, count in {"Zr-O": 6, "La-O": 8, "Zr-Zr": 8, "O-Zr": 1, "O-La": 2}.items():
        cutoff_A = {"La-O": 3.3, "O-La": 3.3}.get(pair)
        assert found.coordination(pair, cutoff_A).value == pytest.approx(count, abs=1e-3), pair
    assert found.first_peak("Zr-O").value == pytest.approx(2.11, abs=0.02)
    assert found.first_peak("Zr-Zr").value == pytest.approx(np.sqrt(3) / 4 * CUBIC_A, abs=0.02)
    assert found.first_peak("La-O").value == pytest.approx(2.55, abs=0.05)  # 2.51 and 2.60


def test_g_agrees_with_ase():
    """The same counts by the other program, for every pair, in an oblique cell."""
    from ase import Atoms
    from ase.geometry.rdf import get_rdf

    rng = np.random.default_rng(2)
    cell = 2 * TRICLINIC
    species = np.array([LI] * 70 + [O] * 50)
    frames = [rng.random((120, 3)) @ cell for _ in range(4)]
    found = counted(species, cell, frames, r_max_A=5.0, bin_A=0.25, segments=2)
    symbols = np.where(species == LI, "Li", "O")
    for pair in found.pairs:
        kinds = [3 if name == "Li" else 8 for name in pair.split("-")]
        theirs = []
        for frame in frames:
            atoms = Atoms(symbols, frame, cell=cell, pbc=True)
            theirs.append(get_rdf(atoms, 5.0, 20, elements=kinds)[0])
        ours = found.g(pair)[0]
        assert ours == pytest.approx(np.mean(theirs, axis=0), rel=1e-12), pair


def test_the_count_is_the_integral_of_g():
    frames = shaken(cubic_sites().framework * CUBIC_A, 4, 0.2)
    species = cubic_sites().species
    found = counted(species, np.eye(3) * CUBIC_A, frames, segments=2)
    shell_A3 = 4 / 3 * np.pi * np.diff(found.edges_A**3)
    for pair, around in (("Zr-O", O), ("O-Zr", ZR), ("La-La", LA)):
        density = np.count_nonzero(species == around) / CUBIC_A**3
        integral = np.cumsum(found.g(pair)[0] * shell_A3 * density)
        assert integral == pytest.approx(found.running(pair)[0], rel=1e-12, abs=1e-12)


def test_the_errors_cover_what_runs_differ_by():
    """Frames of independent shakes: coordination to a cut-off in the flank of the first peak."""
    positions, cell = lattice([[0, 0, 0]], 4, 3.0)
    off = []
    for seed in range(40):
        frames = shaken(positions, 10, 0.25, seed)
        found = counted([ZR] * 64, cell, frames, r_max_A=4.0)
        estimate = found.coordination("Zr-Zr", 3.2)
        off.append((estimate.value, estimate.std_err))
    values, errors = np.array(off).T
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.3)


def test_rows_hold_every_pair():
    sites = cubic_sites()
    frames = shaken(sites.framework * CUBIC_A, 4, 0.05)
    found = counted(sites.species, np.eye(3) * CUBIC_A, frames, segments=2)
    rows = found.rows()
    assert len(rows) == 160
    assert list(rows[0])[:4] == ["r_A", "to_A", "g_La-La", "g_La-La_err"]
    at = next(row for row in rows if row["to_A"] > 2.699)
    assert (at["to_A"], at["n_Zr-O"]) == (pytest.approx(2.7), pytest.approx(6))


def test_few_frames_are_taken_from_many():
    cell = lattice([[0, 0, 0]], 2, 3.0)[1]
    functions = PairFunctions(info_of([ZR] * 8, cell, 5000), r_max_A=3.5)
    taken = 0
    for _ in range(5000):
        taken += functions._sampler.next() is not None
    assert taken == 100


def test_refusals():
    gas = info_of([LI, O], TRICLINIC, 10)
    with pytest.raises(AnalysisError, match="cannot be counted in velocities"):
        PairFunctions(info_of([LI, O], TRICLINIC, 10, "velocities"))
    with pytest.raises(AnalysisError, match="cannot be divided into bins"):
        PairFunctions(gas, r_max_A=1.0, bin_A=0.5)
    with pytest.raises(AnalysisError, match="no scatter"):
        PairFunctions(gas, segments=1)
    functions = PairFunctions(gas)
    functions.add(np.zeros((2, 3)))
    with pytest.raises(AnalysisError, match="ended after 1 frames"):
        functions.result()
    frames = [np.random.default_rng(1).random((50, 3)) @ TRICLINIC for _ in range(10)]
    found = counted([LI] * 49 + [O], TRICLINIC, frames, r_max_A=6.0, bin_A=0.5)
    assert found.pairs == ("Li-Li", "Li-O")
    with pytest.raises(AnalysisError, match="no pair Zr-O among Li, O"):
        found.g("Zr-O")
    with pytest.raises(AnalysisError, match="not within the 6 A counted"):
        found.coordination("Li-O", 7.0)
    positions, cell = lattice([[0, 0, 0]], 3, 3.0)
    found = counted([ZR] * 27, cell, shaken(positions, 4, 0.2), r_max_A=3.2, segments=2)
    with pytest.raises(AnalysisError, match=r"Zr-Zr has no end within 3\.2 A"):
        found.coordination("Zr-Zr")
    flat = counted([ZR] * 27, cell, shaken(positions, 4, 0.2), r_max_A=2.0, segments=2)
    with pytest.raises(AnalysisError, match="has no peak up to 2 A"):
        flat.first_peak("Zr-Zr")
