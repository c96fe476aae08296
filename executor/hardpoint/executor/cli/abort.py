"""`hardpoint executions abort`: end a run from any process, whoever drives it."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import msgspec

from hardpoint.executor.api import Executor
from hardpoint.executor.cli.executions import summary_of
from hardpoint.executor.cli.exit_codes import DONE, FAILED
from hardpoint.executor.cli.output import patience, say, say_json
from hardpoint.executor.journal.events import AbortRequested, RunPhase
from hardpoint.executor.journal.protocol import Append, Command, ExecutionRow, Journal
from hardpoint.executor.owner import claim, is_driven, owner_name
from hardpoint.executor.plugin_needs import needed_types
from hardpoint.executor.resuming import ExecutionOwnedError
from hardpoint.executor.view import existing_store, find_row, load_view
from hardpoint.plugin_api import HardpointError, UsageError

WAIT_S = 120.0
LOOK_EVERY_S = 0.1
DEFAULT_REASON = "hardpoint executions abort"


class AlreadyEndedError(UsageError):
    """The run has ended: there is nothing to abort."""


class AbortPendingError(HardpointError):
    """The run was asked to end and has not ended: it takes its time, or its plugin is away."""


def abort_execution(home: str, text: str, reason: str, *, as_json: bool) -> int:
    """Ask for the end of a run and wait for it.

    Args:
        home: As typed.
        text: The run's id, or an abbreviation.
        reason: Kept with the run.
        as_json: Print the run's summary as JSON.
    """
    with existing_store(home) as (folder, journal):
        row = find_row(journal, text)
        if row.phase.terminal and row.phase is not RunPhase.ABORTED:
            raise AlreadyEndedError(
                f"Run `{row.execution}` has ended already: {row.phase.value}",
                hint=f"`hardpoint executions show {row.execution}` shows how",
            )
        if not row.phase.terminal:
            with patience(f"aborting run `{row.execution}`"):
                row = _abort(folder, journal, row, reason or DEFAULT_REASON)
    if as_json:
        say_json(summary_of(row, time.time()))
    else:
        say(f"Run `{row.execution}` is {row.phase.value}")
    # It may have succeeded or failed just before the request reached it.
    return DONE if row.phase is RunPhase.ABORTED else FAILED


def _abort(folder: Path, journal: Journal, row: ExecutionRow, reason: str) -> ExecutionRow:
    deadline = time.monotonic() + WAIT_S
    asked = False
    while not row.phase.terminal:
        if not is_driven(row, time.time()):
            _drive_to_its_end(folder, journal, row, reason)
        elif not asked:
            asked = True
            journal.send(Command(uuid.uuid4().hex, row.execution, "abort", {"reason": reason}))
        elif time.monotonic() > deadline:
            raise AbortPendingError(
                f"Run `{row.execution}` was asked to end {WAIT_S:g} s ago and is still {row.phase.value}; "
                f"`{row.owner}` drives it",
                hint=f"It ends once its attempts in flight have: `hardpoint executions show {row.execution}`",
            )
        else:
            time.sleep(LOOK_EVERY_S)
        row = journal.row(row.execution)
    return row


def _drive_to_its_end(folder: Path, journal: Journal, row: ExecutionRow, reason: str) -> None:
    """Nobody drives it: take it over, only to end it, because jobs in flight must be cancelled."""
    if not _journal_the_request(journal, row, reason):
        return
    executor = Executor(folder)
    try:
        _need_plugins(executor, journal, row)
        executor.resume(row.execution).outcome(WAIT_S)
    except (ExecutionOwnedError, TimeoutError):
        return  # another executor was quicker, or it takes longer: the caller looks again
    finally:
        executor.drain(grace_s=0.0)


def _need_plugins(executor: Executor, journal: Journal, row: ExecutionRow) -> None:
    try:
        executor.registry.require(needed_types(load_view(journal, row).run))
    except HardpointError as missing:
        raise AbortPendingError(
            f"Run `{row.execution}` is marked to be aborted, and waits: its jobs cannot be ended here. "
            f"{missing.message}",
            hint=f"{missing.hint}; then `hardpoint executions abort {row.execution}` ends it",
        ) from missing


def _journal_the_request(journal: Journal, row: ExecutionRow, reason: str) -> bool:
    # Before an engine has the run: it would start what is ready while the request is on its way to it.
    claimed = claim(journal, row, owner_name(), time.time())
    if claimed is None:
        return False
    try:
        view = load_view(journal, claimed)
        if view.state.phase is RunPhase.RUNNING:
            request = AbortRequested(time.time(), reason)
            told = msgspec.structs.replace(claimed, phase=RunPhase.ABORTING)
            append = Append(row.execution, claimed.fence, len(view.events) + 1, [request], told)
            journal.commit([append], durable=True)
    finally:
        journal.release({row.execution: claimed.fence})
    return True
