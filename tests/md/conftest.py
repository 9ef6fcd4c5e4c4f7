import pytest

from gbopt.config import MDConfig
from gbopt.geometry.build import build_bicrystal
from gbopt.md.engine import EngineSettings
from gbopt.model.spec import GBSpec
from gbopt.potentials.library import get_potential


@pytest.fixture(scope="session")
def small_boundary():
    """The smallest boundary of the range: 960 ions, with an oblique in-plane cell."""
    return build_bicrystal(GBSpec(plane=(5, 1, 0), width_layers=2, crystal_A=5, seed=0), 13.185)


@pytest.fixture(scope="session")
def potential():
    return get_potential("llzo-buckingham-c")


@pytest.fixture
def short_md():
    return MDConfig(
        minimise_iterations=100,
        anneal_ps=0.1,
        quench_ps=0.1,
        npt_ps=0.2,
        nvt_ps=0.1,
        production_ps=0.2,
        frame_ps=0.02,
    )


@pytest.fixture(scope="session")
def lammps():
    """LAMMPS as every machine has it."""
    return EngineSettings(engine="lammps", accelerator="omp")
