"""`hardpoint plugins list`: what is installed, read from metadata and manifests alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.wording import iso
from hardpoint.executor.config.finding import find_settings
from hardpoint.executor.home import home_path
from hardpoint.executor.permits import permits_of
from hardpoint.plugin_api import ManifestTaskType
from hardpoint.registry import Examiner, InstalledPlugin, Registry, load_registry
from hardpoint.registry.manifest_files import ManifestFile, read_manifest
from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, cache_folder, files_digest

BUILT_IN = "built in"
NO_MANIFEST = "no manifest"


def the_registry(home: str | Path = "", examiner: Examiner | None = None) -> Registry:
    """What an executor on that store would find; `examiner` as for `load_registry`."""
    settings = find_settings(None, home_path(home, os.environ), os.environ, Path.cwd())
    permits = permits_of(settings.plugins, os.environ)
    return load_registry({"python": python_plugin}, permits=permits, examiner=examiner)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row, with what is known of it without its plugin.

    Args:
        row: From the registry.
        file: Its manifest; None for what is built in.
        check: What `hardpoint plugins check` last found; None if it never looked at what is installed now.
    """

    row: InstalledPlugin
    file: ManifestFile | None
    check: Verdict | None

    @property
    def declared(self) -> ManifestTaskType | None:
        """The task type, if this is one and the manifest is there."""
        known = self.file and self.file.manifest
        return known.task_type(self.row.name) if known and self.row.kind == "task type" else None


def listed(rows: Iterable[InstalledPlugin]) -> list[Listed]:
    """Look up manifest and verdict of each; imports no plugin."""
    digest = cache(files_digest)
    return [
        Listed(row, None if row.entry is None else read_manifest(row.entry), _check(row, digest))
        for row in rows
    ]


def _check(row: InstalledPlugin, digest: Callable[[Distribution], str]) -> Verdict | None:
    distribution = row.entry and row.entry.entry_point.dist
    if not distribution:
        return None
    return Verdicts(cache_folder()).read(Finder.CHECK, row.name, digest(distribution))


def print_plugins(*, as_json: bool) -> int:
    """Print one row for each task type and entry point; imports no plugin."""
    registry = the_registry()
    found = [(each, _shape(registry, each)) for each in listed(registry.installed())]
    if as_json:
        say_json([{**listed_json(each), "shape": shape or None} for each, shape in found])
        return DONE
    table(
        ["NAME", "KIND", "SHAPE", "DISTRIBUTION", "API", "STATE", "VERDICT"],
        [_cells(each, shape) for each, shape in found],
    )
    for row in (each.row for each, _ in found):
        if row.problem:
            say("", f"{row.name}: {row.problem}", *([row.traceback.rstrip()] if row.traceback else []))
    return DONE


def _cells(each: Listed, shape: str) -> list[str]:
    row = each.row
    lacks = each.file is not None and each.file.manifest is None
    return [
        row.name,
        row.kind,
        NO_MANIFEST if lacks else shape,
        distribution_of(row),
        row.api,
        row.state.value,
        verdict_word(each.check),
    ]


def _shape(registry: Registry, each: Listed) -> str:
    if each.declared is not None:
        return each.declared.shape.value
    # What is built in is loaded anyway.
    built_in = each.row.entry is None and each.row.kind == "task type"
    return registry.task_type(each.row.name).shape.value if built_in else ""


def listed_json(each: Listed) -> dict[str, Any]:
    """What both `list --json` and `show --json` say."""
    row = each.row
    return {
        "name": row.name,
        "kind": row.kind,
        "distribution": row.distribution,
        "version": row.version,
        "api": row.api,
        "target": row.target,
        "state": row.state.value,
        "problem": row.problem,
        "traceback": row.traceback,
        "manifest": str(each.file.path) if each.file and each.file.manifest else None,
        "verdict": each.check
        and {"held": each.check.held, "summary": each.check.summary, "at": iso(each.check.at)},
    }


def verdict_word(check: Verdict | None) -> str:
    """The last verdict of `hardpoint plugins check` in one word."""
    match check:
        case None:
            return "-"
        case Verdict(held=True):
            return "passed"
        case _:
            return "failed"


def distribution_of(row: InstalledPlugin) -> str:
    """Where a row comes from, for people."""
    return f"{row.distribution} {row.version}" if row.distribution else BUILT_IN
