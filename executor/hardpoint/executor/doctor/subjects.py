"""Whom the doctor looks at: the host, and each installed plugin by its distribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.doctor.findings import HOST
from hardpoint.executor.doctor.requirements import normalised
from hardpoint.registry import InstalledPlugin, NoPluginError


class Subject(msgspec.Struct, frozen=True):
    """One plugin object, by whatever entry points lead to it.

    Args:
        distribution: Where it comes from.
        target: What the entry points name.
        rows: One for each entry point.
    """

    distribution: str
    target: str
    rows: tuple[InstalledPlugin, ...]

    @property
    def name(self) -> str:
        """As the registry calls it."""
        return f"{self.distribution}/{self.target}"

    @property
    def shown(self) -> str:
        """Its names, for a sentence."""
        return ", ".join(dict.fromkeys(f"`{row.name}`" for row in self.rows))


def subjects_of(rows: Iterable[InstalledPlugin]) -> list[Subject]:
    """Installed plugins; what is built in is the host's."""
    grouped: dict[tuple[str, str], list[InstalledPlugin]] = {}
    for row in rows:
        if row.distribution:
            grouped.setdefault((row.distribution, row.target), []).append(row)
    return [Subject(*place, tuple(of_it)) for place, of_it in grouped.items()]


def chosen(rows: Sequence[InstalledPlugin], name: str) -> list[str]:
    """The distributions that a name stands for, `HOST` among them.

    Args:
        rows: Everything installed.
        name: A distribution, or what one of its entry points is called; empty for all.

    Raises:
        NoPluginError: It stands for none.
    """
    owners = dict.fromkeys([HOST, *(row.distribution or HOST for row in rows)])
    if not name:
        return list(owners)
    wanted = normalised(name)
    found = [owner for owner in owners if normalised(owner) == wanted] or list(
        dict.fromkeys(row.distribution or HOST for row in rows if row.name == name)
    )
    if found:
        return found
    raise NoPluginError(
        f"No installed plugin is called `{name}`",
        hint=did_you_mean(
            name, [*owners, *(row.name for row in rows)], "`hardpoint plugins list` shows what is installed"
        ),
    )
