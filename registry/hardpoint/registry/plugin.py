"""One plugin object, asked once for everything it declares, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import pluggy

from hardpoint.plugin_api import PROJECT_NAME, LogLink, RateLimit, ResourcePool, TaskType, hookspecs
from hardpoint.registry.checks import (
    OBJECT_CHECKS,
    PLUGIN_CHECKS,
    TYPE_CHECKS,
    PluginSubject,
    first_violation,
)
from hardpoint.registry.declared import Declarations, Declared, ask, only
from hardpoint.registry.declared_checks import DECLARED_CHECKS
from hardpoint.registry.quarantine import Quarantine, Stage, from_exception

T = TypeVar("T")


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
        declared: The small things that it declares.
    """

    name: str
    plugin: object
    hooks: pluggy.HookRelay
    implemented: frozenset[str]
    task_types: dict[str, TaskType]
    pools: tuple[ResourcePool, ...]
    rates: tuple[RateLimit, ...]
    declared: Declarations

    @property
    def is_global(self) -> bool:
        """Whether its wrappers see the calls of every task type: so it is for one that has none itself."""
        return not self.task_types

    def links(self) -> Iterable[Declared[LogLink]]:
        """Its log links, those for all of its task types with their names."""
        for link in self.declared.log_links:
            names = link.task_types or tuple(self.task_types)
            yield Declared(self.name, LogLink(link.title, link.template, names))


def declared_by(
    plugins: Iterable[LoadedPlugin], pick: Callable[[Declarations], Iterable[T]]
) -> tuple[Declared[T], ...]:
    """What all these plugins declare of one sort."""
    return tuple(Declared(plugin.name, item) for plugin in plugins for item in pick(plugin.declared))


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
        declared = ask(manager.hook)
    except pluggy.PluginValidationError as error:
        text = " ".join(line.strip() for line in str(error).splitlines())
        return Quarantine(Stage.CONTRACT, f"a hook implementation does not fit its hook: {text}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and friends must not get further than this plugin
        return from_exception(Stage.DECLARE, error)
    problem = (
        first_violation(PLUGIN_CHECKS, [subject])
        or first_violation(TYPE_CHECKS, subject.types)
        or first_violation(DECLARED_CHECKS, [declared])
    )
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
        declared=declared,
    )


def _subject(
    plugin: object, manager: pluggy.PluginManager, target: str, entry_points: frozenset[str] | None
) -> PluginSubject:
    return PluginSubject(
        plugin=plugin,
        target=target,
        hooks=frozenset(caller.name for caller in manager.get_hookcallers(plugin) or ()),
        types=only(manager.hook.task_types()),
        pools=only(manager.hook.resource_pools()),
        rates=only(manager.hook.rate_limits()),
        entry_points=entry_points,
    )
