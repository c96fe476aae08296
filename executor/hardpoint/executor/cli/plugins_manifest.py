"""`hardpoint plugins manifest`: write a plugin's manifest, or say whether it is current."""

from __future__ import annotations

import difflib
import enum
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.failures import print_failures
from hardpoint.executor.cli.output import say, say_json
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.plugins_show import rows_of
from hardpoint.plugin_api import UsageError
from hardpoint.registry import InstalledPlugin, Registry
from hardpoint.registry.discovery import FoundEntryPoint
from hardpoint.registry.manifest import api_of, to_json
from hardpoint.registry.manifest_files import is_packed, read_manifest, source_place


class FileState(enum.Enum):
    """How the file compares with what the plugin declares."""

    CURRENT = "current"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Compared:
    """A manifest as it is, and as it ought to be.

    Args:
        entry: Leads to the plugin.
        path: Where it lies, or belongs.
        has: The text of the file; empty if it is missing.
        ought: What would be written.
        problem: Why nobody can use the file as it is.
    """

    entry: FoundEntryPoint
    path: Path
    has: str
    ought: str
    problem: str

    @property
    def state(self) -> FileState:
        """In one word."""
        if not self.has:
            return FileState.MISSING
        return FileState.CURRENT if self.has == self.ought else FileState.STALE

    @property
    def diff(self) -> list[str]:
        """What would change."""
        before, after = self.has.splitlines(), self.ought.splitlines()
        return list(difflib.unified_diff(before, after, str(self.path), "declared now", lineterm="", n=2))


def write_manifest(name: str, *, only_check: bool, as_json: bool) -> int:
    """Write the manifests of a plugin, or only compare them; a plugin's tests do the latter.

    Args:
        name: A task type, another entry point, or a distribution: then those of all its plugins.
        only_check: Write nothing.
        as_json: Print one object.

    Returns:
        With `only_check` 1 if a manifest is missing or not current, else 0.

    Raises:
        HardpointError: The plugin is not there, or cannot be used; or its manifest belongs into an
            installed wheel.
    """
    registry = the_registry()
    compared = [compare(registry, row) for row in _one_of_each(rows_of(registry, name), name)]
    written = [] if only_check else [each for each in compared if each.state is not FileState.CURRENT]
    for each in written:
        _write(each)
    failed = only_check and any(each.state is not FileState.CURRENT for each in compared)
    if as_json:
        say_json({"plugin": name, "manifests": [_json(each, written) for each in compared]})
    else:
        for each in compared:
            _tell(each, name, wrote=each in written)
    return FAILED if failed else DONE


def compare(registry: Registry, row: InstalledPlugin) -> Compared:
    """Load a plugin, and hold its manifest against what it declares.

    Raises:
        HardpointError: The plugin cannot be used, or its module cannot be found.
    """
    assert row.entry is not None, "what is built in has no manifest"
    ought = to_json(registry.describe(row)).decode()
    found = read_manifest(row.entry)
    path = found.path or source_place(row.entry)
    if path is None:
        raise UsageError(
            f"No file of the module in `{row.target}` is found, so its manifest has no place",
            hint="Name a module that lies in a folder of `sys.path` in the entry point",
        )
    has = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return Compared(row.entry, path, has, ought, found.problem if has else "")


def _one_of_each(rows: Sequence[InstalledPlugin], name: str) -> list[InstalledPlugin]:
    """One row of each plugin object.

    Raises:
        UsageError: Two objects of one module want the same file, or there is nothing but what is built in.
    """
    plugins = {(row.distribution, row.target): row for row in rows if row.entry is not None}
    if not plugins:
        raise UsageError(
            f"`{name}` is built in and has no manifest",
            hint="`hardpoint plugins list` shows what is installed",
        )
    modules: dict[str, str] = {}
    for _, target in plugins:
        other = modules.setdefault(target.partition(":")[0], target)
        if other != target:
            raise UsageError(
                f"The plugins `{other}` and `{target}` lie in one module, which can have one manifest",
                hint="Make one plugin object of them, or put them into two modules",
            )
    return list(plugins.values())


def _write(each: Compared) -> None:
    if is_packed(each.entry):
        raise UsageError(
            f"{each.entry} is installed from a wheel, whose files are not to be changed: `{each.path}`",
            hint="Run `pip install -e FOLDER` with the folder of its source, and then this again",
        )
    each.path.write_text(each.ought, encoding="utf-8")


def _json(each: Compared, written: Sequence[Compared]) -> dict[str, Any]:
    return {
        "target": each.entry.target,
        "file": str(each.path),
        "state": each.state.value,
        "written": each in written,
        "problem": each.problem,
        "api": list(api_of(each.entry)),
        "diff": each.diff,
    }


def _tell(each: Compared, name: str, *, wrote: bool) -> None:
    if each.state is FileState.CURRENT:
        say(f"`{each.path}` is current")
        return
    if wrote:
        say(f"Wrote `{each.path}`")
        return
    say(*each.diff, to=sys.stdout)
    print_failures([_failure(each, name)], as_json=False)


def _failure(each: Compared, name: str) -> dict[str, Any]:
    what = "is missing" if each.state is FileState.MISSING else "is not what the plugin declares"
    why = f" ({each.problem})" if each.problem else ""
    command = f"hardpoint plugins manifest {shlex.quote(name)}"
    return {
        "message": f"The manifest of {each.entry} {what}: `{each.path}`{why}",
        "hint": f"Run `{command}` and commit the file; a wheel must hold it too",
    }
