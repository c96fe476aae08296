"""`hardpoint executions list` and `events`: what the journal says, as it says it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from hardpoint.core.compile_errors import did_you_mean
from hardpoint.executor.cli.exit_codes import DONE
from hardpoint.executor.cli.failures import of_info
from hardpoint.executor.cli.output import say, say_json, table
from hardpoint.executor.cli.usage import list_usage
from hardpoint.executor.cli.wording import day_and_time, duration, iso, time_of_day
from hardpoint.executor.journal.events import RunPhase, fields_of
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.executor.owner import is_driven
from hardpoint.executor.view import existing_store, find_row
from hardpoint.plugin_api import JournaledEvent, UsageError

FOLLOW_EVERY_S = 0.3


class UnknownPhaseError(UsageError):
    """A phase that no run can be in."""


def summary_of(row: ExecutionRow, now: float) -> dict[str, Any]:
    """A run as `list --json` and `show --json` tell it."""
    error = {"node": row.error_node, **of_info(row.error)} if row.error is not None else None
    return {
        "execution": row.execution,
        "workflow": row.workflow,
        "phase": row.phase.value,
        "driven": is_driven(row, now),
        "submitted": iso(row.submitted_at),
        "started": iso(row.started_at),
        "ended": iso(row.ended_at),
        "duration_s": took_s(row, now),
        "project": row.project,
        "domain": row.domain,
        "priority": row.priority,
        "digest": row.digest,
        "outputs": row.outputs,
        "error": error,
    }


def took_s(row: ExecutionRow, now: float) -> float | None:
    """From its start to its end, or to now; None before its start."""
    return None if row.started_at is None else (row.ended_at or now) - row.started_at


def list_executions(home: str, limit: int, phases: list[str], *, usage: bool, as_json: bool) -> int:
    """Print runs, the newest first; or what their jobs used."""
    wanted = [_phase(each) for each in phases]
    with existing_store(home) as (folder, journal):
        rows = journal.rows(limit=limit, phases=wanted)
        if usage:
            list_usage(folder, rows, journal, as_json=as_json)
            return DONE
    now = time.time()
    if as_json:
        say_json([summary_of(row, now) for row in rows])
    elif not rows:
        which = f"No run is {' or '.join(each.value for each in wanted)}" if wanted else "No runs yet"
        say(f"{which} in `{folder}`")
    else:
        table(
            ["RUN", "WORKFLOW", "PHASE", "STARTED", "TOOK", "REMARK"],
            [_cells(row, now) for row in rows],
            states=2,
        )
    return DONE


def _phase(text: str) -> RunPhase:
    known = [phase.value for phase in RunPhase]
    if text.upper() in known:
        return RunPhase(text.upper())
    hint = did_you_mean(text.upper(), known, f"The phases are {', '.join(f'`{each}`' for each in known)}")
    raise UnknownPhaseError(f"No run can be in phase `{text}`", hint=hint)


def _cells(row: ExecutionRow, now: float) -> list[str]:
    started = day_and_time(row.started_at)
    took = duration(took_s(row, now)) if row.phase.terminal or is_driven(row, now) else ""
    return [row.execution, row.workflow, row.phase.value, started, took, _remark(row, now)]


def _remark(row: ExecutionRow, now: float) -> str:
    if row.error is not None:
        where = f"`{row.error_node}`: " if row.error_node else ""
        return where + f"{row.error.code}: {row.error.message}".partition("\n")[0]
    interrupted = row.started_at is not None and not row.phase.terminal and not is_driven(row, now)
    return "interrupted: no executor drives it" if interrupted else ""


def print_events(home: str, text: str, *, follow: bool, as_json: bool) -> int:
    """Print what is journaled about a run; go on until it has ended, if asked to."""
    with existing_store(home) as (_, journal):
        row = find_row(journal, text)
        told = _events(journal, row.execution, follow=follow)
        if as_json and not follow:
            say_json(list(told))
            return DONE
        for event in told:
            if as_json:
                say_json(event)
            else:
                say(_line(event))
    return DONE


def _events(journal: Journal, execution: str, *, follow: bool) -> Iterator[JournaledEvent]:
    seq = 0
    while True:
        # Asked before reading: what is journaled before the end is seen by the read that follows.
        ended = journal.row(execution).phase.terminal
        for event in journal.read(execution, seq):
            seq += 1
            yield JournaledEvent(execution, seq, type(event).__name__, event.at, fields_of(event))
        if ended or not follow:
            return
        time.sleep(FOLLOW_EVERY_S)


def _line(event: JournaledEvent) -> str:
    fields = {name: each for name, each in event.data.items() if name != "at"}
    return (
        f"{event.seq:>5}  {time_of_day(event.at)}  {event.kind:<16}  {msgspec.json.encode(fields).decode()}"
    )
