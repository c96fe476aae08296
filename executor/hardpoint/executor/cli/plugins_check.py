"""`hardpoint plugins check`: hold a plugin to its contract with the kit that its author names."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.output import PATIENCE_S, say, say_json, text_table
from hardpoint.executor.cli.plugins import the_registry
from hardpoint.executor.cli.plugins_check_run import Tell, run_kit
from hardpoint.executor.cli.plugins_show import rows_of
from hardpoint.executor.cli.wording import duration, plural
from hardpoint.plugin_api import UsageError
from hardpoint.plugin_api.testing.check_lines import KIT_GROUP, Ended
from hardpoint.registry import InstalledPlugin
from hardpoint.registry.verdicts import Finder, Verdict, Verdicts, cache_folder, files_digest

NAMED_MAX = 5
KIT = "its kit"
"""The case of a kit that could not be used, or that is not there."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the cases of one task type.

    Args:
        row: The task type.
        cases: In order.
        took_s: For all of them.
    """

    row: InstalledPlugin
    cases: Sequence[Ended]
    took_s: float

    def of(self, outcome: str) -> list[Ended]:
        """The cases that passed, failed or were skipped."""
        return [case for case in self.cases if case.outcome == outcome]


def check_plugin(name: str, words: str, *, as_json: bool) -> int:
    """Run the kits of a plugin, print what became of each case, and keep the verdict for `plugins list`.

    Args:
        name: A task type, or a distribution: then all of its task types.
        words: Only cases whose names have these; empty for all. Then no verdict is kept.
        as_json: Print one object.

    Returns:
        1 if a case failed, else 0.

    Raises:
        HardpointError: There is no such plugin, it cannot be loaded, it names no kit, or pytest is missing.
    """
    rows = _task_types(name)
    kits = {row.name: kit for row in rows if (kit := _kit(row)) is not None}
    if not kits:
        raise UsageError(
            f"`{name}` names no kit that it could be checked with",
            hint=f'Its author adds one to `[project.entry-points."{KIT_GROUP}"]` of its pyproject.toml, '
            'such as `acme = "hardpoint_acme.conformance:AcmeKit"`; then install it again',
        )
    if find_spec("pytest") is None:
        raise UsageError("The suite needs pytest", hint="Run `pip install 'hardpoint[testing]'`")
    checked = [
        _without_kit(row) if row.name not in kits else _check(row, kits[row.name], words) for row in rows
    ]
    if words and not any(each.cases for each in checked):
        raise UsageError(
            f"No case of `{name}` has `{words}` in its name",
            hint=f"`hardpoint plugins check {name}` lists them all",
        )
    if not words:
        for each in checked:
            if each.row.name in kits:
                _keep(each)
    if as_json:
        say_json(_json(name, checked))
    else:
        _tell(checked)
    return FAILED if any(each.of("failed") for each in checked) else DONE


def _task_types(name: str) -> list[InstalledPlugin]:
    rows = [row for row in rows_of(the_registry(), name) if row.kind == "task type"]
    if not rows:
        raise UsageError(f"`{name}` has no task types", hint="`hardpoint plugins list` shows those there are")
    for row in rows:
        if row.entry is None:
            raise UsageError(f"`{name}` is built in", hint="hardpoint's own tests check it")
        if row.problem:
            raise UsageError(row.problem, hint=f"`hardpoint plugins doctor {row.name}` says what helps")
    return rows


def _kit(row: InstalledPlugin) -> EntryPoint | None:
    """The kit of a task type: one of its own distribution comes first."""
    found = sorted(
        entry_points(group=KIT_GROUP, name=row.name),
        key=lambda each: each.dist is None or each.dist.metadata["Name"] != row.distribution,
    )
    return found[0] if found else None


def _without_kit(row: InstalledPlugin) -> Checked:
    return Checked(row, [Ended("", "skipped", f"It names no kit in `{KIT_GROUP}`")], 0.0)


def _check(row: InstalledPlugin, kit: EntryPoint, words: str) -> Checked:
    began_s = time.monotonic()
    cases = run_kit(kit.value, words, _progress(row.name))
    return Checked(row, cases, time.monotonic() - began_s)


def _progress(name: str) -> Tell:
    """Say on stderr how far it is, but not before anybody wonders."""
    told_s = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s > PATIENCE_S:
            told_s = now_s
            say(f"checking {name} … {done} of {plural(total, 'case')}", to=sys.stderr)

    return tell


def _keep(checked: Checked) -> None:
    """Keep the verdict until the plugin's files change."""
    entry = checked.row.entry
    if entry is None or entry.entry_point.dist is None:
        return
    failed = [case.case or KIT for case in checked.of("failed")]
    summary = f"{plural(len(checked.of('passed')), 'case')} passed, {len(checked.of('skipped'))} skipped"
    if failed:
        more = [f"{len(failed) - NAMED_MAX} more"] if len(failed) > NAMED_MAX else []
        summary = f"{len(failed)} of {plural(len(checked.cases), 'case')} failed: "
        summary += ", ".join(failed[:NAMED_MAX] + more)
    digest = files_digest(entry.entry_point.dist)
    verdict = Verdict(not failed, summary, time.time())
    Verdicts(cache_folder()).write(Finder.CHECK, checked.row.name, digest, verdict)


def _json(name: str, checked: Sequence[Checked]) -> dict[str, Any]:
    def each(outcome: str, as_dict: Callable[[Ended], dict[str, str]]) -> list[dict[str, str]]:
        return [
            {"task_type": one.row.name, "case": case.case or KIT, **as_dict(case)}
            for one in checked
            for case in one.of(outcome)
        ]

    failures = each("failed", lambda case: {"promise": case.reason, "traceback": case.traceback})
    return {
        "plugin": name,
        "task_types": [one.row.name for one in checked],
        "passed": sum(len(one.of("passed")) for one in checked),
        "failed": len(failures),
        "skipped": each("skipped", lambda case: {"reason": case.reason}),
        "failures": failures,
        "took_s": round(sum(one.took_s for one in checked), 3),
    }


def _tell(checked: Sequence[Checked]) -> None:
    for number, one in enumerate(checked):
        rows = [[case.case or KIT, case.outcome, case.reason] for case in one.cases]
        say(*([""] if number else []), *text_table(["CASE", "RESULT", "REASON"], rows))
        for case in one.of("failed"):
            if case.traceback:
                say("", f"{case.case or KIT}: {case.reason}", case.traceback.rstrip())
        counts = ", ".join(f"{len(one.of(outcome))} {outcome}" for outcome in ("passed", "failed", "skipped"))
        say("", f"{one.row.name}: {counts} in {duration(one.took_s)}")
