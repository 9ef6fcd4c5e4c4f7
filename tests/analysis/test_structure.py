import numpy as np
import pytest

from gbopt.analysis.composition import Composition
from gbopt.analysis.structure import SHELLS, BoundaryWidth, OxygenVacancies
from gbopt.crystal.llzo import CUBIC_A, cubic_sites, tetragonal_cell
from gbopt.crystal.neighbours import pairs_within, wrap
from gbopt.errors import AnalysisError
from gbopt.model.bicrystal import LA, LI, ZR, O
from gbopt.model.observables import Estimate
from gbopt.model.trajectory import TrajectoryInfo

SPACING_A, LAYERS, ACROSS = 6.0, 8, 3
LENGTH_A = SPACING_A * LAYERS
PLANES = (0.0, 24.0)
LATTICE_A = 13.0


def oblique(tilt_A: float) -> np.ndarray:
    edge = SPACING_A * ACROSS
    return np.array([[edge, 0, 0], [tilt_A, edge, 0], [0, 0, LENGTH_A]])


def info_of(species: np.ndarray, cell: np.ndarray, n_frames: int) -> TrajectoryInfo:
    return TrajectoryInfo(
        species=species.astype(np.int8),
        cell=cell,
        frame_interval_ps=0.1,
        n_frames=n_frames,
        temperature_K=1100.0,
    )


def octahedra(cell: np.ndarray, remove: int) -> tuple[np.ndarray, np.ndarray]:
    """ZrO6 on a grid, layers at 0, 6, ... 42 A; ``remove`` O taken from the layer at z = 0."""
    grid = np.stack(np.meshgrid(*[np.arange(k) for k in (ACROSS, ACROSS, LAYERS)]), -1)
    zr = (grid.reshape(-1, 3) / [ACROSS, ACROSS, LAYERS]) @ cell
    arms = 2.11 * np.vstack([np.eye(3), -np.eye(3)])
    o = (zr[:, None] + arms).reshape(-1, 3)
    of_core = np.repeat(zr[:, 2] < 1.0, 6)
    o = np.delete(o, np.flatnonzero(of_core)[: 7 * remove : 7], axis=0)
    species = np.repeat([ZR, O], [len(zr), len(o)])
    return np.vstack([zr, o]), species


@pytest.mark.parametrize("tilt_A", [0.0, 6.0])
def test_missing_oxygen_is_counted(tilt_A: float) -> None:
    cell = oblique(tilt_A)
    positions, species = octahedra(cell, remove=5)
    info = info_of(species, cell, 40)
    oxygen = OxygenVacancies(info, boundaries_A=PLANES, core_width_A=4.0, segments=4)
    rng = np.random.default_rng(0)
    for _ in range(40):
        # Whole cell vectors added: unwrapped ions may be anywhere.
        jumps = rng.integers(-2, 3, positions.shape) @ cell
        oxygen.add(positions + rng.normal(0, 0.05, positions.shape) + jumps)
    fraction = oxygen.result()
    assert [e.value for e in fraction.each] == pytest.approx([5 / 54, 0.0])
    assert fraction.mean.value == pytest.approx(2.5 / 54)


@pytest.mark.parametrize("phase", ["cubic", "tetragonal"])
def test_crystal_at_rest_misses_no_bonds(phase: str) -> None:
    if phase == "cubic":
        crystal, cell, first_A = cubic_sites(), np.eye(3) * CUBIC_A, 0.0
        positions, species = crystal.framework @ cell, crystal.species
    else:
        positions, cell, species = tetragonal_cell()
        first_A = -cell[2, 2] / 8  # puts a layer of Zr in mid-grain
    info = info_of(species, cell, 8)
    half_A = cell[2, 2] / 2
    planes = (first_A, first_A + half_A)
    oxygen = OxygenVacancies(info, boundaries_A=planes, core_width_A=half_A, segments=4)
    for _ in range(8):
        oxygen.add(positions)
    for share in (oxygen.result(), oxygen.lanthanum()):
        assert [e.value for e in share.each] == [0.0, 0.0]
    # The cut-offs lie between the shells: a tenth more or less makes no difference.
    for shell in SHELLS:
        cations, anions = (wrap(positions[species == kind], cell) for kind in (shell.cation, O))
        for cutoff_A in (0.9 * shell.cutoff_A, 1.1 * shell.cutoff_A):
            found = pairs_within(cations, cell, cutoff_A, anions)
            assert np.bincount(found.i).tolist() == [shell.bonds] * len(cations)


def test_missing_lanthanum_bonds_are_counted() -> None:
    crystal = cubic_sites()
    cell = np.diag([CUBIC_A, CUBIC_A, 3 * CUBIC_A])
    layers = np.arange(3)[:, None, None] * [0.0, 0.0, 1.0]
    positions = ((crystal.framework + layers) * CUBIC_A).reshape(-1, 3)
    species = np.tile(crystal.species, 3)
    # Every O is bound to two La and one Zr: those of 5 O near the first boundary are missed.
    height = np.minimum(positions[:, 2], cell[2, 2] - positions[:, 2])
    gone = np.flatnonzero((species == O) & (height < 2.0))[::4][:5]
    core = height < 6.0
    la, zr = (np.count_nonzero(core & (species == kind)) for kind in (LA, ZR))
    keep = np.delete(np.arange(len(species)), gone)
    info = info_of(species[keep], cell, 8)
    planes = (0.0, cell[2, 2] / 2)
    oxygen = OxygenVacancies(info, boundaries_A=planes, core_width_A=12.0, segments=4)
    for _ in range(8):
        oxygen.add(positions[keep])
    assert [e.value for e in oxygen.lanthanum().each] == pytest.approx([10 / (8 * la), 0.0])
    assert [e.value for e in oxygen.result().each] == pytest.approx([5 / (6 * zr), 0.0])


def test_a_core_without_zirconium_says_so() -> None:
    positions, species = octahedra(oblique(0.0), remove=0)
    oxygen = OxygenVacancies(
        info_of(species, oblique(0.0), 4),
        boundaries_A=(3.0, 27.0),
        core_width_A=2.0,
        segments=4,
    )
    for _ in range(4):
        oxygen.add(positions)
    with pytest.raises(AnalysisError, match="no data"):
        oxygen.result()
    with pytest.raises(AnalysisError, match="no data"):
        oxygen.lanthanum()


def bicrystal_width(displaced: int, slide_A: float) -> tuple[float, float]:
    """Widths of a cell whose first boundary has cations moved off and whose grain 1 slid."""
    rng = np.random.default_rng(4)
    cell = oblique(3.0)
    sites = rng.random((600, 3)) @ cell
    z = sites[:, 2]
    near_first = np.minimum(z, LENGTH_A - z) < 3.0
    core = near_first | (np.abs(z - 24.0) < 3.0)
    grain = (z > 24.0).astype(np.int8)
    species = np.where(np.arange(600) % 5 < 3, LA, ZR)
    info = info_of(species, cell, 20)
    meter = BoundaryWidth(
        info,
        sites=sites,
        grain=grain,
        core=core,
        boundaries_A=PLANES,
        segments=4,
        lattice_A=LATTICE_A,
    )
    moved = sites + np.outer(grain, [slide_A, 0, 0])
    moved[np.flatnonzero(near_first)[:displaced]] += [0.0, 1.5, 0.5]
    for _ in range(20):
        meter.add(moved + rng.normal(0, 0.2, moved.shape))
    result = meter.result()
    return result.each[0].value, result.each[1].value


@pytest.mark.parametrize("slide_A", [0.0, 1.4])
def test_width_counts_displaced_cations(slide_A: float) -> None:
    first, second = bicrystal_width(17, slide_A)
    area_A2 = 18.0**2
    assert first == pytest.approx(17 / (40 / LATTICE_A**3 * area_A2))
    assert second == 0.0


def composition_of(n_li_core: int) -> Composition:
    """1,200 La and Zr spread evenly, Li 7/5 of them but for the first core."""
    cell = oblique(0.0)
    z = (np.arange(1200) + 0.5) / 1200 * LENGTH_A
    li_z = (np.arange(1680) + 0.5) / 1680 * LENGTH_A
    li_z = li_z[np.minimum(li_z, LENGTH_A - li_z) > 3.0]
    li_z = np.concatenate([li_z, np.linspace(-2.9, 2.9, n_li_core)])
    z = np.concatenate([z, li_z])
    species = np.concatenate([np.where(np.arange(1200) % 5 < 3, LA, ZR), np.full(len(li_z), LI)])
    meter = Composition(
        info_of(species, cell, 12), boundaries_A=PLANES, core_width_A=6.0, segments=4, bin_A=2.0
    )
    frame = np.column_stack([np.zeros((len(z), 2)), z])
    for _ in range(12):
        meter.add(frame)
    return meter


def test_li_enrichment_of_a_synthetic_profile() -> None:
    profile = composition_of(n_li_core=315).result()
    ratio = profile.li_enrichment_ratio()
    # 150 cations and, in the crystal, 210 Li in each core slab.
    assert [e.value for e in ratio.each] == pytest.approx([1.5, 1.0])
    assert ratio.mean.value == pytest.approx(1.25)
    # Nothing varies in time: the error of the mean is what the two boundaries differ by.
    assert ratio.each[0].std_err == pytest.approx(0.0, abs=1e-12)
    assert ratio.mean.std_err == pytest.approx(0.25)
    bulk_per_A3 = 210 / (18.0**2 * 6.0)
    bulk = Estimate(value=bulk_per_A3, std_err=0.1 * bulk_per_A3, unit="A-3", n_eff=3, method="")
    volumetric = profile.li_enrichment_volumetric(bulk)
    assert [e.value for e in volumetric.each] == pytest.approx([1.5, 1.0])
    assert volumetric.each[0].std_err == pytest.approx(0.15)


def test_density_profile_counts_all_ions() -> None:
    profile = composition_of(n_li_core=210).result()
    value, error = profile.density()
    assert value.shape == error.shape == (8, 24)
    volume_A3 = 18.0**2 * 2.0
    assert value.sum(axis=1) * volume_A3 == pytest.approx([1680, 720, 480, 0, 0, 0, 0, 0])
    assert error == pytest.approx(np.zeros((8, 24)))
