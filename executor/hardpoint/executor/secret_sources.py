"""Secrets that plugins can look up: asked after environment and files, and never remembered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hardpoint.executor.secrets import Asked
from hardpoint.plugin_api import ErrorInfo

if TYPE_CHECKING:
    from hardpoint.registry import Registry

LOOKUP_BUDGET_S = 10.0
"""How long one source may take to look a secret up; a service may be asked for it."""


def ask_sources(registry: Registry, name: str, *, budget_s: float = LOOKUP_BUDGET_S) -> Asked:
    """Ask the sources of loaded plugins for a secret, in the order of the plugins' names.

    One that raises, is slow or returns something else than text or None is passed over.

    Args:
        registry: Calls them, and stops calling one that fails again and again.
        name: Of the secret.
        budget_s: Seconds that each may take.
    """
    asked: list[str] = []
    passed_over: list[str] = []
    for source in sorted(registry.secret_sources(), key=lambda each: each.plugin):
        called = f"`{source.item.name}` of plugin `{source.plugin.partition('/')[0]}`"
        lookup = partial(source.item.lookup, name)
        match registry.guarded(source.plugin, "secret_sources", lookup, budget_s=budget_s):
            case str() as value:
                return Asked(value)
            case None:
                asked.append(called)
            case ErrorInfo() as failure:
                passed_over.append(f"{called}: {failure.message}")
            case other:
                passed_over.append(f"{called}: it returned a `{type(other).__name__}`, not text")
    return Asked(None, tuple(asked), tuple(passed_over))
