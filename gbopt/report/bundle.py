"""A campaign as one zip for a data repository: its record, its tables, and an RO-Crate of them.

The zip is an RO-Crate 1.1 (https://w3id.org/ro/crate/1.1) and, unpacked, a run folder that every
`gbopt` command reads. MD logs, restart files, trajectories, locks and the study, which is rebuilt
from the trials, stay behind.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gbopt import __version__
from gbopt.campaign.view import CampaignView
from gbopt.provenance import package_versions, source_key
from gbopt.report.html import render
from gbopt.report.numbers import number_table
from gbopt.report.series import csv_text
from gbopt.report.verdict import verdict

METADATA = "ro-crate-metadata.json"
SUMS = "SHA256SUMS"
_CRATE = "https://w3id.org/ro/crate/1.1"
_FILES = ("campaign.toml", "resolved.toml", "run.json", "engine.json", "bulk.json")
_MORE = ("told.jsonl", "trace.jsonl", "confirm.json")
# Of a trial and of a run beside the search; everything else there is bulky and can be made again.
_KEPT = {"evaluation.json", "start.extxyz", "final.extxyz", "profiles.csv", "charge.csv"}
_KEPT |= {"potential.csv", "li_density.npz"}
_MEANING = {
    "campaign.toml": "the campaign file as given",
    "resolved.toml": "the campaign with every default written out",
    "run.json": "format, version, creation",
    "engine.json": "MD engine and split of the Coulomb sum that all evaluations have",
    "bulk.json": "the reference crystal: figures with errors",
    "told.jsonl": "figures from elsewhere that the search was told",
    "trace.jsonl": "what happened, an event a line",
    "trace.csv": "one row of numbers for each evaluation; errors and bounds in their own columns",
    "confirm.json": "the best boundary and the reference run anew with fresh seeds",
    "rerank.json": "the best boundaries by the settings of another file (resolved.toml there)",
    "report.html": "the report: one page that needs no network",
    "versions.json": "versions of gbopt and of the libraries that made this bundle",
    SUMS: "SHA-256 of every file but this one and the metadata",
    "evaluation.json": "one evaluation: question, structure, figures with errors, checks, origin",
    "start.extxyz": "structure as built",
    "final.extxyz": "structure after the last step of production",
    "profiles.csv": "densities and diffusivities of Li along the normal",
    "charge.csv": "charge density along the normal",
    "potential.csv": "potential along the normal under a field",
    "li_density.npz": "how often Li was in each voxel of a grid over the cell (numpy)",
}
_TYPES = {
    ".toml": "application/toml",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".html": "text/html",
    ".npz": "application/zip",
}
_LICENCES = "https://spdx.org/licenses"


@dataclass(frozen=True)
class Credit:
    """Who made the data, and what others may do with it.

    Args:
        authors: names.
        licence: an identifier of SPDX such as ``CC-BY-4.0``, or the address of a licence; empty:
            none was chosen.
    """

    authors: Sequence[str] = ()
    licence: str = ""


def write_bundle(view: CampaignView, target: Path, credit: Credit) -> int:
    """Write a campaign as it stands into one zip; an old one is replaced.

    Returns:
        How many files it holds.
    """
    contents = {path.relative_to(view.path).as_posix(): path.read_bytes() for path in _found(view)}
    contents |= _made(view)
    sums = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in contents.items()]
    contents[SUMS] = ("\n".join(sums) + "\n").encode()
    crate = metadata(view, {name: len(data) for name, data in contents.items()}, credit)
    contents[METADATA] = (json.dumps(crate, indent=1, ensure_ascii=False) + "\n").encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in (METADATA, *sorted(set(contents) - {METADATA})):
                archive.writestr(name, contents[name])
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return len(contents)


def _found(view: CampaignView) -> Iterator[Path]:
    """The files of the run folder that belong to the record."""
    for name in (*_FILES, *_MORE):
        if (view.path / name).is_file():
            yield view.path / name
    yield from sorted(p for p in view.path.glob("potential/**/*") if p.is_file())
    for name in ("rerank.json", "resolved.toml", "engine.json", "potential/*"):
        yield from sorted(view.path.glob(f"rerank/*/{name}"))
    for part in ("trials", "confirm", "rerank"):
        for file in sorted(view.path.glob(f"{part}/**/evaluation.json")):
            yield from sorted(p for p in file.parent.iterdir() if p.name in _KEPT)


def _made(view: CampaignView) -> dict[str, bytes]:
    """What is made of the record: the page, the table, the versions."""
    versions = {
        "gbopt": __version__,
        "source_key": source_key(),
        "Python": platform.python_version(),
        **package_versions(),
    }
    found = {
        "report.html": render(view).encode(),
        "versions.json": (json.dumps(versions, indent=1) + "\n").encode(),
    }
    if view.evaluations:
        found["trace.csv"] = csv_text(number_table(view.evaluations)).encode()
    return found


def metadata(view: CampaignView, sizes: dict[str, int], credit: Credit) -> dict[str, Any]:
    """Describe the files as RO-Crate 1.1: flattened JSON-LD.

    Args:
        view: the campaign.
        sizes: bytes of each file by its path in the crate.
        credit: authors and licence.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    ids = {name: quote(name) for name in sizes}
    people = [f"#author-{i + 1}" for i in range(len(credit.authors))]
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{view.config.name}: a search for grain boundaries of LLZO",
        "description": f"{view.config.question} {verdict(view)}",
        "datePublished": now,
        "identifier": view.config.key,
        "keywords": ["LLZO", "grain boundary", "molecular dynamics", "Bayesian optimisation"],
        "hasPart": [{"@id": name} for name in ids.values()],
        "mentions": {"@id": "#search"},
    }
    licence = _licence(credit.licence)
    root["license"] = (
        {"@id": licence["@id"]} if licence else "No licence was chosen: ask the makers."
    )
    if people:
        root["author"] = [{"@id": person} for person in people]
    descriptor = {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": "./"},
    }
    persons = zip(people, credit.authors, strict=True)
    return {
        "@context": f"{_CRATE}/context",
        "@graph": [
            descriptor,
            root,
            *(_file(name, ids[name], size) for name, size in sizes.items()),
            *({"@id": person, "@type": "Person", "name": name} for person, name in persons),
            *([licence] if licence else []),
            *_action(view),
        ],
    }


def _file(name: str, identity: str, size: int) -> dict[str, Any]:
    path = Path(name)
    return {
        "@id": identity,
        "@type": "File",
        "name": name,
        "description": _MEANING.get(path.name, "part of the potential"),
        "encodingFormat": _TYPES.get(path.suffix, "text/plain"),
        "contentSize": str(size),
    }


def _licence(text: str) -> dict[str, Any] | None:
    if not text:
        return None
    address = text if "://" in text else f"{_LICENCES}/{quote(text)}"
    return {"@id": address, "@type": "CreativeWork", "name": text, "description": f"licence {text}"}


def _action(view: CampaignView) -> Iterator[dict[str, Any]]:
    """What was done with which program."""
    times = [event["time_utc"] for event in view.events]
    action: dict[str, Any] = {
        "@id": "#search",
        "@type": "CreateAction",
        "name": f"gbopt run of {view.config.name}",
        "instrument": {"@id": "#gbopt"},
        "object": {"@id": "campaign.toml"},
        "result": {"@id": "./"},
    }
    if times:
        action |= {"startTime": times[0], "endTime": times[-1]}
    yield action
    versions = sorted({e.provenance.gbopt_version for e in view.evaluations} or {__version__})
    yield {
        "@id": "#gbopt",
        "@type": "SoftwareApplication",
        "name": "gbopt",
        "version": ", ".join(versions),
        "description": "searches for the grain boundaries of LLZO that resist lithium least",
    }
