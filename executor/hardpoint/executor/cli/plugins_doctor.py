"""`hardpoint plugins doctor`: why plugins could not work."""

from __future__ import annotations

import io
import logging
import os
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from itertools import groupby
from pathlib import Path

from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.output import patience, say, say_json
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.wording import plural
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.doctor.examination import Place, examine
from hardpoint.executor.doctor.findings import About, Report
from hardpoint.executor.home import home_path
from hardpoint.plugin_api import HardpointError, Severity
from hardpoint.registry import ApartExaminer, Permits, Registry, Retrying, load_registry
from hardpoint.registry.verdicts import Verdicts, cache_folder

_INDENT = "           "


def diagnose(name: str, home: str, *, as_json: bool) -> int:
    """Look at everything that plugins need, and print what was found.

    Args:
        name: Only this plugin; empty: all, and the host.
        home: As typed.
        as_json: Print one object.

    Returns:
        1 if there is an error among the findings.

    Raises:
        NoPluginError: Nothing of that name is installed.
    """
    # What plugins log and print is not for whoever reads the findings, and nobody has masked it.
    logging.getLogger("hardpoint").addHandler(logging.NullHandler())
    with patience("examining plugins"), redirect_stdout(io.StringIO()):
        place = Place(home_path(home, os.environ), os.environ, Path.cwd())
        found = examine(_registry(home), place, name, SystemClock())
    if as_json:
        say_json(_as_told(found))
    else:
        say(*lines(found))
    return FAILED if found.count(Severity.ERROR) else DONE


def _registry(home: str) -> Registry:
    try:
        # What was found bad before is tried again: its environment may have been repaired.
        return the_registry(home, Retrying(ApartExaminer(Verdicts(cache_folder()), time.time)))
    except HardpointError:  # it is a finding; until the file can be read, nobody knows what may be imported
        return load_registry({"python": python_plugin}, permits=Permits(allow=()))


def _as_told(found: Report) -> dict[str, object]:
    findings = [
        {
            "plugin": each.plugin,
            "severity": each.finding.severity.value,
            "subject": each.finding.subject,
            "message": each.finding.message,
            "hint": each.finding.hint,
        }
        for each in found.told
    ]
    errors, warnings = (found.count(each) for each in (Severity.ERROR, Severity.WARNING))
    return {"findings": findings, "errors": errors, "warnings": warnings}


def lines(found: Report) -> Iterator[str]:
    """Findings for people: by plugin, what is well in one line."""
    for plugin, of_plugin in groupby(found.told, key=lambda each: each.plugin):
        told = list(of_plugin)
        yield plugin
        for each in told:
            if each.finding.severity is not Severity.OK:
                yield from _problem(each)
        well = [each.finding.message for each in told if each.finding.severity is Severity.OK]
        if well:
            yield _line(Severity.OK, "; ".join(well))
        yield ""
    errors, warnings = (found.count(each) for each in (Severity.ERROR, Severity.WARNING))
    yield f"{plural(errors, 'error')}, {plural(warnings, 'warning')}"


def _problem(each: About) -> Iterator[str]:
    first, *rest = each.finding.message.rstrip().splitlines() or [""]
    yield _line(each.finding.severity, f"{each.finding.subject}: {first}")
    yield from (f"{_INDENT}{line}".rstrip() for line in rest)
    if each.finding.hint:
        yield f"{_INDENT}hint: {each.finding.hint}"


def _line(severity: Severity, text: str) -> str:
    return f"  {severity.value:<9}{text}"
