"""Rigid-ion Buckingham + Coulomb potentials for Li-La-Zr-O.

E(r) = A exp(-r/rho) - C/r^6 + q_i q_j / (4 pi eps0 r); only cation-O and O-O pairs have a
Buckingham term, all others are pure Coulomb.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass

from gbopt.errors import ConfigError
from gbopt.model.bicrystal import MASSES_AMU, SPECIES
from gbopt.provenance import content_key


@dataclass(frozen=True, slots=True)
class Buckingham:
    """One pair term: A in eV, rho in A, C in eV A^6."""

    A_eV: float
    rho_A: float
    C_eV_A6: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Potential:
    """A named parameter set with its source and the range it is good for."""

    name: str
    charges_e: tuple[float, float, float, float]
    """Charges of Li, La, Zr, O; neutral in Li7La3Zr2O12."""
    oxygen_pairs: tuple[Buckingham, Buckingham, Buckingham, Buckingham]
    """Li-O, La-O, Zr-O, O-O."""
    citation: str
    validity: str
    lattice_A: float
    """Lattice parameter of c-LLZO near 1100 K and zero pressure: a start for NPT, A."""

    @property
    def key(self) -> str:
        """Content key of the parameters."""
        return content_key(
            {"charges": self.charges_e, "pairs": [asdict(pair) for pair in self.oxygen_pairs]}
        )

    def require(self, elements: tuple[str, ...]) -> None:
        """Refuse elements that the potential does not describe.

        Raises:
            ConfigError: it has no parameters for one of them, or they are not in its order.
        """
        if unknown := [name for name in elements if name not in SPECIES]:
            raise ConfigError(
                f"md.potential: {self.name} has no parameters for {', '.join(unknown)}",
                hint=f"MD runs with {', '.join(SPECIES)}: leave composition.dopants out, or take "
                "the structure file to an engine with such a potential",
            )
        if elements != SPECIES:
            raise ConfigError(
                f"md.potential: {self.name} takes the elements {', '.join(SPECIES)} in this order, "
                f"the structure has {', '.join(elements)}",
                hint="MD runs c-LLZO and t-LLZO",
            )

    def lammps_lines(self, *, cutoff_A: float, pppm_accuracy: float) -> list[str]:
        """LAMMPS commands that define the interaction (types 1-4 are Li, La, Zr, O)."""
        lines = [f"mass {i + 1} {mass}" for i, mass in enumerate(MASSES_AMU)]
        lines += [f"set type {i + 1} charge {q}" for i, q in enumerate(self.charges_e)]
        lines += [f"pair_style buck/coul/long {cutoff_A}", "pair_coeff * * 0.0 1.0 0.0"]
        oxygen = SPECIES.index("O") + 1
        for i, pair in enumerate(self.oxygen_pairs):
            lines.append(f"pair_coeff {i + 1} {oxygen} {pair.A_eV} {pair.rho_A} {pair.C_eV_A6}")
        return [*lines, f"kspace_style pppm {pppm_accuracy}"]


_FORMAL = (1.0, 3.0, 4.0, -2.0)

_LIBRARY = (
    Potential(
        name="llzo-buckingham-c",
        charges_e=_FORMAL,
        oxygen_pairs=(
            Buckingham(632.1018, 0.2906, 0.0),
            Buckingham(1545.21, 0.3590, 0.0),
            Buckingham(985.869, 0.3760, 0.0),
            Buckingham(22764.3, 0.1490, 27.89),
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
    Potential(
        name="llzo-buckingham-d",
        charges_e=(0.7, 2.1, 2.8, -1.4),
        oxygen_pairs=(
            Buckingham(876.86, 0.2433, 0.0),
            Buckingham(14509.63, 0.2438, 30.83),
            Buckingham(1366.09, 0.3181, 0.0),
            Buckingham(4869.99, 0.2402, 27.22),
        ),
        citation="0.7 x formal charges, of the Jalem et al. (2015) type; not certified",
        validity="c-LLZO lattice within 0.1 % at 1100 K; t-LLZO volume 2.5 % too small at 0 K",
        lattice_A=13.141,
    ),
    Potential(
        name="kozinsky-grieder-cip",
        charges_e=_FORMAL,
        oxygen_pairs=(
            Buckingham(426.480, 0.3000, 0.0),
            Buckingham(4579.23, 0.3044, 0.0),
            Buckingham(7290.347, 0.2610, 0.0),
            Buckingham(25.410, 0.6937, 32.32),
        ),
        citation=(
            "Bush et al., J. Mater. Chem. 4, 831 (1994) and Woodley et al., PCCP 1, 2535 (1999), "
            "as used by Kozinsky et al., PRL 116, 055901 (2016)"
        ),
        validity=(
            "NVT at the experimental volume only: its zero-pressure volume is 7-10 % too large, "
            "so it is unfit for boundaries whose normal relaxes"
        ),
        lattice_A=13.55,
    ),
)


def potential_names() -> tuple[str, ...]:
    """Names of the potentials that gbopt knows."""
    return tuple(potential.name for potential in _LIBRARY)


def get_potential(name: str) -> Potential:
    """Look a potential up by name.

    Raises:
        ConfigError: there is none of that name.
    """
    for potential in _LIBRARY:
        if potential.name == name:
            return potential
    close = difflib.get_close_matches(name, potential_names(), n=1, cutoff=0.4)
    suggestion = f", did you mean {close[0]!r}?" if close else ""
    raise ConfigError(
        f"md.potential: unknown potential {name!r}{suggestion}",
        hint=f"known potentials: {', '.join(potential_names())}",
    )
