"""A potential in lines of text: what `gbopt check` shows of it before anything runs."""

from __future__ import annotations

from pathlib import Path

from gbopt.config import (
    AsePotential,
    BuckinghamPotential,
    LammpsPotential,
    Potential,
    potential_files,
)
from gbopt.config.potential import CALCULATORS, file_key


def describe(potential: Potential, source: str = "") -> list[str]:
    """What a potential is, where it is published, what it is good for, what will be executed.

    Args:
        potential: the potential.
        source: ``md.potential`` as the campaign has it: the path of a file is shown.
    """
    lines = [f"{potential.name} (kind {potential.kind}, parameters {potential.key})"]
    if source and source != potential.name:
        lines.append(f"read from {source}")
    lines += [
        f"published: {potential.citation}",
        f"validity: {potential.validity}",
        f"elements: {', '.join(_with_charge(potential, name) for name in potential.elements)}",
    ]
    lines += [f"file {path.name} ({file_key(str(path))})" for path in potential_files(potential)]
    if isinstance(potential, BuckinghamPotential):
        return lines + _table(potential)
    if isinstance(potential, LammpsPotential):
        head = f"commands of LAMMPS, units {potential.units}:"
        return [*lines, head, *(f"  {command}" for command in potential.commands)]
    return lines + _calculator(potential)


def _with_charge(potential: Potential, element: str) -> str:
    charge = potential.charges_e.get(element)
    return element if charge is None else f"{element} {charge:+g} e"


def _table(potential: BuckinghamPotential) -> list[str]:
    return [
        f"  {pair}: A = {term.A_eV:.10g} eV, rho = {term.rho_A:.10g} A, "
        f"C = {term.C_eV_A6:.10g} eV A^6"
        for pair, term in potential.pairs.items()
    ]


def _calculator(potential: AsePotential) -> list[str]:
    given = {"model": Path(potential.model).name} if potential.model else {}
    arguments = {**given, **potential.arguments}
    listed = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    lines = [f"calculator of ASE: {potential.calculator}({listed})"]
    if potential.calculator not in CALCULATORS:
        lines.append("this is Python code of this machine, which will be run: know what it does")
    return lines
