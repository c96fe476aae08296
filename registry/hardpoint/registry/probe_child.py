"""`python -m hardpoint.registry.probe_child RESULT LIMIT module:attribute [TASK TYPE…]`: one plugin, alone.

Imports it, asks what it declares, and tells on the descriptor RESULT what came of that: a line `began`, then
one with a `Quarantine` or `null` as JSON. Whatever the plugin does to this process, no other is hurt by it.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import sys
from contextlib import suppress
from importlib.metadata import EntryPoint

# By name: a plugin may replace them in their module.
from os import _exit, getpid, write
from pathlib import Path

import msgspec

from hardpoint.plugin_api import ENTRY_POINT_GROUP
from hardpoint.registry.plugin import admit
from hardpoint.registry.probe import BEGAN, CLOSED
from hardpoint.registry.quarantine import Quarantine, Stage, from_exception
from hardpoint.registry.surroundings import meddling, surroundings

MEMORY_BYTES = 1 << 30
_PAGE_BYTES = resource.getpagesize()
_DATA_FIELD = 5


def try_plugin(target: str, task_types: frozenset[str]) -> Quarantine | None:
    """Import the plugin and ask what it declares, in this process.

    Args:
        target: `module:attribute`.
        task_types: Names of its entry points.

    Returns:
        Why it cannot be used; None if nothing is against it.
    """
    before = surroundings()
    try:
        plugin = EntryPoint("plugin", target, ENTRY_POINT_GROUP).load()
    except BaseException as error:  # SystemExit and friends are no reason to be let in
        return from_exception(Stage.IMPORT, error)
    try:
        outcome = admit(plugin, target, target=target, entry_points=task_types)
    except BaseException as error:
        return from_exception(Stage.DECLARE, error)
    if isinstance(outcome, Quarantine):
        return outcome
    changed = meddling(before)
    return Quarantine(Stage.CONTRACT, changed) if changed else None


def _hold(limit_s: float) -> None:
    """Bound what this process may use, so that it ends even if nobody is left to end it."""
    # A thread of C, which needs no lock of the interpreter, tells at which line a plugin hangs.
    report = os.dup(2)
    faulthandler.enable(report)
    faulthandler.dump_traceback_later(limit_s, exit=True, file=report)
    seconds = int(limit_s) + 2
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_DATA, _data_bytes() + MEMORY_BYTES),
    ):
        with suppress(OSError, ValueError):
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _data_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[_DATA_FIELD]) * _PAGE_BYTES
    except OSError:
        return 0


def main(result: int, limit_s: float, target: str, task_types: frozenset[str]) -> None:
    """Try one plugin and exit, without what it may have left to be done at exit."""
    os.set_inheritable(result, False)
    pid = getpid()
    write(result, BEGAN)
    _hold(limit_s)
    outcome = try_plugin(target, task_types)
    if getpid() == pid:
        try:
            write(result, msgspec.json.encode(outcome) + b"\n")
        except OSError:
            _exit(CLOSED)
    _exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], frozenset(sys.argv[4:]))
