"""What every figure of the suite is held against, and what is known of disagreements.

The one place to edit when a reference or an explanation changes: results keep what was measured,
and the table is made from both anew. A difference that is not understood has no ``explained``; its
``remark`` says what is known of it.
"""

from __future__ import annotations

import math

from gbopt.validate.findings import Known, Tested

_GBOPT: Tested = "gbopt"
_POTENTIAL: Tested = "potential"
_AWAKA = "Awaka et al., J. Solid State Chem. 182, 2046 (2009), X-rays, room temperature"
_NEUTRON = "neutron diffraction, as in the data of Yan and Zhu, Chem. Mater. 36, 11551 (2024)"
_GRIEDER = "Grieder et al., J. Phys. Chem. C 128, 8560 (2024)"
_YAN = "NEP of Yan and Zhu, Chem. Mater. 36, 11551 (2024), from their mean squared displacements"
_XIE = "W. Xie et al., Adv. Energy Mater. (2023), doi 10.1002/aenm.202304230"
_YU = "Yu and Siegel, Chem. Mater. 29, 9639 (2017), classical MC and MD"
_TRUTH = "exact: the medium is made with it"
_EWALD = "Ewald sum of pymatgen and a sum over pairs"
_DFT_TRAINED = (
    f"models trained on DFT: {_YAN} at 1 atm, 1.20e-5 and 0.315 eV; n2p2 of {_GRIEDER} at the "
    "experimental volume, 1.36e-5 and 0.25 eV"
)

# Experiment is at room temperature: between there and 0 K the lattice shrinks by some 0.03 A.
_LATTICE_ALLOWANCE_A = 0.05
_CIP_VOLUME = (
    "Known: at zero pressure the volume of this potential is 7-10 % too large, so it is used at "
    "fixed experimental volume only, as in its publications."
)
_D_LATTICE = (
    "Known: this set has the lattice of the cubic phase at temperature; the tetragonal one comes "
    "out 2.5 % too small at 0 K, with a too short and c too long."
)
_FAST = (
    "Known: rigid ions diffuse about twice as fast as models trained on DFT at the same "
    "temperature, in a cell that is 4-5 % larger than at room temperature; n2p2 gives 2.91e-5 at "
    "110 % of volume. Read ratios, not absolute values."
)
_SHORT_CIP = (
    "The published runs took 6 ns of 1,536 ions; no error is stated there, and none is counted. "
    "192 ions, as in the quick tier, give 1.3 to 1.6 times the D of 1,536 (on cell sizes: Klenk "
    "and Lai, Solid State Ionics 289, 143 (2016)). Heo et al., npj Comput. Mater. 7, 214 (2021), "
    "Fig. 1, take 1.9e-5 for the bulk at 1100 K."
)
_NOT_WHY = (
    "Explained in part: at 700 K runs scatter more than their errors, three of 1,536 ions gave "
    "5.9(3), 7.4(4) and 8.3(8)e-6. Tried and not the reason: the lag (D is the same at 3 to 25 "
    "ps), slow ordering (the same over 0.8 ns), the step (1 and 2 fs), the La-O of Bush et al. "
    "(8.4(5)e-6 at 700 K, 2.70(15)e-5 at 1100 K). Left: parameters or a volume that the paper "
    "does not print, and its D at 700 K, which is taken here from the fit."
)

_EXPANSION = "Known: the potential is off by up to 0.3 % there; it was not fitted to this figure."


def _lattice(label: str, explained: str) -> dict[str, Known]:
    edges = {"a": (13.134, 0.004), "c": (12.663, 0.008)}
    return {
        f"{name} 0 K/{label}": Known(
            edge, edge, _AWAKA, _POTENTIAL, err, _LATTICE_ALLOWANCE_A, explained=explained
        )
        for name, (edge, err) in edges.items()
    }


def _cubic(label: str) -> dict[str, Known]:
    return {
        f"a 1100 K/{label}": Known(
            13.151,
            13.151,
            _NEUTRON,
            _POTENTIAL,
            0.001,
            remark="The last digit of experiment stands for its error.",
            explained=_EXPANSION,
        )
    }


def _rigid(label: str) -> dict[str, Known]:
    """Diffusion in the rigid-ion sets that no publication has run."""
    return {
        f"D 1100 K/{label}/1 atm": Known(
            1.20e-5, 1.36e-5, _DFT_TRAINED, _POTENTIAL, explained=_FAST
        ),
        f"Ea/{label}/1 atm": Known(
            0.25,
            0.315,
            _DFT_TRAINED,
            _POTENTIAL,
            explained="Known: the diffusivity of rigid ions flattens above 1100 K, so ladders "
            "that reach there read a lower Ea.",
        ),
    }


def _cip() -> dict[str, Known]:
    implied = f"D(1100 K) and Ea = 0.29 eV of {_GRIEDER}"
    return {
        "D 1100 K/CIP/101 %": Known(2.88e-5, 2.88e-5, _GRIEDER, _GBOPT, remark=_SHORT_CIP),
        "D 1100 K/CIP/107 %": Known(2.94e-5, 2.94e-5, _GRIEDER, _GBOPT, remark=_SHORT_CIP),
        "D 900 K/CIP/101 %": Known(1.46e-5, 1.46e-5, implied, _GBOPT),
        "D 700 K/CIP/101 %": Known(5.0e-6, 5.0e-6, implied, _GBOPT, remark=_NOT_WHY),
        "Ea/CIP/101 %": Known(0.29, 0.29, _GRIEDER, _GBOPT, remark=_NOT_WHY),
        "strain 112 %/CIP": Known(
            -math.inf,
            1.0,
            f"{_GRIEDER}, abstract: expansion tends to slow diffusion",
            _GBOPT,
            remark="The published figures of this series are not at hand: only the direction is "
            "compared.",
        ),
    }


def _given() -> dict[str, Known]:
    """Of a potential that the user gives: the NEP models, as far as they are published."""
    other = "Holds for the NEP models of Yan and Zhu; another model is compared with them here."
    D = {900: 5.22e-6, 1000: 8.58e-6, 1100: 1.20e-5, 1200: 1.42e-5}
    label = "the given potential"
    return {
        **{
            f"D {T} K/{label}/1 atm": Known(v, v, _YAN, _POTENTIAL, remark=other)
            for T, v in D.items()
        },
        f"Ea/{label}/1 atm": Known(0.315, 0.315, _YAN, _POTENTIAL, remark=other),
        f"a 1100 K/{label}": Known(13.131, 13.131, _YAN, _POTENTIAL, 0.001, remark=other),
        f"Spearman static/{label}": Known(
            0.89,
            0.91,
            f"gbopt's own earlier computation with two NEP models, all 42 of {_XIE}",
            _POTENTIAL,
        ),
        f"slope static/{label}": Known(1.0, 1.0, f"DFT of {_XIE}", _POTENTIAL),
    }


def _dft() -> dict[str, Known]:
    own = f"gbopt's own earlier computation with this set, all 42 of {_XIE}"
    stiff = (
        "Known: full formal charges on ions that do not polarise spread boundary energies twice as "
        "wide as DFT does; their ranks hold, their sizes do not."
    )
    slope = Known(1.0, 1.0, f"DFT of {_XIE}", _POTENTIAL, explained=stiff)
    return {
        "Spearman static/set C": Known(0.94, 0.94, own, _GBOPT, remark="20 of them are shipped."),
        "Spearman relaxed/set C": Known(0.91, 0.91, own, _GBOPT, remark="20 of them are shipped."),
        "slope static/set C": slope,
        "slope relaxed/set C": slope,
    }


def _boundaries() -> dict[str, Known]:
    unlike = (
        "Known: their potential is another, their compositions come from Monte Carlo (Li and O "
        "enriched), ours from the crystal; which slab they count is not stated in what is at "
        "hand. DFT-based MD (Gao et al., Adv. Energy Mater. 12, 2102151 (2022)) finds Sigma3(112) "
        "as fast as bulk."
    )
    names = ("Sigma3(112)[1-10]", "Sigma5(210)[001]", "Sigma5(310)[001]")
    return {f"D ratio/{name}": Known(2.0, 3.0, _YU, _POTENTIAL, explained=unlike) for name in names}


def _estimators() -> dict[str, Known]:
    sharp = (
        "Known: a perfectly sharp tenfold step of D reads 1-3 % high, since displacements of a lag "
        "straddle it; real boundaries have no such step."
    )
    few = (
        "Known: intervals of R from five time segments cover 88-100 % on media such as these, the "
        "less the fewer hops a layer sees."
    )
    wide = (
        "Known: errors are widened where points scatter more than theirs and never narrowed where "
        "they scatter less, so that intervals hold the truth a little more often than they claim."
    )
    covers = {"R slow layer": few, "R density step": few, "Ea": wide}
    reads = {"R slow layer": sharp}
    found = {}
    for name in ("D", "R slow layer", "R density step", "Einstein-Helfand", "Ea"):
        found[f"coverage/{name}"] = Known(
            0.95, 0.95, _TRUTH, _GBOPT, explained=covers.get(name, "")
        )
        found[f"bias/{name}"] = Known(1.0, 1.0, _TRUTH, _GBOPT, explained=reads.get(name, ""))
    return found


KNOWN: dict[str, Known] = {
    **_lattice("set C", ""),
    **_lattice("set D", _D_LATTICE),
    **_lattice("CIP", _CIP_VOLUME),
    **_cubic("set C"),
    **_cubic("set D"),
    **_rigid("set C"),
    **_rigid("set D"),
    **_cip(),
    **_given(),
    **_dft(),
    **_boundaries(),
    **_estimators(),
    "engines/energy": Known(0.0, 0.0, _EWALD, _GBOPT, allowance=1e-4),
    "engines/forces": Known(0.0, 0.0, _EWALD, _GBOPT, allowance=1e-3),
}
"""By the key of a finding; one that is not here has no reference."""
