"""What an engine does from time to time besides its runs: read its inbox, renew its leases."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.protocol import Command, Journal, JournalUnreachableError, LeaseLostError

logger = logging.getLogger("hardpoint.engine")

INBOX_EVERY_S = 0.5
RENEW_AFTER = 1 / 3
"""Part of a lease after which it is renewed."""
MARGIN = 1 / 3
"""Part of a lease in which nothing outside is changed any more: clocks differ, and calls take time."""
AGAIN_S = 1.0
"""How soon a store that did not answer is asked again."""


class Upkeep:
    """Owned by the engine's thread.

    Args:
        desk: Clock, timers and runs.
        journal: Holds leases and inbox.
        abort: Called with a run's id and a reason.
        lost: Called with a run whose lease another engine has taken.
        let_go: Called with a run whose lease was given back.
    """

    def __init__(
        self,
        desk: Desk,
        journal: Journal,
        abort: Callable[[str, str], None],
        lost: Callable[[Run, LeaseLostError], None],
        let_go: Callable[[Run], None],
    ) -> None:
        self._desk = desk
        self._journal = journal
        self._abort = abort
        self._lost = lost
        self._let_go = let_go
        self._away = False
        self._renewed_at, self._renewed_monotonic = desk.clock.now(), desk.clock.monotonic()

    def begin(self) -> None:
        """Start the rounds."""
        now = self._desk.clock.now()
        self._desk.timers.at(now + INBOX_EVERY_S, self._inbox_round)
        self._desk.timers.at(now + self._journal.lease_s * RENEW_AFTER, self._renew_round)

    def owns_safely(self) -> bool:
        """Whether the leases are good for a while yet; asked, from any thread, before each vendor write."""
        clock, good_for_s = self._desk.clock, self._journal.lease_s * (1 - MARGIN)
        # Both clocks: one may be set back, the other may stand still while a virtual machine is frozen.
        good = clock.now() < self._renewed_at + good_for_s
        return good and clock.monotonic() < self._renewed_monotonic + good_for_s

    def _inbox_round(self) -> None:
        self._round(self._read_inbox, self._inbox_round, INBOX_EVERY_S)

    def _renew_round(self) -> None:
        self._round(self._renew, self._renew_round, self._journal.lease_s * RENEW_AFTER)

    def _round(self, work: Callable[[], None], again: Callable[[], None], every_s: float) -> None:
        """Do something, and again after a while; a store that is away ends neither engine nor rounds."""
        try:
            work()
        except JournalUnreachableError as error:
            if not self._away:
                logger.warning("leases and inbox wait until the store answers: %s", error.message)
            self._away = True
            every_s = min(every_s, AGAIN_S)
        else:
            self._away = False
        self._desk.timers.at(self._desk.clock.now() + every_s, again)

    def _read_inbox(self) -> None:
        if self._desk.draining:
            self._hand_over()
        if self._desk.runs:
            for command in self._journal.commands(list(self._desk.runs)):
                self._obey(command)

    def _obey(self, command: Command) -> None:
        match command.name:
            case "abort":
                self._abort(command.execution, str(command.body.get("reason", "")))
            case unknown:
                logger.warning("run %s: this version does not know command %s", command.execution, unknown)
        # Not before what it led to is journaled: an engine that dies in between would have lost it.
        self._desk.after_commit(lambda: self._forget(command), self._desk.runs[command.execution])

    def _forget(self, command: Command) -> None:
        try:
            self._journal.forget([command.id])
        except JournalUnreachableError:
            logger.info("command %s will be obeyed again: the store is away", command.id)

    def _renew(self) -> None:
        now, monotonic = self._desk.clock.now(), self._desk.clock.monotonic()
        owned = {run.id: run.row.fence for run in self._desk.runs.values()}
        if owned:
            for lost in self._journal.renew(owned, now):
                owner = self._journal.row(lost).owner
                self._lost(self._desk.runs[lost], LeaseLostError(lost, owner))
        self._renewed_at, self._renewed_monotonic = now, monotonic

    def _hand_over(self) -> None:
        """Let go of runs that need nothing more of this process: their next executor need not wait for it."""
        free = [run for run in self._desk.runs.values() if _may_leave(run)]
        if free:
            self._journal.release({run.id: run.row.fence for run in free})
        for run in free:
            self._let_go(run)


def _may_leave(run: Run) -> bool:
    # A function runs in a worker of this process, and of a create that is on its way only this process
    # sees the answer; a job that exists is watched from anywhere.
    units = (run.state.find(id) for id in run.state.in_flight)
    return not run.pending and all(unit is not None and unit.job is not None for unit in units)
