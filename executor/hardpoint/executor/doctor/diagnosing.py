"""What only a plugin itself can say, and the secrets it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hardpoint.executor.doctor.asking import Ask, ask_all
from hardpoint.executor.doctor.findings import About, error, ok
from hardpoint.executor.doctor.loading import Loaded
from hardpoint.plugin_api import Context, Finding, HardpointError, Severity
from hardpoint.registry import Registry

AT_ONCE = 8
GRACE_S = 30.0
"""For what the registry does not time: finding secrets."""

ContextOf = Callable[[str], Context]
"""The context of a task type, or of an extension."""


def diagnose_all(
    registry: Registry, plugins: Sequence[Loaded], context_of: ContextOf, *, limit_s: float
) -> list[About]:
    """Look for the secrets of plugins, and let them say whether they could work.

    Args:
        registry: Has loaded them.
        plugins: Those that could be loaded.
        context_of: Makes contexts.
        limit_s: How long one plugin may take to diagnose itself.
    """
    asks = [
        Ask(each.subject.distribution, _call(registry, each, context_of, limit_s), _never_back)
        for each in plugins
    ]
    answers = ask_all(asks, limit_s=limit_s + GRACE_S, at_once=AT_ONCE)
    return [About(whose, each) for whose, found in answers for each in found]


def _call(
    registry: Registry, plugin: Loaded, context_of: ContextOf, limit_s: float
) -> Callable[[], list[Finding]]:
    def call() -> list[Finding]:
        context = context_of(plugin.subject.rows[0].name)
        return [
            *_of_secrets(plugin, context),
            *_of_itself(registry, plugin.subject.name, context, limit_s),
        ]

    return call


def _never_back(thread: int) -> list[Finding]:
    told = "its secrets could not be found in time: whatever provides them does not answer"
    return [error("secrets", told, "`hardpoint plugins doctor` names the plugins that provide secrets")]


def _of_secrets(plugin: Loaded, context: Context) -> Iterator[Finding]:
    wanted: dict[str, list[str]] = {}
    for task_type in plugin.manifest.task_types if plugin.manifest else ():
        for name in task_type.secrets:
            wanted.setdefault(name, []).append(task_type.name)
    there = []
    for name, task_types in wanted.items():
        try:
            context.secret(name)
        except HardpointError as problem:
            users = ", ".join(f"`{each}`" for each in task_types)
            yield error("secrets", f"{problem.message}; wanted by {users}", problem.hint)
        else:
            there.append(f"`{name}`")
    if there:
        yield ok("secrets", f"secret{'s' if len(there) > 1 else ''} {', '.join(there)} found")


def _of_itself(registry: Registry, plugin: str, context: Context, limit_s: float) -> Iterator[Finding]:
    if plugin not in registry.diagnosers():
        return
    found = registry.diagnose(plugin, context, budget_s=limit_s)
    for trouble in registry.troubles():
        if (trouble.plugin, trouble.hook) == (plugin, "diagnose"):
            trace = trouble.traceback.rstrip()
            told = f"its `diagnose` failed: {trouble.message}"
            hint = "Report it to the plugin's author"
            yield error("diagnose", f"{told}\n{trace}" if trace else told, hint)
            return
    for each in found:
        hint = each.hint or ("" if each.severity is Severity.OK else "Ask the plugin's author what helps")
        yield Finding(each.severity, each.subject, each.message, hint)
