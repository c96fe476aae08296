"""Everything the doctor looks at, in the order in which one thing needs another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from hardpoint.core.store import BlobStore
from hardpoint.executor.config.finding import find_settings
from hardpoint.executor.config.settings import NO_SETTINGS, Settings
from hardpoint.executor.doctor.context import DoctorContexts
from hardpoint.executor.doctor.diagnosing import diagnose_all
from hardpoint.executor.doctor.environment import of_environment
from hardpoint.executor.doctor.findings import HOST, About, Report, error, ok, report, warning
from hardpoint.executor.doctor.installed import installed_here
from hardpoint.executor.doctor.kept import of_manifest, of_verdicts
from hardpoint.executor.doctor.loading import load_all
from hardpoint.executor.doctor.pools import of_pools
from hardpoint.executor.doctor.store import Store, look_at_store
from hardpoint.executor.doctor.subjects import Subject, chosen, subjects_of
from hardpoint.executor.secrets import ENV_PREFIX, masked
from hardpoint.plugin_api import Clock, Finding, HardpointError, Severity
from hardpoint.registry import InstalledPlugin, Registry
from hardpoint.registry.verdicts import Verdicts, cache_folder

DIAGNOSE_LIMIT_S = 10.0


class Place(msgspec.Struct, frozen=True):
    """Where the doctor looks.

    Args:
        home: The store's folder.
        environ: Of this process.
        folder: Where this process works.
    """

    home: Path
    environ: Mapping[str, str]
    folder: Path


def examine(
    registry: Registry, place: Place, name: str, clock: Clock, *, diagnose_limit_s: float = DIAGNOSE_LIMIT_S
) -> Report:
    """Find out why plugins could not work.

    Args:
        registry: Finds and loads them.
        place: Where to look.
        name: Only this plugin; empty: all, and the host.
        clock: Ours.
        diagnose_limit_s: How long one plugin may take to diagnose itself.

    Raises:
        NoPluginError: Nothing of that name is installed.
    """
    rows = registry.installed()
    wanted = chosen(rows, name)
    secrets = set(_secrets_of(place.environ))
    settings, of_settings = _settings(place)
    store = look_at_store(place.home, place.environ, clock)
    found = list(of_environment(installed_here(), wanted))
    if HOST in wanted:
        found += [About(HOST, each) for each in (of_settings, *store.findings)]
    contexts = DoctorContexts(
        registry, settings.rates, BlobStore(str(place.home / "blobs")), clock, secrets.add
    )
    plugins = [each for each in subjects_of(rows) if each.distribution in wanted]
    if of_settings.severity is Severity.ERROR:
        found += [About(each.distribution, _not_let_in(of_settings)) for each in plugins]
    else:
        found += _of_plugins(registry, plugins, contexts, place, diagnose_limit_s)
    found += _of_pools(registry, rows, wanted, settings, store, place, clock.now())
    return report(found, partial(masked, values=tuple(secrets)))


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    """Values that must not be shown, whoever tells them."""
    yield from (value for name, value in environ.items() if name.startswith(ENV_PREFIX))
    try:
        password = urlsplit(environ.get("HARDPOINT_JOURNAL", "")).password
    except ValueError:
        return
    yield from [environ.get("PGPASSWORD", ""), password or ""]


def _settings(place: Place) -> tuple[Settings, Finding]:
    try:
        found = find_settings(None, place.home, place.environ, place.folder)
    except HardpointError as problem:
        return NO_SETTINGS, error("settings", problem.message, problem.hint)
    return found, ok("settings", f"settings from {found.source}" if found.source else "no hardpoint.toml")


def _not_let_in(of_settings: Finding) -> Finding:
    told = "not imported: the file that says which plugins may be cannot be read"
    return warning("permits", f"{told}: {of_settings.message}", of_settings.hint)


def _of_plugins(
    registry: Registry,
    plugins: list[Subject],
    contexts: DoctorContexts,
    place: Place,
    diagnose_limit_s: float,
) -> Iterator[About]:
    verdicts = Verdicts(cache_folder(place.environ))
    loaded = load_all(registry, plugins)
    for each in loaded:
        whose = each.subject.distribution
        findings = (*each.findings, *of_manifest(each), *of_verdicts(each.subject, verdicts))
        yield from (About(whose, finding) for finding in findings)
    usable = [each for each in loaded if each.manifest is not None]
    yield from diagnose_all(registry, usable, contexts, limit_s=diagnose_limit_s)


def _of_pools(
    registry: Registry,
    rows: list[InstalledPlugin],
    wanted: list[str],
    settings: Settings,
    store: Store,
    place: Place,
    now: float,
) -> Iterator[About]:
    if store.problem is not None and HOST not in wanted:
        # Else the host's own finding says it.
        told = warning("quota", f"not known: {store.problem.message}", store.problem.hint)
        yield from (About(each, told) for each in wanted)
    if not store.url:
        return
    owners = {row.name: row.distribution or HOST for row in rows if row.kind == "task type"}
    found = of_pools(place.home, store.url, registry, settings, lambda name: owners.get(name, HOST), now)
    yield from (each for each in found if each.plugin in wanted)
