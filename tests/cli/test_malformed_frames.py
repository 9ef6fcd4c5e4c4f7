"""Broken structures and trajectories: one sentence each, and no numbers."""

import numpy as np
import pytest

from tests.cli.refusals import _nothing_starts, require_sentence, said, write  # noqa: F401
from tests.evaluate.test_foreign import Run, dump, extxyz, walkers

RUBBISH = bytes(np.random.default_rng(1).integers(0, 256, 3000, dtype=np.uint8))
LATTICE = "6 0 0 0 6 0 0 0 6"
XYZ = (
    f'4\nLattice="{LATTICE}" Properties=species:S:1:pos:R:3 pbc="T T T"\n'
    "Li 0 0 0\nLi 3 0 0\nO 1.5 1.5 0\nO 4.5 4.5 3\n"
)
DATA = (
    "cell\n\n3 atoms\n2 atom types\n\n0 6 xlo xhi\n0 6 ylo yhi\n0 6 zlo zhi\n\nMasses\n\n"
    "1 6.94 # Li\n2 15.999 # O\n\nAtoms # charge\n\n1 1 1 0 0 0\n2 1 1 3 0 0\n3 2 -2 1 1 1\n"
)
POSCAR = "cell\n1.0\n6 0 0\n0 6 0\n0 0 6\nLi O\n2 1\nCartesian\n0 0 0\n3 0 0\n1 1 1\n"
CIF = (
    "data_x\n_cell_length_a 6\n_cell_length_b 6\n_cell_length_c 6\n_cell_angle_alpha 90\n"
    "_cell_angle_beta 90\n_cell_angle_gamma 90\nloop_\n_symmetry_equiv_pos_as_xyz\n'x, y, z'\n"
    "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n"
    "_atom_site_fract_z\n_atom_site_occupancy\nA Li 0 0 0 1\nB Li 0.5 0 0 1\nC O 0.2 0.2 0.2 1\n"
)
NO_CRYSTAL = "holds no"


def lattice(text):
    return XYZ.replace(LATTICE, text)


STRUCTURES = {
    "whole but no LLZO": ("a.extxyz", XYZ.replace("O 4.5 4.5 3\n", "").replace("4\n", "3\n", 1)),
    **{f"empty {end}": (f"a.{end}", "") for end in ("cif", "extxyz", "vasp", "data")},
    **{f"rubbish {end}": (f"a.{end}", RUBBISH) for end in ("cif", "extxyz", "vasp", "data")},
    **{f"text {end}": (f"a.{end}", "hello\n") for end in ("cif", "extxyz", "vasp", "data")},
    "cut short": ("a.extxyz", XYZ[:-20]),
    "mark at the beginning": ("a.extxyz", b"\xef\xbb\xbf" + XYZ.encode()),
    "UTF-16": ("a.extxyz", XYZ.encode("utf-16")),
    "two structures": ("a.extxyz", XYZ * 2),
    "position of nan": ("a.extxyz", XYZ.replace("4.5 4.5", "nan 4.5")),
    "position of inf": ("a.extxyz", XYZ.replace("4.5 4.5", "inf 4.5")),
    "huge position": ("a.extxyz", XYZ.replace("4.5 4.5", "1e300 4.5")),
    "position of text": ("a.extxyz", XYZ.replace("4.5 4.5", "x 4.5")),
    "no element": ("a.extxyz", XYZ.replace("O 4.5", "Qq 4.5")),
    "element without charge": ("a.extxyz", XYZ.replace("O 4.5", "Xe 4.5")),
    "null in an element": ("a.extxyz", XYZ.replace("O 4.5", "O\0 4.5")),
    "charged": ("a.extxyz", XYZ),
    "two ions in one place": ("a.extxyz", XYZ.replace("O 4.5 4.5 3", "O 1.5 1.5 0")),
    "no volume": ("a.extxyz", lattice("6 0 0 6 0 0 0 0 6")),
    "cell of zeros": ("a.extxyz", lattice("0 0 0 0 0 0 0 0 0")),
    "cell of nan": ("a.extxyz", lattice("nan 0 0 0 6 0 0 0 6")),
    "cell of metres": ("a.extxyz", lattice("1e10 0 0 0 1e10 0 0 0 1e10")),
    "cell without end": ("a.extxyz", lattice("1e300 0 0 0 1e300 0 0 0 1e300")),
    "cell of three": ("a.extxyz", lattice("6 6 6")),
    "no cell": ("a.extxyz", XYZ.replace(f'Lattice="{LATTICE}"', "")),
    "count too large": ("a.extxyz", XYZ.replace("4\n", "99\n", 1)),
    "count without end": ("a.extxyz", XYZ.replace("4\n", "9" * 40 + "\n", 1)),
    "negative count": ("a.extxyz", XYZ.replace("4\n", "-4\n", 1)),
    "count of text": ("a.extxyz", XYZ.replace("4\n", "four\n", 1)),
    "no masses": ("a.data", DATA.replace("Masses", "Weights")),
    "mass of no element": ("a.data", DATA.replace("6.94 # Li", "500")),
    "mass of nan": ("a.data", DATA.replace("6.94 # Li", "nan")),
    "unknown type": ("a.data", DATA.replace("3 2 -2", "3 9 -2")),
    "box of nan": ("a.data", DATA.replace("0 6 xlo", "0 nan xlo")),
    "flat box": ("a.data", DATA.replace("0 6 xlo", "0 0 xlo")),
    "fewer lines than ions": ("a.data", DATA.replace("3 atoms", "30 atoms")),
    "scale of zero": ("a.vasp", POSCAR.replace("1.0", "0.0", 1)),
    "scale of text": ("a.vasp", POSCAR.replace("1.0", "x", 1)),
    "unknown elements": ("a.vasp", POSCAR.replace("Li O", "Qq Zz")),
    "negative counts": ("a.vasp", POSCAR.replace("2 1", "-2 1")),
    "edge of zero": ("a.cif", CIF.replace("_a 6", "_a 0")),
    "edge of nan": ("a.cif", CIF.replace("_a 6", "_a nan")),
    "edge unknown": ("a.cif", CIF.replace("_a 6", "_a ?")),
    "angle of 300": ("a.cif", CIF.replace("gamma 90", "gamma 300")),
    "half a site": ("a.cif", CIF.replace("0.2 1\n", "0.2 0.5\n")),
    "share of text": ("a.cif", CIF.replace("0.2 1\n", "0.2 x\n")),
    "code for a symmetry": ("a.cif", CIF.replace("'x, y, z'", "'__import__(os).system(ls), y, z'")),
    "row cut short": ("a.cif", CIF[:-8]),
    "unknown format": ("a.pdb", "ATOM"),
    "no ending": ("structure", XYZ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name, tmp_path):
    file, content = STRUCTURES[name]
    code, text = said("inspect", write(tmp_path / file, content))
    require_sentence(code, text)
    assert "the system refused" not in text


@pytest.mark.parametrize("end", ["cif", "extxyz", "vasp", "data"])
def test_structures_that_are_no_files(end, tmp_path):
    (tmp_path / f"folder.{end}").mkdir()
    for name in ("folder", "none"):
        require_sentence(*said("inspect", tmp_path / f"{name}.{end}"), [name])


def test_a_far_lattice_parameter(tmp_path):
    """It is refused before a crystal is laid out that fills the memory."""
    whole = write(tmp_path / "a.extxyz", XYZ.replace("O 4.5 4.5 3\n", "").replace("4\n", "3\n", 1))
    require_sentence(*said("inspect", whole, "--lattice", "1e9"), ["far from"])


RUN = walkers(24, n_li=10)
GIVEN = ("--interval", "0.1 ps", "--temperature", "1100", "--lag", "0.1 ps", "--segments", 4)


def frames(change):
    """The run with its frames changed."""
    changed = RUN.frames.copy()
    change(changed)
    return Run(RUN.elements, changed, RUN.cell)


def put(value):
    def change(positions):
        positions[3, 2, 1] = value

    return frames(change)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    with np.errstate(all="ignore"):  # what is written is no trajectory
        return {
            "dump": dump(folder / "a.dump", RUN).read_text(),
            "extxyz": extxyz(folder / "a.extxyz", RUN).read_text(),
            "nan": dump(folder / "b.dump", put(np.nan)).read_text(),
            "inf": dump(folder / "c.dump", put(np.inf)).read_text(),
            "far": dump(folder / "d.dump", put(1e30)).read_text(),
            "one": dump(folder / "e.dump", Run(RUN.elements, RUN.frames[:1], RUN.cell)).read_text(),
            "no Li": dump(folder / "f.dump", Run(["O"] * 50, RUN.frames, RUN.cell)).read_text(),
        }


N = "ITEM: NUMBER OF ATOMS\n50\n"
TRAJECTORIES = {
    "empty": ("a.dump", lambda t: "", "cannot be read"),
    "rubbish": ("a.dump", lambda t: RUBBISH, "cannot be read"),
    "one frame": ("a.dump", lambda t: t["one"], "1 complete frame"),
    "nan": ("a.dump", lambda t: t["nan"], "frame 4 has a position that is no number"),
    "inf": ("a.dump", lambda t: t["inf"], "frame 4 has a position that is no number"),
    "far": ("a.dump", lambda t: t["far"], "frame 4 has a position of 1e+30 A"),
    "no lithium": ("a.dump", lambda t: t["no Li"], "holds no Li"),
    "no element": ("a.dump", lambda t: t["dump"].replace("La", "Xx"), "holds Xx"),
    "count of text": ("a.dump", lambda t: t["dump"].replace(N, N[:-3] + "many\n"), "'many'"),
    "count of zero": ("a.dump", lambda t: t["dump"].replace(N, N[:-3] + "0\n"), "'0'"),
    "negative count": ("a.dump", lambda t: t["dump"].replace(N, N[:-3] + "-4\n"), "'-4'"),
    "count without end": ("a.dump", lambda t: t["dump"].replace(N, N[:-3] + "9" * 40 + "\n"), "99"),
    "count too large": ("a.dump", lambda t: t["dump"].replace(N, N[:-3] + "9999\n"), "0 complete"),
    "other count later": ("a.dump", lambda t: t["dump"] + t["dump"][300:], "section"),
    "box of nan": ("a.dump", lambda t: t["dump"].replace("\n-3.0 ", "\nnan "), "no number"),
    "box of text": ("a.dump", lambda t: t["dump"].replace("\n-3.0 ", "\nx "), "cannot be read"),
    "box reversed": ("a.dump", lambda t: t["dump"].replace("\n-3.0 ", "\n30.0 "), "ends where"),
    "not periodic": ("a.dump", lambda t: t["dump"].replace("pp pp pp", "ff pp pp"), "periodic"),
    "no steps": (
        "a.dump",
        lambda t: t["dump"].replace("ITEM: TIMESTEP\n1000\n", "", 1),
        "TIMESTEP",
    ),
    "other units": ("a.dump", lambda t: "ITEM: UNITS\nlj\n" + t["dump"], "units lj"),
    "no coordinates": ("a.dump", lambda t: t["dump"].replace("xu yu zu", "a b c"), "no column xu"),
    "id twice": ("a.dump", lambda t: t["dump"].replace("\n7 ", "\n8 "), "one id"),
    "other file": ("a.dump", lambda t: t["dump"].replace("1100", "1101"), "not evenly spaced"),
    "gz in name only": ("a.gz", lambda t: t["dump"], "cannot be read"),
    "xz in part": ("a.xz", lambda t: b"\xfd7zXZ\x00rub", "cannot be read"),
    "pickle": ("a.pkl", lambda t: b"cos\nsystem\n(S'touch pwned'\ntR.", "cannot be read"),
    "ASE's own, rubbish": ("a.traj", lambda t: RUBBISH, "cannot be read"),
    "NetCDF, rubbish": ("a.nc", lambda t: b"CDF\x01xx", "cannot be read"),
    "web page": ("a.xyz", lambda t: "<html></html>\n", "cannot be read"),
    "xyz cut short": ("a.extxyz", lambda t: t["extxyz"][:-90], "ends within a frame"),
    "xyz without end": (
        "a.extxyz",
        lambda t: t["extxyz"].replace("50\n", "9" * 40 + "\n", 1),
        "ends within a frame",
    ),
    "xyz later count": (
        "a.extxyz",
        lambda t: "50\n" + t["extxyz"][3:].replace("\n50\n", "\nfifty\n"),
        "'fifty'",
    ),
    "xyz no element": ("a.extxyz", lambda t: t["extxyz"].replace("La", "Qq"), "Qq"),
    "xyz no cell": ("a.extxyz", lambda t: t["extxyz"].replace("Lattice", "Other"), "periodic"),
}


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_trajectories(name, texts, tmp_path):
    file, make, words = TRAJECTORIES[name]
    code, text = said("analyze", write(tmp_path / file, make(texts)), *GIVEN)
    require_sentence(code, text, [words])
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", ["nan", "one", "far"])
def test_sites_of_broken_trajectories(name, texts, tmp_path):
    require_sentence(*said("sites", write(tmp_path / "a.dump", texts[name]), *GIVEN[:4]))


SPECIFICATIONS = {
    "empty": ("s.toml", ""),
    "no TOML": ("s.toml", "plane = [3, 1"),
    "binary": ("s.toml", RUBBISH),
    "list": ("s.json", "[1, 2]"),
    "deep": ("s.json", "[" * 5000 + "]" * 5000),
    "not finite": ("s.json", '{"plane": [3, 1, 0], "crystal_A": NaN}'),
    "true for layers": ("s.toml", "plane = [3, 1, 0]\nwidth_layers = true"),
    "plane of zeros": ("s.toml", "plane = [0, 0, 0]"),
    "huge plane": ("s.toml", "plane = [999999999999, 1, 0]"),
    "plane of text": ("s.toml", 'plane = "310"'),
    "plane of fractions": ("s.toml", "plane = [3.5, 1, 0]"),
    "date": ("s.toml", "plane = 2024-01-01"),
    "thousands of digits": ("s.toml", "seed = " + "9" * 5000),
    "unknown crystal": ("s.toml", 'plane = [3, 1, 0]\ncrystal = "../x"'),
    "unknown key": ("s.toml", "plane = [3, 1, 0]\nplanes = 2"),
    "no film": ("s.toml", "plane = [3, 1, 0]\nfilm = {thickness_A = -1}"),
}


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_specifications(name, tmp_path):
    file, content = SPECIFICATIONS[name]
    out = tmp_path / "gb.cif"
    require_sentence(*said("build", "--spec", write(tmp_path / file, content), "-o", out))
    assert not out.exists()
