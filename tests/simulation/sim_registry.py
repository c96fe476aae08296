"""The registry that every world of a process shares: it holds no state of any run."""

from __future__ import annotations

import functools

from tests.simulation.sim_plugin import SimPlugin

from hardpoint.executor.builtin import python_plugin
from hardpoint.registry import Registry


@functools.cache
def registry() -> Registry:
    """Only what is needed here, whatever else is installed."""
    return registry_with(SimPlugin())


def registry_with(plugin: SimPlugin) -> Registry:
    """The same with another declaration."""
    return Registry((), {"python": python_plugin, "simulation": plugin})
