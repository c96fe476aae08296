"""The manifest of an installed plugin as it is now: loads the plugin, and makes its handlers."""

from __future__ import annotations

from collections.abc import Sequence

from hardpoint.plugin_api import Manifest
from hardpoint.registry import explain
from hardpoint.registry.discovery import FoundEntryPoint
from hardpoint.registry.making import make_handler
from hardpoint.registry.manifest import describe
from hardpoint.registry.plugin import LoadedPlugin
from hardpoint.registry.quarantine import Quarantine
from hardpoint.registry.resolve import Resolver


def described(resolver: Resolver, name: str, entry: FoundEntryPoint | None) -> Manifest:
    """What a plugin declares.

    Args:
        resolver: Who claims what.
        name: A task type of a built-in plugin, or the plugin; or what the entry point is called.
        entry: Leads to the plugin; None for a built-in one.

    Raises:
        HardpointError: The plugin is written for another plugin API, is not permitted, or failed.
    """
    if entry is None:
        builtin = next(each for each in resolver.builtin if name in (each.name, *each.task_types))
        return _describe(builtin, (), f"`{builtin.name}`")
    for denied in resolver.denied:
        if denied.entry is entry:
            raise explain.denied(denied)
    slot = next(each for each in resolver.slots if entry in each.entries)
    if not slot.is_compatible:
        raise explain.incompatible(entry)
    outcome = slot.load()
    if isinstance(outcome, Quarantine):
        raise explain.quarantined(name, str(entry), entry.distribution, outcome)
    return _describe(outcome, slot.entries, str(entry))


def _describe(plugin: LoadedPlugin, entries: Sequence[FoundEntryPoint], shown: str) -> Manifest:
    handlers = {name: make_handler(declared) for name, declared in plugin.task_types.items()}
    for name, handler in handlers.items():
        if isinstance(handler, Quarantine):
            raise explain.quarantined(name, shown, entries[0].distribution if entries else "", handler)
    return describe(plugin, entries, handlers)
