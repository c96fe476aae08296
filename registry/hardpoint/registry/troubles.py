"""Plugins that are degraded: what of them failed lately, kept where other processes can read it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import Distribution

import msgspec

from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, files_digest


class Trouble(msgspec.Struct, frozen=True):
    """A hook of a plugin that failed when it was called last.

    Args:
        plugin: The plugin's name.
        hook: Of the hook; of an event sink, `event_sinks#<sink>`.
        message: What happened, in one line.
        traceback: The plugin's frames; empty if there are none.
        failures: How often in a row; from `FAILURES_MAX` on it is not called for `COOLING_S`.
        since: When the first of them was, in seconds since the epoch.
    """

    plugin: str
    hook: str
    message: str
    traceback: str
    failures: int
    since: float


class Notice:
    """Tells other processes, through kept verdicts, which plugins are not called for a while.

    Args:
        verdicts: Where they are kept.
        home: The distribution that a plugin comes from; None for one that is built in: that one is nobody
            else's business.
    """

    def __init__(self, verdicts: Verdicts, home: Callable[[str], Distribution | None]) -> None:
        self._verdicts = verdicts
        self._home = home

    def put_up(self, trouble: Trouble) -> None:
        """A breaker opened."""
        distribution = self._home(trouble.plugin)
        if distribution is not None:
            verdict = Verdict(False, _summary(trouble), trouble.since, trouble.traceback)
            self._verdicts.write(Finder.BREAKER, trouble.plugin, files_digest(distribution), verdict)

    def take_down(self, plugin: str, hook: str) -> None:
        """A hook works that this process had not called before, or that had failed."""
        distribution = self._home(plugin)
        if distribution is None:
            return
        digest = files_digest(distribution)
        verdict = self._verdicts.read(Finder.BREAKER, plugin, digest)
        # One that works says nothing about the plugin's other hooks.
        if verdict is not None and verdict.summary.startswith(f"`{hook}` "):
            self._verdicts.forget(Finder.BREAKER, plugin, digest)


def _summary(trouble: Trouble) -> str:
    return f"`{trouble.hook}` failed {trouble.failures} times in a row: {trouble.message}"
