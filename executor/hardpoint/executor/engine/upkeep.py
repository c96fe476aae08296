"""What an engine does from time to time besides its runs: read its inbox, renew its leases."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.protocol import LEASE_S, Command, Journal, LeaseLostError

logger = logging.getLogger("hardpoint.engine")

INBOX_EVERY_S = 0.5
RENEW_EVERY_S = LEASE_S / 3
LEASE_MARGIN_S = LEASE_S / 3


class Upkeep:
    """Owned by the engine's thread.

    Args:
        desk: Clock, timers and runs.
        journal: Holds leases and inbox.
        abort: Called with a run's id and a reason.
        lost: Called with a run whose lease another engine has taken.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        abort: Callable[[str, str], None],
        lost: Callable[[Run, LeaseLostError], None],
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._abort = abort
        self._lost = lost
        self._renewed_at = desk.clock.now()

    def begin(self) -> None:
        """Start the rounds."""
        now = self._desk.clock.now()
        self._desk.timers.at(now + INBOX_EVERY_S, self._read_inbox)
        self._desk.timers.at(now + RENEW_EVERY_S, self._renew)

    def owns_safely(self) -> bool:
        """Whether the leases are good for a while yet; asked, from any thread, before each vendor write."""
        return self._desk.clock.now() < self._renewed_at + LEASE_S - LEASE_MARGIN_S

    def _read_inbox(self) -> None:
        if self._desk.runs:
            for command in self._journal.take(list(self._desk.runs)):
                self._obey(command)
        self._desk.timers.at(self._desk.clock.now() + INBOX_EVERY_S, self._read_inbox)

    def _obey(self, command: Command) -> None:
        match command.name:
            case "abort":
                self._abort(command.execution, str(command.body.get("reason", "")))
            case unknown:
                logger.warning("run %s: this version does not know command %s", command.execution, unknown)

    def _renew(self) -> None:
        now = self._desk.clock.now()
        owned = {run.id: run.row.fence for run in self._desk.runs.values()}
        if owned:
            for lost in self._journal.renew(owned, now):
                owner = self._journal.row(lost).owner
                self._lost(self._desk.runs[lost], LeaseLostError(lost, owner))
        self._renewed_at = now
        self._desk.timers.at(now + RENEW_EVERY_S, self._renew)
