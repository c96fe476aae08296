"""The environment that plugins are imported from: Python, versions, copies, and where they lie."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence

from hardpoint.executor.doctor.findings import HOST, About, error, ok, warning
from hardpoint.executor.doctor.installed import Copy, Installed
from hardpoint.executor.doctor.requirements import Requirement, Standing, admits, parsed, standing
from hardpoint.plugin_api import API_VERSION, Finding


def of_environment(installed: Installed, plugins: Sequence[str]) -> Iterator[About]:
    """What holds for the environment as a whole, and for each plugin in it.

    Args:
        installed: What is on the path.
        plugins: Distributions to look at; `HOST` is one of them.
    """
    for name in plugins:
        if name == HOST:
            for each in (_python(), _version(installed), *_damaged(installed)):
                yield About(HOST, each)
        copy = installed.first(name)
        if copy is not None:
            for each in of_distribution(copy, installed):
                yield About(name, each)


def _python() -> Finding:
    return ok("python", f"Python {platform.python_version()} in {sys.prefix}")


def _version(installed: Installed) -> Finding:
    copy = installed.first(HOST)
    api = ".".join(map(str, API_VERSION))
    if copy is None:
        return warning(
            "version",
            f"hardpoint is imported, but not installed: it has no metadata; plugin API {api}",
            f"Run `{sys.executable} -m pip install hardpoint`",
        )
    return ok("version", f"hardpoint {copy.version}, plugin API {api}")


def _damaged(installed: Installed) -> Iterator[Finding]:
    for folder in installed.damaged:
        yield warning(
            "metadata",
            f"A distribution in `{folder}` has metadata that cannot be read; a plugin would not be found",
            "Delete what is damaged there, or install it again",
        )


def of_distribution(copy: Copy, installed: Installed) -> Iterator[Finding]:
    """What a distribution asks for, where it lies, and how often."""
    yield from _of_python(copy)
    yield from _dependencies(copy, installed)
    yield from _copies(copy, installed)
    if copy.folder not in installed.folders:
        yield warning(
            "environment",
            f"`{copy.name}` {copy.version} comes from outside of this environment: `{copy.folder}`",
            f"Install it into this one; `{sys.executable} -m site` shows where that folder comes from",
        )


def _of_python(copy: Copy) -> Iterator[Finding]:
    version = platform.python_version()
    if admits(copy.requires_python.replace(" ", ""), version) is False:
        yield error(
            "python",
            f"`{copy.name}` {copy.version} requires Python {copy.requires_python}; this is {version}",
            f"Use such a Python, or a version of `{copy.name}` that is made for this one",
        )


def _dependencies(copy: Copy, installed: Installed) -> Iterator[Finding]:
    versions = installed.versions()
    required = [parsed(line) for line in copy.requires]
    by_standing: dict[Standing, list[Requirement]] = {each: [] for each in Standing}
    for each in required:
        by_standing[standing(each, versions)].append(each)
    for each in by_standing[Standing.MISSING]:
        yield error(
            "dependencies",
            f"`{copy.name}` {copy.version} requires `{each}`, which is not installed",
            f"Run `{sys.executable} -m pip install '{each}'`",
        )
    for each in by_standing[Standing.UNMET]:
        yield error(
            "dependencies",
            f"`{copy.name}` {copy.version} requires `{each}`; {versions[each.name]} is installed",
            f"Run `{sys.executable} -m pip install '{each}'`",
        )
    unchecked = by_standing[Standing.UNCHECKED]
    met = len(by_standing[Standing.MET])
    if met or unchecked:
        rest = f"; not checked: {', '.join(f'`{each}`' for each in unchecked)}" if unchecked else ""
        yield ok("dependencies", f"{met} {'dependency' if met == 1 else 'dependencies'} met{rest}")


def _copies(copy: Copy, installed: Installed) -> Iterator[Finding]:
    wanted = dict.fromkeys([copy.name, *(parsed(line).name for line in copy.requires)])
    for name in wanted:
        found = installed.copies.get(parsed(name).name, ())
        if len(found) < 2 or (name == HOST and copy.name != HOST):
            continue
        places = ", ".join(f"{each.version} in `{each.folder}`" for each in found)
        yield warning(
            "copies",
            f"`{found[0].name}` is on the path {len(found)} times: {places}; the first is imported",
            f"Run `{sys.executable} -m pip uninstall {found[0].name}` until one is left",
        )
