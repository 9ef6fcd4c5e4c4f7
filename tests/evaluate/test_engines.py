"""The engine of a campaign: pinned when it begins, refused where it changes."""

import pytest

from gbopt.config import parse_campaign
from gbopt.errors import ConfigError, EnvironmentProblem
from gbopt.evaluate import engines
from gbopt.evaluate.bulk import bulk_key
from gbopt.evaluate.fields import acting_charges, charge_scale, require_driven
from gbopt.evaluate.workers import place
from gbopt.md.engine import EngineSettings
from gbopt.model.bicrystal import SPECIES

TEXT = """\
name = "engines"
question = "which engine runs this?"
seed = 1
"""
REAXFF = """\
kind = "lammps"
name = "some-reaxff"
citation = "nobody, it is a test"
validity = "nothing, it is a test"
elements = ["Li", "La", "Zr", "O"]
units = "real"
files = ["ffield"]
commands = [
  "pair_style reaxff NULL",
  "pair_coeff * * {ffield} Li La Zr O",
  "fix charges all qeq/reaxff 1 0.0 10.0 1.0e-6 reaxff",
]
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "cache"))


def campaign(more="", folder=None):
    return parse_campaign(TEXT + more, "test", *([folder] if folder else []))


def quiet(text):
    """Nobody reads it."""


def test_a_campaign_goes_on_with_the_split_that_it_began_with():
    pinned = {"engine": "lammps", "precision": "mixed", "coulomb_cutoff_A": 9.25, "mesh_order": 6}
    chosen = engines.pinned_engine(campaign(), pinned, pytest.fail)  # nothing is tuned again
    assert chosen.settings.coulomb_cutoff_A == 9.25
    assert chosen.settings.mesh_order == 6
    assert engines.pin(chosen.settings) == pinned


def test_another_engine_or_precision_is_refused():
    began = engines.pin(EngineSettings(engine="lammps", precision="mixed"))
    with pytest.raises(EnvironmentProblem, match="was begun with lammps"):
        engines.pinned_engine(campaign('[run]\nengine = "openmm"'), began, quiet)
    began = engines.pin(EngineSettings(engine="openmm", precision="single"))
    with pytest.raises(EnvironmentProblem, match="the campaign was begun with single"):
        engines.pinned_engine(campaign(), began, quiet)


def test_an_engine_that_is_not_here_is_not_replaced(monkeypatch):
    from gbopt.md import select

    monkeypatch.setattr(select, "platforms", lambda: ())
    began = engines.pin(EngineSettings(engine="openmm", precision="mixed"))
    with pytest.raises(EnvironmentProblem, match="this machine does not have"):
        engines.pinned_engine(campaign(), began, quiet)


def test_references_are_of_one_engine_version_precision_and_split():
    from dataclasses import replace

    config, lammps = campaign(), EngineSettings(engine="lammps", accelerator="omp")
    key = bulk_key(config, lammps)
    assert bulk_key(config, replace(lammps, threads=4, device="3", accelerator="none")) == key
    others = [
        replace(lammps, coulomb_cutoff_A=9.0),
        replace(lammps, mesh_order=7),
        replace(lammps, engine="openmm", precision="mixed"),
        replace(lammps, engine="openmm", precision="single"),
    ]
    assert len({key, *(bulk_key(config, other) for other in others)}) == 5


def test_oxides_are_relaxed_where_edges_can_be():
    config = campaign()
    openmm = EngineSettings(engine="openmm", accelerator="CUDA", coulomb_cutoff_A=10.0)
    relaxing = engines.relaxing_engine(config, openmm)
    assert (relaxing.engine, relaxing.accelerator) == ("lammps", "omp")
    assert relaxing.coulomb_cutoff_A == 10.0
    lammps = EngineSettings(engine="lammps", accelerator="omp")
    assert engines.relaxing_engine(config, lammps) is lammps


def test_a_field_needs_charges_that_it_drives(tmp_path):
    field = "[field]\nfields_V_A = [0.01]\n"
    require_driven(campaign(field))
    scaled = campaign(field + '[md]\npotential = "llzo-buckingham-d"')
    require_driven(scaled)
    assert charge_scale(scaled) == pytest.approx(0.7)
    (tmp_path / "reaxff.toml").write_text(REAXFF)
    (tmp_path / "ffield").write_text("")
    by_file = '[md]\npotential = "reaxff.toml"\n'
    require_driven(campaign(by_file, tmp_path))  # without fields nothing is asked
    with pytest.raises(ConfigError, match=r"field\.fields_V_A: the charges of some-reaxff"):
        require_driven(campaign(by_file + field, tmp_path))


def test_ions_of_a_potential_without_charges_have_formal_ones(tmp_path):
    (tmp_path / "nep.toml").write_text(
        'kind = "ase"\nname = "a-nep"\ncitation = "nobody, a test"\nvalidity = "none, a test"\n'
        'elements = ["Li", "La", "Zr", "O"]\ncalculator = "nep"\nmodel = "nep.txt"\n'
    )
    (tmp_path / "nep.txt").write_text("")
    config = campaign('[md]\npotential = "nep.toml"\n', tmp_path)
    species = list(range(len(SPECIES)))
    assert acting_charges(config, species).tolist() == [1.0, 3.0, 4.0, -2.0]


def test_places_are_held_one_by_one(tmp_path):
    with place(tmp_path, 2) as first:
        with place(tmp_path, 2) as second:
            assert {first, second} == {0, 1}
        with place(tmp_path, 2) as again:
            assert again == second
