"""The distributions on this process's path: what lies where, and what it asks for."""

from __future__ import annotations

import site
import sysconfig
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

import msgspec

from hardpoint.executor.doctor.requirements import normalised


class Copy(msgspec.Struct, frozen=True):
    """A distribution in one folder of the path.

    Args:
        name: As its metadata spells it.
        version: Of it.
        folder: Where its metadata lies.
        requires: Lines of `Requires-Dist`.
        requires_python: Such as `>=3.11`; empty if it does not say.
    """

    name: str
    version: str
    folder: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""


class Installed(msgspec.Struct, frozen=True):
    """Everything on the path.

    Args:
        copies: By normalised name, in the order of the path: the first is the one that is imported.
        folders: Of the path that belong to this environment.
        damaged: Folders with metadata that cannot be read.
    """

    copies: Mapping[str, tuple[Copy, ...]]
    folders: frozenset[str]
    damaged: tuple[str, ...] = ()

    def first(self, name: str) -> Copy | None:
        """The copy of a distribution that is imported; None if there is none."""
        found = self.copies.get(normalised(name))
        return found[0] if found else None

    def versions(self) -> dict[str, str]:
        """Of what is imported, by normalised name."""
        return {name: copies[0].version for name, copies in self.copies.items()}


def installed_here() -> Installed:
    """What this process's path holds; imports nothing of it."""
    found: dict[str, dict[tuple[str, str], Copy]] = {}
    damaged: list[str] = []
    for each in distributions():
        folder = str(Path(str(each.locate_file(""))).resolve())
        try:
            copy = _copy(each, folder)
        except Exception:  # any damage: undecodable text, a missing name, an unreadable file
            damaged.append(folder)
            continue
        # A folder may be on the path twice.
        found.setdefault(normalised(copy.name), {}).setdefault((folder, copy.version), copy)
    copies = {name: tuple(each.values()) for name, each in found.items()}
    return Installed(copies, _own_folders(), tuple(dict.fromkeys(damaged)))


def _copy(each: Distribution, folder: str) -> Copy:
    name, version = each.metadata["Name"], each.metadata["Version"]
    if not (name and version):
        raise ValueError(f"neither name nor version may be missing in `{folder}`")
    (python,) = each.metadata.get_all("Requires-Python") or ("",)
    lines = each.metadata.get_all("Requires-Dist") or ()
    return Copy(name, version, folder, tuple(lines), python)


def _own_folders() -> frozenset[str]:
    folders = {*site.getsitepackages(), *(sysconfig.get_path(key) for key in ("purelib", "platlib"))}
    return frozenset(str(Path(folder).resolve()) for folder in folders)
