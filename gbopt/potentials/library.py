"""The potentials for Li-La-Zr-O that gbopt brings along, and how any potential is looked up.

Rigid ions: E(r) = A exp(-r/rho) - C/r^6 + q_i q_j / (4 pi eps0 r); only cation-O and O-O pairs
have a Buckingham term, all others are pure Coulomb. No EAM and no reactive potential for
Li-La-Zr-O has been published.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from gbopt.config import (
    BuckinghamPotential,
    BuckinghamTerm,
    Potential,
    is_potential_file,
    load_potential,
)
from gbopt.errors import ConfigError

_FORMAL = {"Li": 1.0, "La": 3.0, "Zr": 4.0, "O": -2.0}


def _pairs(**terms: tuple[float, float, float]) -> dict[str, BuckinghamTerm]:
    """Terms with oxygen by the name of the other element."""
    return {
        f"{name}-O": BuckinghamTerm(A_eV=A, rho_A=rho, C_eV_A6=C)
        for name, (A, rho, C) in terms.items()
    }


_CIP_VALIDITY = (
    "NVT at the experimental volume only: its zero-pressure volume is 7-10 % too large, so it is "
    "unfit for boundaries whose normal relaxes"
)

_LIBRARY = (
    BuckinghamPotential(
        name="llzo-buckingham-c",
        charges_e=_FORMAL,
        pairs=_pairs(
            Li=(632.1018, 0.2906, 0.0),
            La=(1545.21, 0.3590, 0.0),
            Zr=(985.869, 0.3760, 0.0),
            O=(22764.3, 0.1490, 27.89),
        ),
        citation=(
            "Catlow/Islam/Cormack-type oxide parameters without shells; "
            "combined and tested for LLZO in this project, not certified by a single paper"
        ),
        validity=(
            "lattice of t-LLZO within 0.2 % at 0 K and of c-LLZO within 0.3 % at 1100 K, zero "
            "pressure; ranks 42 DFT-relaxed boundaries with Spearman 0.91; D(1100 K) about "
            "twice that of DFT-trained potentials; fit diffusivities below 1300 K only"
        ),
        lattice_A=13.185,
    ),
    BuckinghamPotential(
        name="llzo-buckingham-d",
        charges_e={"Li": 0.7, "La": 2.1, "Zr": 2.8, "O": -1.4},
        pairs=_pairs(
            Li=(876.86, 0.2433, 0.0),
            La=(14509.63, 0.2438, 30.83),
            Zr=(1366.09, 0.3181, 0.0),
            O=(4869.99, 0.2402, 27.22),
        ),
        citation="0.7 x formal charges, of the Jalem et al. (2015) type; not certified",
        validity="c-LLZO lattice within 0.1 % at 1100 K; t-LLZO volume 2.5 % too small at 0 K",
        lattice_A=13.141,
    ),
    BuckinghamPotential(
        name="kozinsky-grieder-cip",
        charges_e=_FORMAL,
        pairs=_pairs(
            Li=(426.480, 0.3000, 0.0),
            La=(4579.23, 0.3044, 0.0),
            Zr=(7290.347, 0.2610, 0.0),
            O=(25.410, 0.6937, 32.32),
        ),
        citation=(
            "Bush et al., J. Mater. Chem. 4, 831 (1994) and Woodley et al., PCCP 1, 2535 (1999), "
            "as used by Kozinsky et al., PRL 116, 055901 (2016)"
        ),
        validity=_CIP_VALIDITY,
        lattice_A=13.55,
    ),
    BuckinghamPotential(
        name="kozinsky-grieder-cip-b",
        charges_e=_FORMAL,
        pairs=_pairs(
            Li=(426.480, 0.3000, 0.0),
            La=(5436.827, 0.2939, 0.0),
            Zr=(7290.347, 0.2610, 0.0),
            O=(25.410, 0.6937, 32.32),
        ),
        citation=(
            "as kozinsky-grieder-cip, with La-O too from Bush et al., J. Mater. Chem. 4, 831 "
            "(1994): the papers leave open which La-O was used, and D does not tell the two apart"
        ),
        validity=_CIP_VALIDITY,
        lattice_A=13.535,
    ),
)


def potential_names() -> tuple[str, ...]:
    """Names of the potentials that gbopt brings along."""
    return tuple(potential.name for potential in _LIBRARY)


def get_potential(name: str) -> Potential:
    """Return the potential that ``md.potential`` gives: one of gbopt's own, or that of a file.

    Raises:
        ConfigError: there is none of that name, or the file cannot be used.
    """
    if is_potential_file(name):
        return _of_file(Path(name))
    for potential in _LIBRARY:
        if potential.name == name:
            return potential
    close = difflib.get_close_matches(name, potential_names(), n=1, cutoff=0.4)
    suggestion = f", did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"unknown potential {name!r}{suggestion}",
        hint=f"known potentials: {', '.join(potential_names())}; or the path of a TOML file",
    )


def _of_file(path: Path) -> Potential:
    potential = load_potential(path)
    if potential.name in potential_names():
        raise ConfigError(
            f"{path}: 'name' = {potential.name!r} is the name of one of gbopt's own potentials",
            hint="results are filed under it: choose another",
        )
    return potential
