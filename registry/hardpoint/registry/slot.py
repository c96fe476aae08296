"""The place of one plugin object: what was found of it, and, once somebody asked, what became of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from hardpoint.plugin_api import API_VERSION
from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.examiner import Examiner
from hardpoint.registry.loading import load_object
from hardpoint.registry.once import Once
from hardpoint.registry.plugin import LoadedPlugin, admit
from hardpoint.registry.quarantine import Quarantine

logger = logging.getLogger(__name__)


class Slot:
    """One plugin object of one distribution; several entry points may lead to it.

    Args:
        entries: Those entry points; at least one, all with the same distribution and target.
        examiner: Says whether it may be imported here.
    """

    def __init__(self, entries: tuple[FoundEntryPoint, ...], examiner: Examiner) -> None:
        self.entries = entries
        self._examiner = examiner
        self.first = entries[0]
        self.name = f"{self.first.distribution}/{self.first.target}"
        self._outcome: Once[LoadedPlugin | Quarantine] = Once(self._load)

    @property
    def is_extension(self) -> bool:
        """Whether the plugin is loaded before the first run, because no task type asks for it."""
        kinds = {entry.kind for entry in self.entries}
        return Kind.EXTENSION in kinds and Kind.TASK_TYPE not in kinds

    @property
    def is_compatible(self) -> bool:
        """Whether it may be imported at all."""
        return self.first.api.admits(API_VERSION)

    @property
    def outcome(self) -> LoadedPlugin | Quarantine | None:
        """What became of it; None if nobody asked yet."""
        return self._outcome.made

    def foreseen(self) -> Quarantine | None:
        """What became of it where it was tried before, if it was not asked for in this process yet."""
        return self._examiner.remembered(self.entries) if self.outcome is None else None

    def load(self) -> LoadedPlugin | Quarantine:
        """Examine, import, ask and check the plugin, the first time; what came of it, every time."""
        return self._outcome.get()

    def _load(self) -> LoadedPlugin | Quarantine:
        assert self.is_compatible, "an incompatible plugin must never be imported"
        outcome = self._examiner.examine(self.entries) or load_object(self.first.entry_point)
        if not isinstance(outcome, Quarantine):
            outcome = admit(
                outcome,
                self.name,
                target=self.first.target,
                entry_points=frozenset(e.name for e in self.entries if e.kind is Kind.TASK_TYPE),
            )
        if isinstance(outcome, Quarantine):
            logger.warning("plugin %s is quarantined: %s\n%s", self.first, outcome.summary, outcome.traceback)
        return outcome


def slots_of(found: Iterable[FoundEntryPoint], examiner: Examiner) -> list[Slot]:
    """One slot for each plugin object, in the order in which they were found."""
    grouped: dict[tuple[str, str], list[FoundEntryPoint]] = {}
    for entry in found:
        grouped.setdefault((entry.distribution, entry.target), []).append(entry)
    return [Slot(tuple(entries), examiner) for entries in grouped.values()]
