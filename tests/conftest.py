"""Settings of the test run, made before anything else is imported."""

import os

import pytest

# Two test processes on two cores: threads of the linear algebra would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def postgres():
    """A database server; whoever stops it starts it again."""
    from tests.postgres import Server

    server = Server()
    server.start()
    yield server
    server.stop()
    server.remove()
