"""Has campaigns evaluate by looking up, in processes that import them; the others load nothing."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class LookedUp(MetaPathFinder):
    """Replaces ``evaluate`` in the module of campaigns when that is imported.

    Args:
        table: the record.
        faster: how many times faster than recorded.
        deadly: boundaries whose evaluation ends its process.
    """

    def __init__(self, table: str, faster: float, deadly: tuple[str, ...]) -> None:
        self._options = Path(table), faster, deadly

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module of campaigns, and leave all others to those who come next."""
        if name != "gbopt.campaign.campaign":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_replace(module: ModuleType) -> None:
            load(module)
            from _recorded import player, read

            table, faster, deadly = self._options
            module.evaluate = player(read(table), faster, deadly)  # type: ignore[attr-defined]

        spec.loader.exec_module = load_and_replace  # type: ignore[method-assign]
        return spec
