"""The crystals that a specification may name."""

from __future__ import annotations

from gbopt.crystal.llzo import cubic_llzo, tetragonal_llzo
from gbopt.errors import ConfigError
from gbopt.model.crystal import Crystal

_BUILT_IN = {"c-LLZO": cubic_llzo, "t-LLZO": tetragonal_llzo}


def get_crystal(name: str) -> Crystal:
    """Look a crystal up by name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in _BUILT_IN:
        raise ConfigError(
            f"crystal: unknown crystal {name!r}",
            hint=f"known: {', '.join(_BUILT_IN)}; gbopt build, catalog and network take a CIF too",
        )
    return _BUILT_IN[name]()
