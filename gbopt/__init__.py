"""gbopt: a search for the grain boundaries of LLZO that resist lithium least."""

__version__ = "0.1.0"
