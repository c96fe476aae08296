"""The words in which the registry refuses: one function for each error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from hardpoint.plugin_api import API_VERSION
from hardpoint.registry.discovery import API_GROUP, FoundEntryPoint
from hardpoint.registry.errors import (
    DuplicateTaskTypeError,
    IncompatiblePluginError,
    NoPluginError,
    PluginDeniedError,
    PluginQuarantinedError,
)
from hardpoint.registry.permits import Denied
from hardpoint.registry.quarantine import Quarantine, Stage

KNOWN_DISTRIBUTIONS = {
    name: f"hardpoint-{name}" for name in ("athena", "bigquery", "notebook", "snowflake", "sql")
}
"""Distributions of this project, by task type. A guessed name is never offered to `pip install`: anybody
could have registered it."""


def no_plugin(name: str, installed: Iterable[str]) -> NoPluginError:
    """Nothing installed runs task type `name`."""
    close = difflib.get_close_matches(name, sorted(installed), n=1)
    if name in KNOWN_DISTRIBUTIONS:
        hint = f"Run `pip install {KNOWN_DISTRIBUTIONS[name]}`"
    elif close:
        hint = f"Did you mean `{close[0]}`?"
    else:
        hint = "Install the distribution that provides it; `hardpoint plugins list` shows what is installed"
    return NoPluginError(f"No installed plugin runs task type `{name}`", hint=hint)


def duplicate(name: str, claims: Sequence[FoundEntryPoint]) -> DuplicateTaskTypeError:
    """Several entry points claim task type `name`."""
    shown = " and ".join(f"{claim} (`{claim.target}`)" for claim in claims)
    return DuplicateTaskTypeError(
        f"Task type `{name}` is claimed by {len(claims)} installed plugins: {shown}",
        hint=f"Keep one of them, for example with `pip uninstall {claims[-1].distribution}`, or with "
        f'`deny = ["{claims[-1].distribution}"]` under `[plugins]` in hardpoint.toml',
    )


def shadowed(found: FoundEntryPoint) -> DuplicateTaskTypeError:
    """An installed plugin claims a task type that is built in."""
    return DuplicateTaskTypeError(
        f"Task type `{found.name}` is built in; {found} claims it too and is ignored",
        hint=f"Run `pip uninstall {found.distribution}`",
    )


def incompatible(found: FoundEntryPoint) -> IncompatiblePluginError:
    """A plugin is written for another plugin API, or does not say for which."""
    host = ".".join(map(str, API_VERSION))
    statement = f'`"{host}" = "{found.package}"` under `[project.entry-points."{API_GROUP}"]`'
    if not found.api.floors:
        unreadable = "".join(f", and `{each}` is no version" for each in found.api.unreadable)
        return IncompatiblePluginError(
            f"Plugin {found} for `{found.name}` does not say which plugin API it is written for{unreadable}",
            hint=f"Its author adds {statement} to its pyproject.toml",
        )
    upgrade = "hardpoint" if found.api.newer_than(API_VERSION) else found.distribution
    return IncompatiblePluginError(
        f"Plugin {found} for `{found.name}` is written for plugin API {found.api}; this hardpoint has {host}",
        hint=f"Run `pip install --upgrade {upgrade}`",
    )


def denied(found: Denied) -> PluginDeniedError:
    """A plugin is kept out by the operator."""
    entry = found.entry
    return PluginDeniedError(
        f"Plugin {entry} for `{entry.name}` is {found.by}",
        hint="Leave out `--safe-mode` and `HARDPOINT_SAFE_MODE`"
        if "safe mode" in found.by
        else f"Let `{entry.distribution}` in under `[plugins]` of hardpoint.toml",
    )


def quarantined(name: str, plugin: str, distribution: str, why: Quarantine) -> PluginQuarantinedError:
    """A plugin failed.

    Args:
        name: The task type or extension that was asked for.
        plugin: The plugin with its version, ready for a sentence.
        distribution: What to upgrade; empty for a built-in plugin.
        why: The failure.
    """
    if why.stage is Stage.CONTRACT:
        failed = f"breaks the plugin contract: {why.summary}"
    else:
        failed = f"failed {why.stage.value}: `{why.summary}`"
    upgrade = f", `pip install --upgrade {distribution}` may repair it" if distribution else ""
    if distribution and why.stage is not Stage.HANDLER:
        upgrade += ", `hardpoint plugins doctor` tries it again"
    return PluginQuarantinedError(
        f"Plugin {plugin} for `{name}` {failed}",
        quarantine=why,
        hint=f"`hardpoint plugins show {name}` prints its traceback{upgrade}"
        if why.traceback
        else upgrade[2:],
    )
