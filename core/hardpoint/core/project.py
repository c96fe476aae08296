"""Where a source file belongs: its project's root, and its place below it."""

from __future__ import annotations

import functools
import os
from pathlib import Path

ROOT_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", "hardpoint.toml")

_INSTALLED = {"site-packages", "dist-packages"}


@functools.lru_cache(maxsize=4096)
def real_path(file: str) -> Path:
    """The absolute path without links, so that one file has one identity."""
    return Path(os.path.realpath(file))


def project_root(file: Path) -> Path:
    """Return the folder that a file's place is told relative to.

    Args:
        file: A source file, or any path; it need not exist.

    Returns:
        The nearest ancestor that holds one of `ROOT_MARKERS`; for a file of an installed package, the
        folder packages are installed in; else the file's own folder.
    """
    file = real_path(str(file))
    installed = installed_in(file)
    if installed is not None:
        return installed
    for folder in file.parents:
        if any((folder / marker).exists() for marker in ROOT_MARKERS):
            return folder
    return file.parent


def installed_in(file: Path) -> Path | None:
    """The `site-packages` folder a file lies in, if it lies in one.

    >>> installed_in(Path("/venv/lib/python3.11/site-packages/pkg/mod.py")).name
    'site-packages'
    >>> installed_in(Path("/home/me/flow.py"))
    """
    parts = file.parts
    for index in range(len(parts) - 2, 0, -1):
        if parts[index] in _INSTALLED:
            return Path(*parts[: index + 1])
    return None


def is_below(file: Path, root: Path) -> bool:
    """Whether a file is part of the project at `root`; what is installed below it is not.

    >>> is_below(Path("/p/flows/etl.py"), Path("/p")), is_below(Path("/q/etl.py"), Path("/p"))
    (True, False)
    >>> is_below(Path("/p/.venv/lib/site-packages/pkg/mod.py"), Path("/p"))
    False
    """
    if not file.is_relative_to(root):
        return False
    return installed_in(file) in (None, root)


def place_in_project(file: Path, root: Path) -> str:
    """The path that identities use: relative, with `/`, the same on every machine.

    Args:
        file: A file; links are followed.
        root: The project of the workflow that uses it. A file from elsewhere is told relative to its own.
    """
    file = real_path(str(file))
    base = root if is_below(file, root) else project_root(file)
    return file.relative_to(base).as_posix()
