"""What is installed, read from the metadata of distributions; no plugin is imported.

Five groups of entry points name plugin objects:

- `hardpoint.plugins`: one entry point for each task type, named like it. Loaded when a task asks for it.
- `hardpoint.extensions`: plugins without task types (observers, wrappers). Loaded before the first run.
- `hardpoint.types`: one for each Python class whose values a plugin can carry, named like the class,
  `module:qualname`. Loaded when a value of that class is to be carried.
- `hardpoint.commands`: one for each command of a plugin, named like it. Loaded when it is called.
- `hardpoint.importers`: one for each suffix of files that a plugin imports. Loaded when such a file is run.
"""

from __future__ import annotations

import enum
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardpoint.plugin_api import ENTRY_POINT_GROUP
from hardpoint.registry.api_range import ApiRange

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint, PackageMetadata

EXTENSION_GROUP = "hardpoint.extensions"
TYPES_GROUP = "hardpoint.types"
COMMANDS_GROUP = "hardpoint.commands"
IMPORTERS_GROUP = "hardpoint.importers"
API_GROUP = "hardpoint.api"

logger = logging.getLogger(__name__)


class Kind(enum.Enum):
    """What an entry point names."""

    TASK_TYPE = ENTRY_POINT_GROUP
    EXTENSION = EXTENSION_GROUP
    LITERAL_TYPE = TYPES_GROUP
    COMMAND = COMMANDS_GROUP
    IMPORTER = IMPORTERS_GROUP


_GROUPS = frozenset(kind.value for kind in Kind)


@dataclass(frozen=True, slots=True)
class FoundEntryPoint:
    """One entry point and the distribution it comes from.

    Args:
        kind: Of which group.
        name: The task type, the extension's name, or the class.
        distribution: Name of the distribution, as its metadata spells it.
        version: Of the distribution.
        api: The plugin API it is written for.
        entry_point: What to load.
    """

    kind: Kind
    name: str
    distribution: str
    version: str
    api: ApiRange
    entry_point: EntryPoint

    @property
    def target(self) -> str:
        """Where the plugin object is: `module:attribute`."""
        return self.entry_point.value

    @property
    def package(self) -> str:
        """The import package it lies in."""
        return self.entry_point.module.partition(".")[0]

    def __str__(self) -> str:
        return f"`{self.distribution}` {self.version}"


def scan() -> tuple[FoundEntryPoint, ...]:
    """Every entry point of hardpoint's groups on `sys.path`, ordered by kind, name and distribution.

    Metadata that cannot be read is logged and left out, so that one damaged folder among the installed
    packages cannot hide the rest.
    """
    found = [entry for found in _distributions() for entry in _of_distribution(*found)]
    return tuple(sorted(found, key=lambda e: (e.kind.value, e.name, e.distribution, e.target)))


def _distributions() -> Iterator[tuple[Distribution, PackageMetadata]]:
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions():
        try:
            if "[hardpoint." not in (distribution.read_text("entry_points.txt") or ""):
                continue
            metadata = distribution.metadata  # parsed anew whenever it is asked for
            name = normalised(metadata["Name"])
        except Exception as error:  # any damage: undecodable text, missing name, unreadable file
            logger.warning("skipped the metadata in `%s`: %s", _where(distribution), error)
            continue
        # An editable install may lie on the path twice; Python imports the first: that one counts.
        if name not in seen:
            seen.add(name)
            yield distribution, metadata


def _of_distribution(distribution: Distribution, metadata: PackageMetadata) -> Iterator[FoundEntryPoint]:
    try:
        entry_points = list(distribution.entry_points)
        name, version = metadata["Name"], metadata["Version"]
    except Exception as error:  # a line without `=` raises TypeError, a missing version KeyError, and so on
        logger.warning("skipped the entry points in `%s`: %s", _where(distribution), error)
        return
    api = ApiRange.parse(each.name for each in entry_points if each.group == API_GROUP)
    unique = {(each.group, each.name, each.value): each for each in entry_points}
    for entry_point in unique.values():
        if entry_point.group in _GROUPS:
            yield FoundEntryPoint(Kind(entry_point.group), entry_point.name, name, version, api, entry_point)


def normalised(name: str) -> str:
    """The name of a distribution, however it is spelled.

    >>> normalised("Hardpoint_Athena")
    'hardpoint-athena'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _where(distribution: Distribution) -> str:
    return str(distribution.locate_file(""))
