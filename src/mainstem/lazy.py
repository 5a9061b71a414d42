"""Lazy doors: what a room exports is loaded when it is first asked for (PEP 562).

A process needs a few rooms' settings to read its configuration and a few rooms' machinery to do its work; with doors that
load everything, reading the configuration would load DuckDB, Arrow and every other library there is.

A lazy door looks like this; a test holds the three lists against each other:

    if TYPE_CHECKING:
        from mainstem.access.keys import ApiKeyInfo, ApiKeys
    else:
        __getattr__ = lazy_door(__name__, {"keys": "ApiKeyInfo ApiKeys"})

    __all__ = ["ApiKeyInfo", "ApiKeys"]
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["lazy_door"]


def lazy_door(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: `modules` says which names, separated by spaces, lie in which module of it.

    No name may be that of a module: an imported module becomes an attribute of its package and would hide the name.
    """
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        # The next time Python finds it without asking here.
        setattr(sys.modules[package], name, value)
        return value

    return load
