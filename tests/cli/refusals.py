"""The command line in this process, with every start of another one refused."""

import contextlib
import io
import subprocess
import sys

import pytest

from gbopt.cli.app import main


class Begun(BaseException):
    """A process was to be started: the input was accepted, and engines are tried or MD begins."""


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch, tmp_path):
    def refuse(self, arguments, *rest, **options):
        raise Begun(str(arguments))

    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
    # What a process that was never begun leaves for the collector has no pid to look for.
    monkeypatch.setattr(subprocess.Popen, "__del__", lambda self: None)
    monkeypatch.setenv("GBOPT_CACHE_DIR", str(tmp_path / "cache"))
    # The command sets it for the processes it starts; tests after this one must not inherit it.
    monkeypatch.setenv("PYTHONSAFEPATH", "1")


def said(*arguments):
    """Exit code and standard error of a command; None where the input was accepted."""
    errors, before = io.StringIO(), sys.argv
    sys.argv = ["gbopt", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            main()
    except SystemExit as end:
        return end.code, errors.getvalue()
    except Begun:
        return None, errors.getvalue()
    finally:
        sys.argv = before
    return 0, errors.getvalue()


def require_sentence(code, text, words=()):
    """One error and one hint, a line each, that a terminal shows as they are."""
    assert code in (1, 2), (code, text)
    if code == 1:
        error, hint = text.splitlines()
        assert error.startswith("error: ")
        assert hint.startswith("hint: ")
        assert error.isprintable()
        assert "()" not in error
        for word in words:
            assert word in text, text
    assert "Traceback" not in text


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
