"""What is known of a plugin without asking it: its manifest file, and what others found out about it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from hardpoint.executor.doctor.findings import ok, warning
from hardpoint.executor.doctor.loading import Loaded
from hardpoint.executor.doctor.subjects import Subject
from hardpoint.plugin_api import Finding
from hardpoint.plugin_api.hookspecs import COOLING_S
from hardpoint.registry.manifest import to_json
from hardpoint.registry.manifest_files import read_manifest
from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, files_digest


def of_manifest(loaded: Loaded) -> Iterator[Finding]:
    """Whether the manifest in the package is there, and says what the plugin declares."""
    entry = loaded.subject.rows[0].entry
    if loaded.manifest is None or entry is None:
        return
    write = f"`hardpoint plugins manifest {loaded.subject.rows[0].name}`"
    found = read_manifest(entry)
    if found.manifest is None:
        yield warning(
            "manifest",
            f"{found.problem}; it is imported even where somebody only looks at it",
            f"Its author runs {write} and puts the file into the package",
        )
    elif to_json(found.manifest) != to_json(loaded.manifest):
        yield warning(
            "manifest",
            f"`{found.path}` does not say what the plugin declares now",
            f"Its author runs {write}; `{write[1:-1]} --check` in CI keeps it current",
        )
    else:
        yield ok("manifest", "manifest current")


def of_verdicts(subject: Subject, verdicts: Verdicts) -> Iterator[Finding]:
    """Whether it is degraded, and how it came out of `hardpoint plugins check`."""
    entry = subject.rows[0].entry
    if entry is None or entry.entry_point.dist is None:
        return
    digest = files_digest(entry.entry_point.dist)
    degraded = verdicts.read(Finder.BREAKER, subject.name, digest)
    if degraded is not None:
        yield _degraded(degraded)
    for name in dict.fromkeys(row.name for row in subject.rows):
        checked = verdicts.read(Finder.CHECK, name, digest)
        if checked is not None:
            yield _checked(name, checked)


def _degraded(verdict: Verdict) -> Finding:
    trace = verdict.traceback.rstrip()
    told = f"degraded since {_when(verdict.at)}: {verdict.summary}"
    return warning(
        "degraded",
        f"{told}\n{trace}" if trace else told,
        f"It is called again {COOLING_S:.0f} s after its last failure; report the traceback to its author",
    )


def _checked(name: str, verdict: Verdict) -> Finding:
    if verdict.held:
        return ok("check", f"`{name}` passed `hardpoint plugins check` on {_when(verdict.at)}")
    return warning(
        "check",
        f"`{name}` failed `hardpoint plugins check` on {_when(verdict.at)}: {verdict.summary}",
        f"`hardpoint plugins check {name}` shows which cases fail; do not rely on it where they matter",
    )


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
