"""One import space per project, so that two projects may both have a `helpers.py`.

Python knows one module per name. While a file of a project is imported, modules of other projects that
bear names of its own are put aside, and come back afterwards; each project's modules are remembered.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import all_suffixes
from pathlib import Path
from types import ModuleType

from hardpoint.core.project import is_below, project_root

_MODULES = (".py", *{f".{suffix.rpartition('.')[2]}" for suffix in all_suffixes()})

_spaces: dict[Path, dict[str, ModuleType]] = {}


def module_in_space(name: str, root: Path) -> ModuleType | None:
    """The module of that name as the project at `root` sees it."""
    found = _spaces.get(root, {}).get(name)
    return found if found is not None else sys.modules.get(name)


@contextmanager
def import_space(file: Path) -> Iterator[None]:
    """Make a file's folder, its project's root and the root's `src` importable, and hide other projects.

    Afterwards the folders stay at the end of `sys.path`: functions may import when they are called.
    """
    root = project_root(file)
    folders = list(dict.fromkeys([file.parent, root, root / "src"]))
    aside = _enter(root, folders)
    before = list(sys.path)
    sys.path[:0] = [str(folder) for folder in folders]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        names = _names_in(folders)
        _spaces.setdefault(root, {}).update(
            {name: module for name, module in _modules(names) if _is_of(module, [root])}
        )
        sys.modules.update(aside)
        added = [each for each in sys.path if each not in before and Path(each) not in folders]
        tail = [str(folder) for folder in folders if str(folder) not in before and folder.is_dir()]
        sys.path[:] = [*added, *before, *tail]


def _enter(root: Path, folders: list[Path]) -> dict[str, ModuleType]:
    """Swap in the project's modules; return those of other projects that had their names."""
    others = [each for each in _spaces if each != root]
    foreign = {
        name: module
        for name, module in _modules(_names_in(folders))
        if _is_of(module, others) and not _is_of(module, folders)
    }
    for name in foreign:
        del sys.modules[name]
    for name, module in _spaces.get(root, {}).items():
        sys.modules.setdefault(name, module)
    return foreign


def _names_in(folders: list[Path]) -> set[str]:
    """Top-level names that could be imported from these folders."""
    entries = (each for folder in folders if folder.is_dir() for each in folder.iterdir())
    # `hardpoint.toml` is no `hardpoint`.
    return {each.name.partition(".")[0] for each in entries if each.suffix in _MODULES or each.is_dir()}


def _modules(names: set[str]) -> list[tuple[str, ModuleType]]:
    return [(name, each) for name, each in list(sys.modules.items()) if name.partition(".")[0] in names]


def _is_of(module: ModuleType, folders: list[Path]) -> bool:
    file = getattr(module, "__file__", None)
    # A folder without an `__init__.py` is a module without a file.
    places = [file] if file else list(getattr(module, "__path__", ()))
    return any(is_below(Path(str(place)), folder) for place in places for folder in folders)
