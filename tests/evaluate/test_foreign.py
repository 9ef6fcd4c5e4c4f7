"""One run of walkers among a fixed framework, in the files of many programs."""

import gzip
import re
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.geometry import cell_to_cellpar
from ase.io import write
from numpy.typing import NDArray

from gbopt.analysis.frames import drift_corrected
from gbopt.analysis.profile import TransportProfile
from gbopt.analysis.transport import LiTransport
from gbopt.errors import AnalysisError, ConfigError, EnvironmentProblem
from gbopt.evaluate.dump import box
from gbopt.evaluate.foreign import read_trajectory
from gbopt.model.bicrystal import SPECIES
from gbopt.model.trajectory import Trajectory

FRAME_PS = 0.1
D_A2_PS = np.array([0.05, 0.1, 0.2])
EDGES_A = (12.0, 11.0, 20.0)
ORIGIN_A = np.array([-3.0, 1.5, 2.0])
LAYOUTS = (
    "id element xu yu zu",
    "id type element x y z ix iy iz vx",
    "mol x y z id element",
    "id type xs ys zs",
    "id typelabel xs ys zs ix iy iz",
    "id element xsu ysu zsu",
)


@dataclass(frozen=True)
class Run:
    elements: list[str]
    frames: NDArray[np.float64]
    """(frames, n, 3) unwrapped."""
    cell: NDArray[np.float64]

    def permuted(self) -> "Run":
        """The same with its axes written as z, x, y, so that the normal is x."""
        order = [2, 0, 1]
        return Run(self.elements, self.frames[:, :, order], self.cell[order][:, order])


def walkers(n_frames: int, tilt_A: float = 0.0, n_li: int = 60) -> Run:
    """Li that diffuses as D_A2_PS says in a framework at rest; all of it drifts."""
    rng = np.random.default_rng(7)
    elements = [*("Li" for _ in range(n_li)), *(["La", "Zr", "O", "O"] * 10)]
    rng.shuffle(elements)
    li = np.array(elements) == "Li"
    steps = rng.normal(0.0, np.sqrt(2 * D_A2_PS * FRAME_PS), (n_frames, len(elements), 3))
    steps[:, ~li] = 0.0
    steps[0] = rng.random((len(elements), 3)) * EDGES_A
    cell = np.diag(EDGES_A)
    cell[1, 0] = tilt_A
    return Run(elements, steps.cumsum(axis=0) + 0.02 * np.arange(n_frames)[:, None, None], cell)


def header(cell: NDArray[np.float64]) -> list[str]:
    """Box of a dump as LAMMPS writes it."""
    low, high = ORIGIN_A.copy(), ORIGIN_A + np.diag(cell)
    (xy, xz, yz) = tilts = cell[1, 0], cell[2, 0], cell[2, 1]
    if not any(tilts):
        return ["ITEM: BOX BOUNDS pp pp pp", *(f"{a} {b}" for a, b in zip(low, high, strict=True))]
    corners = np.array([i * cell[0] + j * cell[1] + k * cell[2] for i, j, k in np.ndindex(2, 2, 2)])
    low[:2], high[:2] = (ORIGIN_A + corners.min(axis=0))[:2], (ORIGIN_A + corners.max(axis=0))[:2]
    rows = (f"{a} {b} {t}" for a, b, t in zip(low, high, (xy, xz, yz), strict=True))
    return ["ITEM: BOX BOUNDS xy xz yz pp pp pp", *rows]


def dump(path: Path, run: Run, layout: str = LAYOUTS[0], stride: int = 50) -> Path:
    """Write a LAMMPS dump; where it holds ids, each frame in another order."""
    rng, n = np.random.default_rng(1), len(run.elements)
    lines: list[str] = []
    for number, frame in enumerate(run.frames):
        share = frame @ np.linalg.inv(run.cell)
        image = np.floor(share)
        names = {"id": [str(i + 1) for i in range(n)], "mol": ["1"] * n, "vx": ["0.5"] * n}
        names["type"] = [str(SPECIES.index(e) + 1) for e in run.elements]
        names["element"] = names["typelabel"] = run.elements
        for axis, c in enumerate("xyz"):
            wrapped = ORIGIN_A + (share - image) @ run.cell
            names[c] = [f"{v:.10f}" for v in wrapped[:, axis]]
            names[f"{c}u"] = [f"{v:.10f}" for v in (ORIGIN_A + frame)[:, axis]]
            names[f"{c}s"] = [f"{v:.12f}" for v in (share - image)[:, axis]]
            names[f"{c}su"] = [f"{v:.12f}" for v in share[:, axis]]
            names[f"i{c}"] = [f"{v:.0f}" for v in image[:, axis]]
        rows = list(zip(*(names[name] for name in layout.split()), strict=True))
        order = rng.permutation(n) if "id" in layout.split() else range(n)
        lines += ["ITEM: TIMESTEP", str(1000 + stride * number), "ITEM: NUMBER OF ATOMS", str(n)]
        lines += [*header(run.cell), f"ITEM: ATOMS {layout}", *(" ".join(rows[i]) for i in order)]
    path.write_text("\n".join(lines) + "\n")
    return path


def extxyz(path: Path, run: Run, *, wrapped: bool = True) -> Path:
    frames = [Atoms(run.elements, frame, cell=run.cell, pbc=True) for frame in run.frames]
    for atoms in frames if wrapped else []:
        atoms.wrap()
    write(path, frames, format="extxyz")
    return path


def opened(path: Path, **options) -> Trajectory:
    return read_trajectory(path, frame_interval_ps=FRAME_PS, temperature_K=1100.0, **options)


def drained(path: Path, **options) -> NDArray[np.float64]:
    return np.array(list(opened(path, **options).frames))


def measured(trajectory: Trajectory) -> TransportProfile:
    transport = LiTransport(trajectory.info, lag_ps=1.0, segments=5, bin_A=2.0)
    for frame in drift_corrected(trajectory):
        transport.add(frame)
    return transport.result()


def types_of(layout: str) -> list[str] | None:
    return None if {"element", "typelabel"} & set(layout.split()) else list(SPECIES)


@pytest.mark.parametrize("tilt_A", [0.0, 3.5, -4.5])
@pytest.mark.parametrize("layout", [*LAYOUTS, "element xu yu zu", "element x y z"])
def test_every_layout_gives_the_same_frames(layout, tilt_A, tmp_path) -> None:
    run = walkers(25, tilt_A)
    trajectory = opened(dump(tmp_path / "run.dump", run, layout), types=types_of(layout))
    frames = np.array(list(trajectory.frames))
    info = trajectory.info
    assert info.n_frames == len(frames) == 25
    assert [SPECIES[s] for s in info.species] == run.elements
    assert info.cell == pytest.approx(run.cell, abs=1e-9)
    assert frames - frames[0] == pytest.approx(run.frames - run.frames[0], abs=1e-7)
    shift = (frames[0] - ORIGIN_A - run.frames[0]) @ np.linalg.inv(run.cell)
    assert shift == pytest.approx(np.round(shift), abs=1e-7)


@pytest.mark.parametrize("wrapped", [True, False])
def test_extended_xyz_gives_the_same_frames(wrapped, tmp_path) -> None:
    run = walkers(25, 3.5)
    trajectory = opened(extxyz(tmp_path / "run.extxyz", run, wrapped=wrapped))
    frames = np.array(list(trajectory.frames))
    assert trajectory.info.cell == pytest.approx(run.cell)
    assert frames - frames[0] == pytest.approx(run.frames - run.frames[0], abs=1e-6)


def test_the_diffusivity_is_right_and_the_same_from_every_file(tmp_path) -> None:
    flat, oblique = walkers(400), walkers(400, 3.5)
    profiles = [
        measured(opened(dump(tmp_path / "a.dump", flat, "id element x y z"))),
        measured(opened(dump(tmp_path / "b.dump", oblique, "id element x y z"))),
        measured(opened(extxyz(tmp_path / "c.extxyz", oblique))),
    ]
    for axis in range(3):
        first, *others = (profile.cell_diffusivity(axis) for profile in profiles)
        assert abs(first.value - 1e-4 * D_A2_PS[axis]) < 3.5 * first.std_err
        assert first.std_err < 0.2 * first.value
        for other in others:
            assert other.value == pytest.approx(first.value, rel=1e-5)
            assert other.std_err == pytest.approx(first.std_err, rel=1e-4)


def test_another_normal_is_a_permutation_of_the_axes(tmp_path) -> None:
    run = walkers(25, 3.5)
    upright = opened(dump(tmp_path / "z.dump", run))
    along_x = opened(dump(tmp_path / "x.dump", run.permuted()), normal="x")
    along_y = opened(extxyz(tmp_path / "y.xyz", run.permuted().permuted()), normal="y")
    frames = np.array(list(upright.frames))
    for other in (along_x, along_y):
        again = np.array(list(other.frames))
        assert other.info.cell == pytest.approx(upright.info.cell)
        assert again - again[0] == pytest.approx(frames - frames[0], abs=1e-6)
    with pytest.raises(AnalysisError, match="cell vector b is not along y"):
        opened(tmp_path / "z.dump", normal="y")


def test_bounding_box_of_an_oblique_box() -> None:
    """The example with xy = 3, xz = -2, yz = 1.5 by hand."""
    title = ["xy", "xz", "yz", "pp", "pp", "pp"]
    cell, origin = box(title, ["-2.5 12.5 3", "1 12.5 -2", "0 7 1.5"])
    assert cell.tolist() == [[10, 0, 0], [3, 10, 0], [-2, 1.5, 7]]
    assert origin.tolist() == [-0.5, 1, 0]
    listed, start = box(["abc", "origin", "pp", "pp", "pp"], ["9 1 0 4", "0 8 1 5", "1 0 7 6"])
    assert listed.tolist() == [[9, 1, 0], [0, 8, 1], [1, 0, 7]]
    assert start.tolist() == [4, 5, 6]


def test_compressed_files_and_headers_with_units_and_time(tmp_path) -> None:
    plain = dump(tmp_path / "run.dump", walkers(4))
    packed = tmp_path / "run.dump.gz"
    with gzip.open(packed, "wt") as handle:
        handle.write("ITEM: UNITS\nmetal\n" + timed(plain.read_text(), FRAME_PS))
    assert np.array_equal(drained(packed), drained(plain))


def timed(text: str, interval: float) -> str:
    """The text of a dump with the time of each frame."""
    first, *frames = text.split("ITEM: TIMESTEP")
    return first + "".join(
        f"ITEM: TIME\n{index * interval}\nITEM: TIMESTEP{frame}"
        for index, frame in enumerate(frames)
    )


@pytest.mark.parametrize(("units", "interval"), [("metal", FRAME_PS), ("real", 1000 * FRAME_PS)])
def test_the_interval_is_held_against_the_time_in_the_file(units, interval, tmp_path) -> None:
    path = dump(tmp_path / "run.dump", walkers(4))
    text = path.read_text()
    path.write_text(f"ITEM: UNITS\n{units}\n" + timed(text, interval))
    assert len(drained(path)) == 4
    path.write_text(f"ITEM: UNITS\n{units}\n" + timed(text, 2 * interval))
    with pytest.raises(AnalysisError, match=r"0\.2 ps apart, not 0\.1 ps"):
        drained(path)


def test_units_without_angstrom_are_refused(tmp_path) -> None:
    path = dump(tmp_path / "run.dump", walkers(4))
    path.write_text("ITEM: UNITS\nlj\n" + path.read_text())
    with pytest.raises(AnalysisError, match="units lj"):
        drained(path)


def test_types_overrule_the_element_column(tmp_path) -> None:
    """Unless told otherwise, LAMMPS writes C as the element of every type."""
    run = walkers(3)
    path = dump(tmp_path / "run.dump", run, LAYOUTS[1])
    path.write_text(re.sub(r"^(\d+ \d) \w+", r"\1 C", path.read_text(), flags=re.MULTILINE))
    with pytest.raises(AnalysisError, match="holds C, but only Li, La, Zr and O"):
        opened(path)
    assert [SPECIES[s] for s in opened(path, types=SPECIES).info.species] == run.elements


def test_a_last_frame_cut_short_is_left_out(tmp_path) -> None:
    path = dump(tmp_path / "run.dump", walkers(5))
    whole = drained(path)
    path.write_text(path.read_text()[:-3])
    assert opened(path).info.n_frames == 4
    assert np.array_equal(drained(path), whole[:4])


def test_frames_are_not_held_in_memory(tmp_path) -> None:
    path = dump(tmp_path / "run.dump", walkers(6))
    text = path.read_text()
    path.write_text(text[: text.rindex("ITEM: ATOMS")] + "ITEM: ATOMS id element xu yu zu\n" * 101)
    frames = opened(path).frames
    for _ in range(5):
        next(frames)
    with pytest.raises(AnalysisError, match="cannot be read"):
        next(frames)


def changed(path: Path, old: str, new: str, *, last: bool = True) -> Path:
    text = path.read_text()
    at = text.rindex(old) if last else text.index(old)
    path.write_text(text[:at] + new + text[at + len(old) :])
    return path


def test_refuses_a_single_frame(tmp_path) -> None:
    for path in (dump(tmp_path / "a.dump", walkers(1)), extxyz(tmp_path / "a.xyz", walkers(1))):
        with pytest.raises(AnalysisError, match="holds 1 complete frame"):
            opened(path)


def test_refuses_a_changing_cell(tmp_path) -> None:
    path = changed(dump(tmp_path / "run.dump", walkers(3)), "22.0", "22.1")
    with pytest.raises(AnalysisError, match="the cell changes: frame 3") as refused:
        drained(path)
    assert "NVT" in refused.value.hint


def test_refuses_steps_too_long_to_unwrap(tmp_path) -> None:
    run = walkers(3)
    frames = run.frames.copy()
    frames[2, 0, 1] += 5.0
    jumped = Run(run.elements, frames, run.cell)
    with pytest.raises(AnalysisError, match="into frame 3, more than a third") as refused:
        drained(dump(tmp_path / "a.dump", jumped, "id element x y z"))
    assert "xu yu zu" in refused.value.hint
    with pytest.raises(AnalysisError, match="more than a third"):
        drained(dump(tmp_path / "b.dump", jumped, "element xu yu zu"))
    assert len(drained(dump(tmp_path / "c.dump", jumped, "id element x y z ix iy iz"))) == 3


def test_refuses_ions_out_of_order(tmp_path) -> None:
    run = walkers(3)
    first, other = run.elements.index("Li"), run.elements.index("O")
    atoms = [Atoms(run.elements, frame, cell=run.cell, pbc=True) for frame in run.frames]
    order = list(range(len(run.elements)))
    order[first], order[other] = other, first
    write(tmp_path / "run.extxyz", [*atoms[:2], atoms[2][order]])
    with pytest.raises(AnalysisError, match="frame 3 does not hold the ions"):
        drained(tmp_path / "run.extxyz")
    path = dump(tmp_path / "lost.dump", run)
    changed(path, "\n7 ", "\n700 ")
    with pytest.raises(AnalysisError, match="frame 3 does not hold the ions"):
        drained(path)


def test_refuses_uneven_frames(tmp_path) -> None:
    path = changed(dump(tmp_path / "run.dump", walkers(4)), "TIMESTEP\n1150", "TIMESTEP\n1200")
    with pytest.raises(AnalysisError, match="not evenly spaced: frame 4 is of step 1200"):
        drained(path)
    with pytest.raises(AnalysisError, match="not evenly spaced: frame 2"):
        drained(dump(tmp_path / "twice.dump", walkers(3), stride=0))


@pytest.mark.parametrize(
    ("elements", "words"),
    [({"Li": "Na"}, "holds Na, but only"), ({"Li": "O"}, "no Li"), ({"Zr": "Ta"}, "holds Ta")],
)
def test_refuses_other_materials(elements, words, tmp_path) -> None:
    run = walkers(2)
    other = Run([elements.get(e, e) for e in run.elements], run.frames, run.cell)
    with pytest.raises(AnalysisError, match=words):
        opened(extxyz(tmp_path / "run.extxyz", other))


def test_refuses_what_is_not_periodic(tmp_path) -> None:
    path = dump(tmp_path / "run.dump", walkers(3))
    path.write_text(path.read_text().replace("pp pp pp", "pp pp ff"))
    with pytest.raises(AnalysisError, match="no cell that is periodic"):
        opened(path)
    atoms = Atoms("LiO", [[0, 0, 0], [1, 1, 1]])
    write(tmp_path / "run.xyz", [atoms, atoms], format="xyz")
    with pytest.raises(AnalysisError, match="no cell that is periodic"):
        opened(tmp_path / "run.xyz")


def test_refuses_dumps_that_lack_something(tmp_path) -> None:
    path = dump(tmp_path / "a.dump", walkers(2), "id type xu yu zu")
    with pytest.raises(AnalysisError, match="no column element") as refused:
        opened(path)
    assert "--types 'Li La Zr O'" in refused.value.hint
    with pytest.raises(AnalysisError, match="has a type 4, but --types names 2"):
        opened(path, types=["Li", "La"])
    with pytest.raises(AnalysisError, match="no column xu"):
        opened(dump(tmp_path / "b.dump", walkers(2), "id element vx"))


def test_refuses_broken_files_in_one_sentence(tmp_path) -> None:
    path = changed(dump(tmp_path / "a.dump", walkers(3)), "Li", "Li Li", last=False)
    with pytest.raises(AnalysisError, match="cannot be read"):
        drained(path)
    with pytest.raises(AnalysisError, match="'noise' where a section"):
        opened(changed(path, "ITEM: TIMESTEP", "noise"))
    (tmp_path / "b.extxyz").write_text("7\nno such thing\nLi 0 0\n")
    (tmp_path / "c.gz").write_text("not compressed")
    (tmp_path / "d.bin").write_bytes(bytes(range(256)))
    for name in ("b.extxyz", "c.gz", "d.bin"):
        with pytest.raises(AnalysisError, match="cannot be read") as refused:
            opened(tmp_path / name)
        assert "\n" not in refused.value.message


def test_refuses_arguments_that_make_no_sense(tmp_path) -> None:
    path = extxyz(tmp_path / "run.extxyz", walkers(2))
    with pytest.raises(ConfigError, match="no LAMMPS text dump"):
        opened(path, types=["Li"])
    with pytest.raises(ConfigError, match="No such file"):
        opened(tmp_path / "missing.dump")
    for interval_ps in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="frame interval"):
            read_trajectory(path, frame_interval_ps=interval_ps, temperature_K=1100.0)


def topology_of(path: Path, run: Run) -> Path:
    """A file that names the ions in their order."""
    write(path, Atoms(run.elements, run.frames[0], cell=run.cell, pbc=True))
    return path


def by_mdanalysis(path: Path, run: Run) -> Path:
    """Write the run wrapped, in single precision, as the suffix says."""
    library = pytest.importorskip("MDAnalysis")
    universe = library.Universe.empty(len(run.elements), trajectory=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with library.Writer(str(path), len(run.elements)) as writer:
            for frame in run.frames:
                share = frame @ np.linalg.inv(run.cell)
                universe.atoms.positions = (share - np.floor(share)) @ run.cell
                universe.dimensions = cell_to_cellpar(run.cell)
                writer.write(universe.atoms)
    return path


@pytest.mark.parametrize("tilt_A", [0.0, 3.5, -4.5])
@pytest.mark.parametrize(
    ("name", "topology", "rounding_A"),
    [
        ("run.dcd", "ions.pdb", 1e-5),
        ("run.trr", "ions.xyz", 1e-5),
        ("run.xtc", "ions.xyz", 0.01),
        ("run.ncdf", "ions.pdb", 1e-5),
    ],
)
def test_files_that_mdanalysis_reads(name, topology, rounding_A, tilt_A, tmp_path) -> None:
    run = walkers(25, tilt_A)
    file = by_mdanalysis(tmp_path / name, run)
    trajectory = opened(file, topology=topology_of(tmp_path / topology, run))
    frames = np.array(list(trajectory.frames))
    assert trajectory.info.n_frames == len(frames) == 25
    assert [SPECIES[s] for s in trajectory.info.species] == run.elements
    assert trajectory.info.cell == pytest.approx(run.cell, abs=1e-4)
    assert frames - frames[0] == pytest.approx(run.frames - run.frames[0], abs=2 * rounding_A)


def test_a_dcd_gives_the_diffusivities_of_the_dump(tmp_path) -> None:
    run = walkers(400, 3.5)
    dcd = by_mdanalysis(tmp_path / "run.dcd", run)
    ours = measured(opened(dcd, topology=topology_of(tmp_path / "ions.pdb", run)))
    same = measured(opened(dump(tmp_path / "run.dump", run)))
    for axis in range(3):
        expected = same.cell_diffusivity(axis).value
        assert ours.cell_diffusivity(axis).value == pytest.approx(expected, rel=1e-4)


def test_another_normal_of_a_dcd(tmp_path) -> None:
    run = walkers(25, 3.5)
    dcd = by_mdanalysis(tmp_path / "run.dcd", run.permuted())
    topology = topology_of(tmp_path / "ions.xyz", run.permuted())
    frames = np.array(list(opened(dcd, topology=topology, normal="x").frames))
    assert frames - frames[0] == pytest.approx(run.frames - run.frames[0], abs=1e-4)


def test_refusals_of_trajectories_with_a_topology(tmp_path) -> None:
    run = walkers(3)
    dcd, pdb = by_mdanalysis(tmp_path / "run.dcd", run), topology_of(tmp_path / "ions.pdb", run)
    with pytest.raises(AnalysisError, match="cannot be read") as refused:
        opened(dcd)
    assert "--topology" in refused.value.hint
    with pytest.raises(AnalysisError, match="names no elements") as refused:
        opened(dcd, topology=topology_of(tmp_path / "ions.gro", run))
    assert "PDB" in refused.value.hint
    with pytest.raises(ConfigError, match="no LAMMPS text dump"):
        opened(dcd, topology=pdb, types=list(SPECIES))
    with pytest.raises(ConfigError, match=r"missing\.pdb: no such file"):
        opened(dcd, topology=tmp_path / "missing.pdb")
    with pytest.raises(AnalysisError, match="cannot be read"):
        opened(dcd, topology=topology_of(tmp_path / "fewer.xyz", walkers(3, n_li=50)))
    with pytest.raises(AnalysisError, match=r"run\.dcd names no elements"):
        opened(pdb, topology=dcd)
    moved = Run(run.elements, run.frames + np.arange(3)[:, None, None] * 5.0, run.cell)
    with pytest.raises(AnalysisError, match="more than a third"):
        drained(by_mdanalysis(tmp_path / "fast.dcd", moved), topology=pdb)


def test_says_how_to_install_mdanalysis(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "MDAnalysis", None)
    with pytest.raises(EnvironmentProblem, match="MDAnalysis, which is not installed") as refused:
        opened(tmp_path / "run.dcd", topology=tmp_path / "ions.pdb")
    assert 'pip install "gbopt-llzo[analysis]"' in refused.value.hint
