"""Who decides, before a plugin is imported, whether that is safe, and remembers what was found."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.probe import try_apart
from hardpoint.registry.quarantine import Quarantine, Stage
from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, files_digest

logger = logging.getLogger(__name__)

AGAIN_AFTER_S = 86_400.0
"""A plugin that was found bad is tried again after so long, even if nothing was installed."""
_SITES = ("site-packages", "dist-packages")

Entries = tuple[FoundEntryPoint, ...]
"""Of one plugin object; at least one."""


class Examiner(Protocol):
    """Examines plugins."""

    def examine(self, entries: Entries) -> Quarantine | None:
        """Find out what speaks against importing a plugin here; None if nothing does."""

    def remembered(self, entries: Entries) -> Quarantine | None:
        """What was found against it before, in any process; imports and starts nothing."""


class Trusting:
    """Lets in whatever it is given: for plugins that are known not to do harm."""

    def examine(self, entries: Entries) -> None:
        """See `Examiner.examine`."""

    def remembered(self, entries: Entries) -> None:
        """See `Examiner.remembered`."""


TRUSTING = Trusting()


class Remembering:
    """Lets in what nothing is known against, as a worker does: its engine has examined what it needs.

    Args:
        verdicts: Where the engine's findings are kept. However old, they hold: the engine still goes by them.
    """

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts

    def examine(self, entries: Entries) -> Quarantine | None:
        """See `Examiner.examine`."""
        known = self._verdicts.read(Finder.PROBE, *_place(entries))
        return None if known is None else _quarantine(known)

    remembered = examine


class ApartExaminer:
    """Tries each plugin in a process of its own, once for what is installed now.

    Args:
        verdicts: Where findings are kept.
        now: Seconds since the epoch.
        attempt: Tries a target with the task types of its entry points.
    """

    def __init__(
        self,
        verdicts: Verdicts,
        now: Callable[[], float],
        attempt: Callable[[str, Iterable[str]], Quarantine | None] = try_apart,
    ) -> None:
        self._verdicts = verdicts
        self._now = now
        self._attempt = attempt

    def examine(self, entries: Entries) -> Quarantine | None:
        """See `Examiner.examine`."""
        place = _place(entries)
        known = self._known(entries, *place)
        if known is not None:
            return _quarantine(known)
        first = entries[0]
        names = [each.name for each in entries if each.kind is Kind.TASK_TYPE]
        try:
            found = self._attempt(first.target, names)
        except OSError as error:
            logger.warning("plugin %s is imported untried: %s", first, error)
            return None
        self._verdicts.write(Finder.PROBE, *place, _verdict(found, self._now()))
        return found

    def remembered(self, entries: Entries) -> Quarantine | None:
        """See `Examiner.remembered`."""
        known = self._known(entries, *_place(entries))
        return None if known is None else _quarantine(known)

    def forget(self, entries: Entries) -> None:
        """Drop what was found, so that it is found out again."""
        self._verdicts.forget(Finder.PROBE, *_place(entries))

    def _known(self, entries: Entries, name: str, digest: str) -> Verdict | None:
        known = self._verdicts.read(Finder.PROBE, name, digest)
        if known is None or (not known.held and not 0 <= self._now() - known.at < AGAIN_AFTER_S):
            return None
        # What it needs may have been installed since, or taken away.
        return known if _changed_at(entries[0]) <= known.at else None


class Retrying:
    """Tries again what was found bad before, as `hardpoint plugins doctor` does.

    Args:
        inner: Examines, and remembers.
    """

    def __init__(self, inner: ApartExaminer) -> None:
        self._inner = inner
        self.remembered = inner.remembered

    def examine(self, entries: Entries) -> Quarantine | None:
        """See `Examiner.examine`."""
        if self._inner.remembered(entries) is not None:
            self._inner.forget(entries)
        return self._inner.examine(entries)


def _place(entries: Entries) -> tuple[str, str]:
    first = entries[0]
    distribution = first.entry_point.dist
    assert distribution is not None, "the scan found it in a distribution"
    return f"{first.distribution}/{first.target}", files_digest(distribution)


def _changed_at(entry: FoundEntryPoint) -> float:
    """When anything was last installed where this process finds plugins and what they need."""
    own = [] if entry.entry_point.dist is None else [str(entry.entry_point.dist.locate_file(""))]
    return max((_mtime(place) for place in {*_sites(), *own}), default=0.0)


def _sites() -> list[str]:
    return [each for each in sys.path if Path(each).name in _SITES]


def _mtime(folder: str) -> float:
    try:
        return Path(folder).stat().st_mtime
    except OSError:
        return 0.0


def _verdict(found: Quarantine | None, at: float) -> Verdict:
    if found is None:
        return Verdict(True, "", at)
    return Verdict(False, found.summary, at, found.traceback, found.stage.name)


def _quarantine(known: Verdict) -> Quarantine | None:
    if known.held:
        return None
    stage = Stage.__members__.get(known.stage, Stage.PROBE)
    return Quarantine(stage, known.summary, known.traceback)
