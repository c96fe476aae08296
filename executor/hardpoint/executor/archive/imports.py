"""Finds the project files that a file imports, by reading and never by running them."""

from __future__ import annotations

import ast
import functools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

_INSTALLED = frozenset({"site-packages", "dist-packages"})
_NEVER = frozenset({"__pycache__", "node_modules"})


class Import(msgspec.Struct, frozen=True):
    """One name that a file imports.

    Args:
        level: Number of leading dots; 0 for an absolute import.
        module: Dotted name; may be empty when there are dots.
        name: For `from module import name`; may be a submodule.
    """

    level: int
    module: str
    name: str = ""


def is_project_file(file: Path, root: Path) -> bool:
    """Whether a file belongs to the project: below its root, not hidden, not in an environment.

    >>> is_project_file(Path("/p/flows/etl.py"), Path("/p"))
    True
    >>> is_project_file(Path("/p/.venv/lib/x.py"), Path("/p")), is_project_file(Path("/q/x.py"), Path("/p"))
    (False, False)
    """
    if not file.is_relative_to(root) or not _INSTALLED.isdisjoint(file.parts):
        return False
    parts = file.relative_to(root).parts
    if any(part.startswith(".") or part in _NEVER for part in parts):
        return False
    folders = [root.joinpath(*parts[:depth]) for depth in range(1, len(parts))]
    return not any(_is_environment(str(folder)) for folder in folders)


@functools.lru_cache(maxsize=4096)
def _is_environment(folder: str) -> bool:
    return (Path(folder) / "pyvenv.cfg").exists()


class ImportWalk:
    """All project files reachable from some by imports.

    Args:
        root: The project's root, without links.
        files: Project files to begin with.

    Attributes:
        files: What was reached, the beginning included.
        foreign: Top-level names that no project file provides.
    """

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.files: set[Path] = set()
        self.foreign: set[str] = set()
        self._root = root
        entry_folders = sorted({_top_folder(file) for file in files})
        self._roots = list(dict.fromkeys([*entry_folders, *_path_entries(root), root]))
        self._used = {*entry_folders, root}
        self.add(files)

    @property
    def import_roots(self) -> tuple[str, ...]:
        """Folders that a worker puts on `sys.path`, relative to the root.

        Of the entries of `sys.path` only those that some import needed, so that the digest does not
        depend on what else the host had there.
        """
        places = [each.relative_to(self._root).as_posix() for each in self._roots if each in self._used]
        return tuple("" if place == "." else place for place in places)

    def add(self, files: Iterable[Path]) -> None:
        """Take these files and what they import."""
        waiting = list(files)
        while waiting:
            file = waiting.pop()
            if file in self.files:
                continue
            self.files.add(file)
            waiting += self._packages_above(file)
            for wanted in imports_of(file):
                waiting += self._resolve(wanted, file)

    def _packages_above(self, file: Path) -> Iterator[Path]:
        # Importing a module runs the `__init__.py` of each package it lies in.
        for folder in file.parents:
            init = folder / "__init__.py"
            if folder == self._root.parent or not init.is_file():
                return
            yield init

    def _resolve(self, wanted: Import, file: Path) -> list[Path]:
        if wanted.level:
            base = file.parents[wanted.level - 1] if wanted.level <= len(file.parents) else file.parent
            return self._locate(_parts(wanted), [base])
        top = wanted.module.partition(".")[0]
        if top == "hardpoint" or top.startswith("hardpoint_"):
            return []
        if self._is_installed(top):
            self.foreign.add(top)
            return []
        found = self._locate(_parts(wanted), self._roots) or self._loaded(wanted)
        if not found:
            self.foreign.add(top)
        return found

    def _locate(self, parts: Sequence[str], folders: Sequence[Path]) -> list[Path]:
        """Files that importing `parts` runs, as Python's own path finder would look for them."""
        found: list[Path] = []
        for part in parts:
            following: list[Path] = []
            for folder in folders:
                package, module = folder / part / "__init__.py", folder / f"{part}.py"
                hit = next((each for each in (package, module) if self._takes(each)), None)
                if hit is not None:
                    if not found:
                        self._used.update(root for root in self._roots if folder.is_relative_to(root))
                    found.append(hit)
                    following = [folder / part] if hit is package else []
                    break
                if (folder / part).is_dir():
                    following.append(folder / part)
            folders = following
        return found

    def _takes(self, file: Path) -> bool:
        return file.is_file() and is_project_file(file, self._root)

    def _is_installed(self, top: str) -> bool:
        """Whether this process has such a module from Python itself or from an installed package."""
        if top in sys.builtin_module_names:
            return True
        file = _file_of(top)
        if file is None or is_project_file(file, self._root):
            return False
        return top in sys.stdlib_module_names or not _INSTALLED.isdisjoint(file.parts)

    def _loaded(self, wanted: Import) -> list[Path]:
        """A module that this process found in a way of its own: an import hook, a path set for a moment."""
        names = [wanted.module, f"{wanted.module}.{wanted.name}"] if wanted.name else [wanted.module]
        found: list[Path] = []
        for name in names:
            file = _file_of(name)
            if file is None or file.suffix != ".py" or not is_project_file(file, self._root):
                continue
            found.append(file)
            depth = name.count(".") + (file.name == "__init__.py")
            root = file.parents[depth]
            if root not in self._roots:
                self._roots.append(root)
            self._used.add(root)
        return found


def _top_folder(file: Path) -> Path:
    """The folder from which a file's own package is imported; of a script, the script's folder."""
    return next(folder for folder in file.parents if not (folder / "__init__.py").is_file())


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return Path(os.path.realpath(file)) if file else None


def imports_of(file: Path) -> tuple[Import, ...]:
    """Every import statement in a file, also inside functions; none if it is no valid Python."""
    status = file.stat()
    return _imports(str(file), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _imports(file: str, _mtime_ns: int, _size_bytes: int) -> tuple[Import, ...]:
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (SyntaxError, ValueError):
        return ()
    return tuple(dict.fromkeys(each for node in ast.walk(tree) for each in _read(node)))


def _read(node: ast.AST) -> Iterator[Import]:
    match node:
        case ast.Import(names):
            yield from (Import(0, alias.name) for alias in names)
        case ast.ImportFrom(module, names, level):
            yield from (Import(level or 0, module or "", alias.name) for alias in names)
        case ast.Call(
            func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
            args=[ast.Constant(value=str(name))],
        ):
            yield Import(0, name)
        case _:
            pass


def _parts(wanted: Import) -> list[str]:
    return [part for part in (*wanted.module.split("."), wanted.name) if part]


def _path_entries(root: Path) -> Iterator[Path]:
    for entry in sys.path:
        folder = Path(os.path.realpath(entry or "."))
        if folder.is_dir() and is_project_file(folder, root):
            yield folder
