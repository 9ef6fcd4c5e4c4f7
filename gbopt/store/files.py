"""Writing files so that a kill or a full disk leaves either the old or the new content."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gbopt.cache import naming


def write_atomic(path: Path, text: str) -> None:
    """Write a file by way of a temporary one in the same folder, flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except OSError as error:
        raise naming(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def append_line(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line in a single write; a line torn by a crash is closed off first."""
    torn = path.exists() and path.stat().st_size > 0 and not _ends_with_newline(path)
    line = json.dumps(record, ensure_ascii=False)
    try:
        with path.open("a", encoding="utf-8") as handle:
            handle.write(("\n" if torn else "") + line + "\n")
    except OSError as error:
        raise naming(path, error) from None


def fault(error: ValueError) -> str:
    """What is wrong with a file, and with which field of it."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([*(str(part) for part in first["loc"]), first["msg"]])


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read the JSON lines of a file; a line torn by a crash is passed over."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"
