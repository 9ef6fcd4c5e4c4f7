"""Where workers run. The tools of the drivers are stood in for by scripts of their names."""

import os
import stat
from pathlib import Path

import pytest

from gbopt.config.sections import RunConfig
from gbopt.errors import ConfigError
from gbopt.md import placement
from gbopt.md.engine import EngineSettings
from gbopt.md.libmpi import child_environment

CUDA = EngineSettings(engine="openmm", accelerator="CUDA")
OMP = EngineSettings(engine="lammps", accelerator="omp")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch, tmp_path):
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    placement._installed_gpus.cache_clear()
    yield
    placement._installed_gpus.cache_clear()


@pytest.fixture
def tool(tmp_path):
    def make(name, body):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return make


def test_without_the_tools_there_is_no_gpu():
    assert placement.gpu_names() == ()
    assert placement.gpus() == ()
    assert placement.device_of(3, CUDA) == ""


def test_workers_take_gpus_in_turns(tool):
    tool("nvidia-smi", "echo 'NVIDIA H100, 580.1'; echo 'NVIDIA H100, 580.1'")
    assert placement.gpu_names() == ("NVIDIA H100, 580.1",) * 2
    assert [placement.device_of(slot, CUDA) for slot in range(4)] == ["0", "1", "0", "1"]
    assert placement.device_of(1, OMP) == ""


def test_a_tool_without_a_driver_is_no_gpu(tool):
    tool("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9")
    assert placement.gpu_names() == ()


def test_only_visible_gpus_are_used(tool, monkeypatch):
    tool("nvidia-smi", "echo a; echo b; echo c; echo d")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-8f6a")
    assert [placement.device_of(slot, CUDA) for slot in range(3)] == ["2", "GPU-8f6a", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert placement.gpus() == ()


def test_a_child_sees_its_gpu_and_threads_alone():
    environment = child_environment(threads=3, device="1")
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert environment["OMP_NUM_THREADS"] == environment["OPENMM_CPU_THREADS"] == "3"


def test_more_threads_than_cores_are_refused():
    run = RunConfig(workers=64, threads=4, ranks=2)
    with pytest.raises(ConfigError, match="need 512 cores"):
        placement.require_room(run, EngineSettings(engine="lammps", threads=4, ranks=2))


def test_more_workers_than_places_on_gpus_are_refused(tool):
    tool("nvidia-smi", "echo a; echo b")
    placement.require_room(RunConfig(workers=16), CUDA)
    with pytest.raises(ConfigError, match=r"run\.workers = 17, but 2 GPU\(s\) of 8"):
        placement.require_room(RunConfig(workers=17), CUDA)


def test_mps_is_started_for_shared_gpus_and_stopped(tool, tmp_path):
    tool("nvidia-smi", "echo a")
    tool("nvidia-cuda-mps-control", f'echo "$@ $(cat)" >> {tmp_path}/calls; exit 0')
    with placement.shared_gpus(RunConfig(workers=3), CUDA) as said:
        assert said == "sharing GPUs through MPS"
        assert Path(os.environ["CUDA_MPS_PIPE_DIRECTORY"]).is_dir()
    assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ
    assert "quit" in (tmp_path / "calls").read_text()


def test_mps_that_does_not_start_is_said(tool):
    tool("nvidia-smi", "echo a")
    tool("nvidia-cuda-mps-control", "cat > /dev/null; echo 'no permission' >&2; exit 1")
    with placement.shared_gpus(RunConfig(workers=3), CUDA) as said:
        assert "no permission" in said
        assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ


def test_a_gpu_of_ones_own_needs_no_mps(tool):
    tool("nvidia-smi", "echo a; echo b")
    with placement.shared_gpus(RunConfig(workers=2), CUDA) as said:
        assert said == ""
