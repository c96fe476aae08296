"""One plugin object, asked once for everything it declares, and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pluggy

from hardpoint.plugin_api import PROJECT_NAME, RateLimit, ResourcePool, TaskType, hookspecs
from hardpoint.registry.checks import (
    OBJECT_CHECKS,
    PLUGIN_CHECKS,
    TYPE_CHECKS,
    PluginSubject,
    first_violation,
)
from hardpoint.registry.quarantine import Quarantine, Stage, from_exception


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A plugin that passed every check.

    Args:
        name: Unique in the process; how messages and logs call it.
        plugin: The object.
        hooks: The hooks of this plugin alone, so that one that raises takes no other with it.
        implemented: Names of the hooks it implements.
        task_types: By name.
        pools, rates: What it declares.
    """

    name: str
    plugin: object
    hooks: pluggy.HookRelay
    implemented: frozenset[str]
    task_types: dict[str, TaskType]
    pools: tuple[ResourcePool, ...]
    rates: tuple[RateLimit, ...]

    @property
    def is_global(self) -> bool:
        """Whether its wrappers see the calls of every task type: so it is for one that has none itself."""
        return not self.task_types


def new_manager() -> pluggy.PluginManager:
    """A manager that knows hardpoint's hooks and no plugin."""
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(hookspecs)
    return manager


def admit(
    plugin: object, name: str, *, target: str, entry_points: frozenset[str] | None
) -> LoadedPlugin | Quarantine:
    """Ask a plugin object what it declares, and check that.

    Args:
        plugin: The object behind an entry point.
        name: Unique in the process.
        target: What its entry points name, for messages.
        entry_points: Task types under which it can be found; None for a built-in plugin.

    Returns:
        The plugin, or why it cannot be used.
    """
    problem = first_violation(OBJECT_CHECKS, [plugin])
    if problem:
        return Quarantine(Stage.CONTRACT, problem)
    try:
        manager = new_manager()
        manager.register(plugin, name)
        manager.check_pending()
        subject = _subject(plugin, manager, target, entry_points)
    except pluggy.PluginValidationError as error:
        text = " ".join(line.strip() for line in str(error).splitlines())
        return Quarantine(Stage.CONTRACT, f"a hook implementation does not fit its hook: {text}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and friends must not get further than this plugin
        return from_exception(Stage.DECLARE, error)
    problem = first_violation(PLUGIN_CHECKS, [subject]) or first_violation(TYPE_CHECKS, subject.types)
    if problem:
        return Quarantine(Stage.CONTRACT, problem)
    return LoadedPlugin(
        name=name,
        plugin=plugin,
        hooks=manager.hook,
        implemented=subject.hooks,
        task_types={each.name: each for each in subject.types},
        pools=subject.pools,
        rates=subject.rates,
    )


def _subject(
    plugin: object, manager: pluggy.PluginManager, target: str, entry_points: frozenset[str] | None
) -> PluginSubject:
    return PluginSubject(
        plugin=plugin,
        target=target,
        hooks=frozenset(caller.name for caller in manager.get_hookcallers(plugin) or ()),
        types=_only(manager.hook.task_types()),
        pools=_only(manager.hook.resource_pools()),
        rates=_only(manager.hook.rate_limits()),
        entry_points=entry_points,
    )


def _only(results: list[Iterable[Any]]) -> tuple[Any, ...]:
    """The items of the one plugin that was asked; none if it does not implement the hook."""
    return tuple(item for result in results for item in result)
