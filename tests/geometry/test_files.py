import json

import numpy as np
import pytest

from gbopt.errors import ConfigError
from gbopt.geometry.build import build_bicrystal
from gbopt.geometry.files import write_structure
from gbopt.model.bicrystal import SPECIES
from gbopt.model.spec import GBSpec


@pytest.fixture(scope="module")
def structure():
    return build_bicrystal(GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=6, seed=0), 13.1)


def read(path):
    from ase.io import read as ase_read

    if path.suffix == ".data":
        kinds = {n + 1: s for n, s in enumerate(("Li", "La", "Zr", "O"))}
        from ase.data import atomic_numbers

        numbers = {kind: atomic_numbers[symbol] for kind, symbol in kinds.items()}
        return ase_read(path, format="lammps-data", atom_style="charge", Z_of_type=numbers)
    return ase_read(path)


@pytest.mark.parametrize("suffix", [".extxyz", ".cif", ".data"])
def test_a_file_reads_back_as_the_same_structure(structure, tmp_path, suffix):
    path = tmp_path / f"gb{suffix}"
    write_structure(structure, path)
    atoms = read(path)
    assert atoms.get_chemical_symbols() == [SPECIES[i] for i in structure.species]
    assert np.abs(np.asarray(atoms.cell.cellpar()) - cellpar(structure)).max() < 1e-4
    ours = structure.positions @ np.linalg.inv(structure.cell)
    gap = atoms.get_scaled_positions(wrap=False) - ours
    assert np.abs(gap - np.round(gap)).max() < 1e-4


def cellpar(structure):
    from ase.cell import Cell

    return Cell(structure.cell).cellpar()


def test_an_unknown_ending_is_refused(structure, tmp_path):
    with pytest.raises(ConfigError, match=r"gb\.pdb"):
        write_structure(structure, tmp_path / "gb.pdb")


@pytest.mark.parametrize("suffix", [".extxyz", ".cif", ".data"])
def test_every_file_says_how_to_build_it_again(structure, tmp_path, suffix):
    path = tmp_path / f"gb{suffix}"
    write_structure(structure, path)
    if suffix == ".extxyz":
        said = json.loads(read(path).info["gbopt"])
    else:
        said = json.loads((tmp_path / f"gb{suffix}.json").read_text())
    assert said["ledger"] == structure.ledger
    spec = GBSpec.model_validate(said["provenance"]["spec"])
    again = build_bicrystal(spec, said["lattice_A"])
    assert again.positions.tobytes() == structure.positions.tobytes()
