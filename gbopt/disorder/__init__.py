"""LLZO far from equilibrium: strained crystals, melt-quenched glasses, and how Li moves in them."""
