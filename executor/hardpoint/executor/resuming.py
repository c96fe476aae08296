"""Going on with a run that has begun: its lease is taken, and its journal read."""

from __future__ import annotations

from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.protocol import ExecutionRow, Journal
from hardpoint.executor.loading import RunLoader
from hardpoint.executor.owner import claim
from hardpoint.plugin_api import UsageError


class ExecutionOwnedError(UsageError):
    """Another executor that is still alive drives the run."""


def taken_over(journal: Journal, loader: RunLoader, row: ExecutionRow, owner: str, now: float) -> Run:
    """A run that an engine may go on with.

    Args:
        journal: Where it is kept.
        loader: Reads it.
        row: Its summary; it has begun, and has not succeeded.
        owner: The engine.
        now: Seconds since the epoch.

    Raises:
        ExecutionOwnedError: Another live executor drives it.
        JournalDamagedError: Part of its journal cannot be read.
    """
    loader.check(row)
    if row.phase.terminal:
        # What was asked of it before it ended must not end it again.
        journal.forget([command.id for command in journal.commands([row.execution])])
    claimed = claim(journal, row, owner, now)
    if claimed is None:
        raise ExecutionOwnedError(
            f"Run `{row.execution}` is driven by `{row.owner}`, "
            f"whose lease has {row.lease_until - now:.0f} s to go",
            hint=f"`hardpoint executions abort {row.execution}` ends it; "
            "the lease of a dead owner lapses by itself",
        )
    try:
        return loader.load(claimed)
    except Exception:
        journal.release({row.execution: claimed.fence})
        raise
