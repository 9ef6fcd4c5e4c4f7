"""Workers on dask: the same loop as everywhere, one in each of its tasks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gbopt.campaign.campaign import Campaign
from gbopt.campaign.run import join
from gbopt.errors import EnvironmentProblem
from gbopt.md import stopping

_ANSWERS_S = 30


def work_here(campaign: Campaign, workers: int) -> list[str]:
    """Work on a campaign with a cluster of this machine's own; return why each worker ended.

    Args:
        campaign: what is worked on.
        workers: processes.

    Raises:
        EnvironmentProblem: dask is not installed.
    """
    dask = _distributed()
    with (
        dask.LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        dask.Client(cluster) as client,
    ):
        desk = stopping.watched()
        futures = _submitted(client, campaign, workers, str(desk) if desk else None)
        return list(client.gather(futures))


def send(campaign: Campaign, address: str, workers: int) -> None:
    """Have a running cluster work on a campaign, and do not wait for it.

    Args:
        campaign: its run folder must be on a file system that the cluster shares.
        address: of the scheduler, such as tcp://host:8786.
        workers: evaluations at once.

    Raises:
        EnvironmentProblem: dask is not installed, or the scheduler does not answer.
    """
    dask = _distributed()
    try:
        client = dask.Client(address, timeout=_ANSWERS_S)
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"the dask scheduler {address} does not answer: {error}",
            hint="give its address as `dask scheduler` prints it",
        ) from None
    with client:
        dask.fire_and_forget(_submitted(client, campaign, workers, None))


def _submitted(client: Any, campaign: Campaign, workers: int, desk: str | None) -> list[Any]:
    path = str(campaign.folder.path.resolve())
    # A task that is begun on another process after a death goes on: trials are taken over.
    return [client.submit(_work, path, desk, pure=False) for _ in range(workers)]


def _work(path: str, desk: str | None) -> str:
    """One worker in a process of the cluster; return why it ended."""
    campaign = Campaign.open_(Path(path))
    run = campaign.config.run.model_copy(update={"workers": 1})
    campaign.config = campaign.config.model_copy(update={"run": run})
    with TemporaryDirectory(prefix="gbopt-") as own:
        stopping.watch(Path(desk or own))
        try:
            return join(campaign)
        except stopping.Stopped as stopped:
            return stopped.request.reason
        finally:
            stopping.watch(None)


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise EnvironmentProblem(
            "workers on dask need distributed, which is not installed",
            hint='install it with: pip install "gbopt-llzo[dask]"',
        ) from None
    return distributed
