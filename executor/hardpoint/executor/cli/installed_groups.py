"""A look, in two milliseconds, for plugins that bring commands or importers: mostly there are none."""

from __future__ import annotations

import os
from collections.abc import Iterable


def may_have(group: str, path: Iterable[str]) -> bool:
    """Whether a distribution may have an entry point in a group.

    Unlike the scan of the registry it reads nothing but the names of folders and a few small files, and
    needs no `importlib.metadata`, whose import costs more than all of this.

    Args:
        group: Such as `hardpoint.commands`.
        path: Folders in which distributions are installed: `sys.path`.

    >>> may_have("no.such.group", ["/nowhere"])
    False
    """
    wanted = f"[{group}]".encode()
    return any(wanted in _entry_points(folder, name) for folder in path for name in _installed(folder))


def _installed(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))]  # noqa: PTH208
    except OSError:  # an archive, or a folder that is not there
        return []


def _entry_points(folder: str, name: str) -> bytes:
    try:
        # `Path` would take half of the time.
        with open(f"{folder or '.'}/{name}/entry_points.txt", "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""
