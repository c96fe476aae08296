"""From the name of a task type to the checked plugin that runs it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from hardpoint.plugin_api import ContractViolation, HardpointError
from hardpoint.registry import explain
from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.once import Once
from hardpoint.registry.plugin import LoadedPlugin, admit
from hardpoint.registry.quarantine import Quarantine
from hardpoint.registry.slot import Slot, slots_of

logger = logging.getLogger(__name__)


class Resolver:
    """Who claims which task type, and which plugins are loaded.

    Args:
        found: What the scan of the metadata found.
        builtin: Plugin objects that need no entry point, by name; their task types come first.
    """

    def __init__(self, found: Iterable[FoundEntryPoint], builtin: Mapping[str, object]) -> None:
        self.builtin = [_admit_builtin(name, plugin) for name, plugin in builtin.items()]
        self.builtin_types = {name: plugin for plugin in self.builtin for name in plugin.task_types}
        self.slots = slots_of(found)
        self._claims: dict[str, list[tuple[FoundEntryPoint, Slot]]] = {}
        for slot in self.slots:
            for entry in slot.entries:
                if entry.kind is Kind.TASK_TYPE:
                    self._claims.setdefault(entry.name, []).append((entry, slot))
        self._extensions = Once(self._load_extensions)

    def plugin(self, name: str) -> LoadedPlugin:
        """The plugin for task type `name`, loaded now if it was not yet."""
        builtin = self.builtin_types.get(name)
        if builtin is not None:
            return builtin
        match self._claims.get(name, []):
            case []:
                raise explain.no_plugin(name, {*self.builtin_types, *self._claims})
            case [(entry, slot)]:
                if not slot.is_compatible:
                    raise explain.incompatible(entry)
                outcome = slot.load()
                if isinstance(outcome, Quarantine):
                    raise explain.quarantined(name, str(entry), entry.distribution, outcome)
                return outcome
            case claims:
                raise explain.duplicate(name, [entry for entry, _ in claims])

    def refusal(self, slot: Slot, entry: FoundEntryPoint) -> HardpointError | None:
        """Why this entry point is not even loaded; None if nothing is against it."""
        if entry.kind is Kind.TASK_TYPE:
            if entry.name in self.builtin_types:
                return explain.shadowed(entry)
            claims = self._claims[entry.name]
            if len(claims) > 1:
                return explain.duplicate(entry.name, [claim for claim, _ in claims])
        return None if slot.is_compatible else explain.incompatible(entry)

    def quarantined(self, name: str, why: Quarantine) -> HardpointError:
        """The error for a task type whose plugin loaded, but whose handler cannot be used."""
        builtin = self.builtin_types.get(name)
        if builtin is not None:
            return explain.quarantined(name, f"`{builtin.name}`", "", why)
        entry = self._claims[name][0][0]
        return explain.quarantined(name, str(entry), entry.distribution, why)

    def global_plugins(self) -> Sequence[LoadedPlugin]:
        """Plugins without task types: their wrappers see every call."""
        plugins = (*self.builtin, *self._extensions.get())
        # Two distributions may lead to one object; it must wrap a call once.
        return list({id(each.plugin): each for each in plugins if each.is_global}.values())

    def loaded(self) -> Sequence[LoadedPlugin]:
        """Built-in plugins, extensions, and those for the task types asked for so far."""
        self._extensions.get()
        installed = (slot.outcome for slot in self.slots)
        return [*self.builtin, *(each for each in installed if isinstance(each, LoadedPlugin))]

    def _load_extensions(self) -> tuple[LoadedPlugin, ...]:
        loaded: list[LoadedPlugin] = []
        for slot in self.slots:
            if not slot.is_extension:
                continue
            if not slot.is_compatible:
                logger.warning("%s", explain.incompatible(slot.first).message)
                continue
            outcome = slot.load()
            if isinstance(outcome, LoadedPlugin):
                loaded.append(outcome)
        return tuple(loaded)


def _admit_builtin(name: str, plugin: object) -> LoadedPlugin:
    outcome = admit(plugin, name, target="", entry_points=None)
    if isinstance(outcome, LoadedPlugin):
        return outcome
    raise ContractViolation(
        f"Built-in plugin `{name}` cannot be used: {outcome.summary}",
        hint="Correct the object that is given to `load_registry(builtin=...)`",
    )
