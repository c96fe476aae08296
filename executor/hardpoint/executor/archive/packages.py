"""Which installed distributions provide the modules that project files import."""

from __future__ import annotations

import functools
import importlib.metadata
import sys
from collections.abc import Iterable
from importlib.util import find_spec


def packages_of(modules: Iterable[str]) -> tuple[str, ...]:
    """Return `name==version` of the distributions that provide these top-level modules.

    Modules of the standard library, and those that are not installed, are left out.

    >>> packages_of(["json", "no_such_module"])
    ()
    """
    found = {text for module in modules for text in _distributions(module)}
    return tuple(sorted(found))


@functools.lru_cache(maxsize=4096)
def _distributions(module: str) -> tuple[str, ...]:
    if module in sys.stdlib_module_names:
        return ()
    # Most distributions are called like their module, and asking for one reads a single file.
    try:
        return (f"{module}=={importlib.metadata.version(module)}",)
    except importlib.metadata.PackageNotFoundError:
        pass
    try:
        if find_spec(module) is None:
            return ()
    except (ImportError, ValueError):
        return ()
    names = sorted(set(_providers().get(module, ())))
    return tuple(f"{name}=={importlib.metadata.version(name)}" for name in names)


@functools.cache
def _providers() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())
