"""Which installed plugins may be imported at all, as the operator says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hardpoint.registry.discovery import FoundEntryPoint, normalised

SAFE_MODE = "HARDPOINT_SAFE_MODE"
"""Environment variable: set to anything but `0`, no installed plugin is imported, in any process."""


def is_safe_mode(environ: Mapping[str, str]) -> bool:
    """Whether a process was told to do without installed plugins.

    >>> is_safe_mode({"HARDPOINT_SAFE_MODE": "1"}), is_safe_mode({"HARDPOINT_SAFE_MODE": "0"})
    (True, False)
    """
    return environ.get(SAFE_MODE, "").strip() not in ("", "0")


@dataclass(frozen=True, slots=True)
class Permits:
    """What the operator lets in. Built-in plugins and objects that an embedder passes need no permit.

    Args:
        allow: Patterns with `*`, `?` and `[…]`; one must match the name of a distribution. However names and
            patterns are spelled, `-`, `_` and `.` are the same, and so are capitals.
        deny: Patterns of which none may match.
        safe_mode: Nothing installed is let in.

    >>> permits = Permits(allow=("hardpoint-*",), deny=("Hardpoint_Slow",))
    >>> permits.denied_by("hardpoint.athena"), permits.denied_by("hardpoint-slow"), permits.denied_by("acme")
    ('', 'denied by `deny = ["Hardpoint_Slow"]`', 'denied by `allow = ["hardpoint-*"]`')
    """

    allow: tuple[str, ...] = ("*",)
    deny: tuple[str, ...] = ()
    safe_mode: bool = False

    def denied_by(self, distribution: str) -> str:
        """What keeps a distribution out, in words; empty if nothing does."""
        if self.safe_mode:
            return "denied by safe mode"
        name = normalised(distribution)
        against = next((each for each in self.deny if fnmatchcase(name, normalised(each))), None)
        if against is not None:
            return f'denied by `deny = ["{against}"]`'
        if any(fnmatchcase(name, normalised(each)) for each in self.allow):
            return ""
        shown = ", ".join(f'"{each}"' for each in self.allow)
        return f"denied by `allow = [{shown}]`"


EVERYTHING = Permits()


@dataclass(frozen=True, slots=True)
class Denied:
    """An entry point that is kept out, and what keeps it out, in words."""

    entry: FoundEntryPoint
    by: str


def sorted_out(
    found: Iterable[FoundEntryPoint], permits: Permits
) -> tuple[tuple[FoundEntryPoint, ...], tuple[Denied, ...]]:
    """What may be imported of what was found, and what may not; each in order."""
    told = [(entry, permits.denied_by(entry.distribution)) for entry in found]
    return (
        tuple(entry for entry, by in told if not by),
        tuple(Denied(entry, by) for entry, by in told if by),
    )
