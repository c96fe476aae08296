"""Loads every plugin as a run would, and says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from hardpoint.executor.doctor.asking import Ask, ask_all
from hardpoint.executor.doctor.findings import error, ok, warning
from hardpoint.executor.doctor.subjects import Subject
from hardpoint.plugin_api import Finding, HardpointError, Manifest
from hardpoint.registry import (
    IncompatiblePluginError,
    InstalledPlugin,
    PluginDeniedError,
    PluginQuarantinedError,
    PluginState,
    Registry,
)
from hardpoint.registry.quarantine import from_hanging_thread

LOADING_LIMIT_S = 90.0
"""Longer than the registry gives to probe and import together: what is late then is a handler's factory."""


class Loaded(msgspec.Struct, frozen=True):
    """What became of a plugin.

    Args:
        subject: The plugin.
        manifest: What it declares now; None if it cannot be used.
        findings: About its loading.
    """

    subject: Subject
    manifest: Manifest | None
    findings: tuple[Finding, ...]


def load_all(registry: Registry, subjects: Sequence[Subject]) -> list[Loaded]:
    """Load plugins, one after the other: imports in several threads can get into each other's way."""
    asks = [Ask(each.name, partial(_load, registry, each), partial(_stuck, each)) for each in subjects]
    return [loaded for _, loaded in ask_all(asks, limit_s=LOADING_LIMIT_S, at_once=1)]


def _load(registry: Registry, subject: Subject) -> Loaded:
    claimed = [row for row in subject.rows if row.state is PluginState.DUPLICATE]
    findings = [_claimed_twice(row) for row in claimed]
    usable = [row for row in subject.rows if row not in claimed]
    if not usable:
        return Loaded(subject, None, tuple(findings))
    manifest = None
    try:
        manifest = registry.describe(usable[0])
        names = ", ".join(f"`{row.name}`" for row in usable)
        findings.append(ok("plugin", f"{names} loaded, written for plugin API {usable[0].api}"))
    except PluginQuarantinedError as problem:
        findings.append(_quarantined(subject, problem))
    except PluginDeniedError as problem:
        findings.append(warning("permits", problem.message, problem.hint))
    except IncompatiblePluginError as problem:
        findings.append(error("api", problem.message, problem.hint))
    except HardpointError as problem:
        findings.append(error("plugin", problem.message, problem.hint))
    return Loaded(subject, manifest, tuple(findings))


def _claimed_twice(row: InstalledPlugin) -> Finding:
    return error(
        "task types", row.problem, f"Keep one of them, such as with `pip uninstall {row.distribution}`"
    )


def _quarantined(subject: Subject, problem: PluginQuarantinedError) -> Finding:
    others = [f"`{row.name}`" for row in subject.rows[1:]]
    told = f"{problem.message}{'; so are ' + ', '.join(others) if others else ''}"
    trace = problem.quarantine.traceback.rstrip()
    upgrade = f"`pip install --upgrade {subject.distribution}` may repair it"
    return error(
        "quarantine",
        f"{told}\n{trace}" if trace else told,
        f"{upgrade}; if not, report the traceback to its author" if trace else upgrade,
    )


def _stuck(subject: Subject, thread: int) -> Loaded:
    hanging = from_hanging_thread(LOADING_LIMIT_S, thread)
    told = f"loading {subject.shown} is {hanging.summary}; it hangs here:\n{hanging.traceback.rstrip()}"
    hint = "Report it to the plugin's author: no runs of these task types could begin"
    return Loaded(subject, None, (error("quarantine", told, hint),))
