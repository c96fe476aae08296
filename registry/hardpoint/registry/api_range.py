"""Which versions of the plugin API a plugin is written for, read from metadata alone.

A distribution states it with entry points in the group `hardpoint.api`, one for each major version it
serves; the name is the oldest minor that has everything the plugin uses, the value names its package:

    [project.entry-points."hardpoint.api"]
    "1.0" = "hardpoint_notebook"
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})")


class ApiRange(msgspec.Struct, frozen=True):
    """The versions a plugin works with: for each floor, that minor and all later ones of its major.

    Args:
        floors: Major and minor, ascending; empty when the distribution states none.
        unreadable: Statements that are no version.

    >>> str(ApiRange(((1, 2),)))
    '1.2 to 1.x'
    >>> [ApiRange(((1, 2),)).admits(host) for host in ((1, 1), (1, 2), (1, 3), (2, 0))]
    [False, True, True, False]
    """

    floors: tuple[tuple[int, int], ...] = ()
    unreadable: tuple[str, ...] = ()

    @classmethod
    def parse(cls, statements: Iterable[str]) -> ApiRange:
        """Read the names of a distribution's `hardpoint.api` entry points.

        >>> ApiRange.parse(["2.1", "1.0", "latest"])
        ApiRange(floors=((1, 0), (2, 1)), unreadable=('latest',))
        """
        floors: set[tuple[int, int]] = set()
        unreadable: set[str] = set()
        for statement in statements:
            found = _VERSION.fullmatch(statement)
            if found is None:
                unreadable.add(statement)
            else:
                floors.add((int(found[1]), int(found[2])))
        return cls(tuple(sorted(floors)), tuple(sorted(unreadable)))

    def admits(self, host: tuple[int, int]) -> bool:
        """Whether a host of that version has everything the plugin uses."""
        return any(major == host[0] and minor <= host[1] for major, minor in self.floors)

    def newer_than(self, host: tuple[int, int]) -> bool:
        """Whether every floor lies above the host: then the host is what must be upgraded."""
        return bool(self.floors) and self.floors[0] > host

    def __str__(self) -> str:
        return " or ".join(f"{major}.{minor} to {major}.x" for major, minor in self.floors) or "not stated"
