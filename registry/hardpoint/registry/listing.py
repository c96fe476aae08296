"""Rows of `hardpoint plugins list`."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from hardpoint.plugin_api import HardpointError
from hardpoint.registry import explain
from hardpoint.registry.discovery import FoundEntryPoint, Kind
from hardpoint.registry.errors import DuplicateTaskTypeError
from hardpoint.registry.plugin import LoadedPlugin
from hardpoint.registry.quarantine import Quarantine
from hardpoint.registry.resolve import Resolver
from hardpoint.registry.troubles import Trouble


class PluginState(enum.Enum):
    """What became of an entry point in this process so far."""

    INSTALLED = "installed"
    """Found, and not asked for yet."""
    LOADED = "loaded"
    QUARANTINED = "quarantined"
    INCOMPATIBLE = "incompatible"
    DUPLICATE = "duplicate"
    DENIED = "denied"


class InstalledPlugin(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry point, or one built-in task type.

    Args:
        name: The task type, or the extension's name.
        kind: `task type` or `extension`.
        distribution: What to `pip uninstall`; empty for what is built in.
        version: Of the distribution.
        api: The plugin API it is written for, such as `1.0 to 1.x`.
        target: Where the object is, `module:attribute`.
        state: What became of it so far; listing loads nothing.
        problem: Why it cannot be used.
        traceback: Of the plugin's own frames, if it raised.
        entry: What was found of it; None for what is built in.
    """

    name: str
    kind: str
    distribution: str
    version: str
    api: str
    target: str
    state: PluginState
    problem: str = ""
    traceback: str = ""
    entry: FoundEntryPoint | None = None


def rows(
    resolver: Resolver, broken_handlers: Mapping[str, Quarantine], troubles: Mapping[str, Trouble]
) -> list[InstalledPlugin]:
    """One row for each built-in task type and each entry point; loads nothing.

    Args:
        resolver: Who claims what, and what is loaded.
        broken_handlers: By task type.
        troubles: The last failure of a hook, by plugin.
    """
    builtin = [
        InstalledPlugin(name, kind, "", "", "", "", PluginState.LOADED)
        for plugin in resolver.builtin
        for name, kind in [(t, "task type") for t in plugin.task_types] or [(plugin.name, "extension")]
    ]
    installed: list[InstalledPlugin] = []
    for slot in resolver.slots:
        for entry in slot.entries:
            broken = broken_handlers.get(entry.name) if entry.kind is Kind.TASK_TYPE else None
            outcome = broken or slot.outcome or slot.foreseen()
            state, problem, trace = _state(resolver.refusal(slot, entry), outcome, entry)
            if isinstance(slot.outcome, LoadedPlugin) and not problem:
                failure = troubles.get(slot.name)
                problem = f"its `{failure.hook}` failed: {failure.message}" if failure else ""
                trace = failure.traceback if failure else ""
            installed.append(_row(entry, state, problem, trace))
    installed += [
        _row(each.entry, PluginState.DENIED, explain.denied(each).message) for each in resolver.denied
    ]
    return builtin + installed


def _state(
    refusal: HardpointError | None, outcome: LoadedPlugin | Quarantine | None, entry: FoundEntryPoint
) -> tuple[PluginState, str, str]:
    match refusal:
        case None:
            pass
        case DuplicateTaskTypeError():
            return PluginState.DUPLICATE, refusal.message, ""
        case _:
            return PluginState.INCOMPATIBLE, refusal.message, ""
    match outcome:
        case None:
            return PluginState.INSTALLED, "", ""
        case LoadedPlugin():
            return PluginState.LOADED, "", ""
        case Quarantine():
            error = explain.quarantined(entry.name, str(entry), entry.distribution, outcome)
            return PluginState.QUARANTINED, error.message, outcome.traceback


def _row(entry: FoundEntryPoint, state: PluginState, problem: str, trace: str = "") -> InstalledPlugin:
    return InstalledPlugin(
        name=entry.name,
        kind=entry.kind.name.lower().replace("_", " "),
        distribution=entry.distribution,
        version=entry.version,
        api=str(entry.api),
        target=entry.target,
        state=state,
        problem=problem,
        traceback=trace,
        entry=entry,
    )
