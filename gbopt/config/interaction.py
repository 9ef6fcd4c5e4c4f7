"""Which commands of LAMMPS the file of a potential may hold: those that define an interaction.

A file that someone else wrote is data: it can run no program, read no file but those that lie
beside it and are named in it, and change nothing of the run but the forces.
"""

from __future__ import annotations

import re

ALLOWED = (
    "pair_style",
    "pair_coeff",
    "pair_modify",
    "kspace_style",
    "kspace_modify",
    "special_bonds",
    "dielectric",
    "comm_modify",
    "neigh_modify",
    "fix",
)
"""First words. ``fix`` is for charge equilibration alone, ``neigh_modify`` for sizes of lists."""

_EXAMPLES = ", ".join(ALLOWED[:-1])
# Quotes, $, &, #, `, \ and line ends are how LAMMPS reads more than a command on a line.
_PLAIN = re.compile(r"[A-Za-z0-9_./*:+=\-{} ]+")
_FILE = re.compile(r"\{([^{} ]+)\}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
# Styles that run Python, or load a pickle, which is the same.
_CODE = re.compile(r"python.*|py/.*|mliappy|unified")
_EQUILIBRATION = re.compile(r"(qeq/|acks2/|qtpie/)[a-z/]+")
# Fixes and lists that the engine keeps to itself.
_OWN_FIXES = {"stage", "drive"}
_LIST_SIZES = {"one", "page", "binsize"}


def checked_command(line: str) -> str:
    """Return a command that defines an interaction.

    Raises:
        ValueError: it does something else, or names a file without braces.
    """
    if not _PLAIN.fullmatch(line) or not line.strip():
        raise ValueError(
            "a command is letters, digits, spaces and _ . / * : + = - { }: no quotes, $, & or #, "
            "and one command an entry"
        )
    first, *rest = line.split()
    if first not in ALLOWED:
        raise ValueError(
            f"{first!r} does not define an interaction; the first word may be {_EXAMPLES}, or fix "
            "for qeq styles"
        )
    for word in rest:
        _check_word(word)
    if first == "fix":
        _check_fix(rest)
    if first == "neigh_modify" and not set(rest[::2]) <= _LIST_SIZES:
        raise ValueError(f"of neigh_modify only {', '.join(sorted(_LIST_SIZES))} may be set")
    return line


def _check_word(word: str) -> None:
    """Refuse what runs code, and paths."""
    if _CODE.fullmatch(word):
        raise ValueError(f"{word!r} runs Python code, which the file of a potential may not")
    if ".." in word or word.startswith("/"):
        raise ValueError(f"{word!r} is a path: a file lies beside this one and is written {{NAME}}")
    if not _FILE.fullmatch(word) and re.match(r"[A-Za-z_].*\.", word):
        raise ValueError(f"{word!r} looks like a file: write {{{word}}}, and name it in files")


def _check_fix(words: list[str]) -> None:
    """Charge equilibration is part of a potential; any other fix is part of a run."""
    if len(words) < 3 or words[1] != "all" or not _EQUILIBRATION.fullmatch(words[2]):
        raise ValueError("the only fix is 'fix ID all qeq/STYLE ...', which equilibrates charges")
    if words[0] in _OWN_FIXES:
        raise ValueError(f"the ID {words[0]!r} of a fix is in use: take another, such as qeq")


def named_files(commands: tuple[str, ...]) -> set[str]:
    """The files that commands name in braces."""
    return {name for line in commands for name in _FILE.findall(line)}


def checked_file_name(name: str) -> str:
    """Return the name of a file beside the potential's.

    Raises:
        ValueError: it is a path, or holds characters that LAMMPS would read as something else.
    """
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not the name of a file beside this one: letters, digits and . _ + - only"
        )
    return name
