"""What an engine does from time to time besides its runs: read its inbox, renew its leases."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hardpoint.executor.journal.protocol import LEASE_S, Command, LeaseLostError

if TYPE_CHECKING:
    from hardpoint.executor.engine.loop import Engine

logger = logging.getLogger("hardpoint.engine")

INBOX_EVERY_S = 0.5
RENEW_EVERY_S = LEASE_S / 3
LEASE_MARGIN_S = LEASE_S / 3


class Upkeep:
    """Owned by the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._renewed_at = engine.clock.now()

    def begin(self) -> None:
        """Start the rounds."""
        now = self._engine.clock.now()
        self._engine.timers.at(now + INBOX_EVERY_S, self._read_inbox)
        self._engine.timers.at(now + RENEW_EVERY_S, self._renew)

    def owns_safely(self) -> bool:
        """Whether the leases are good for a while yet; asked, from any thread, before each vendor write."""
        return self._engine.clock.now() < self._renewed_at + LEASE_S - LEASE_MARGIN_S

    def _read_inbox(self) -> None:
        engine = self._engine
        if engine.runs:
            for command in engine.journal.take(list(engine.runs)):
                self._obey(command)
        engine.timers.at(engine.clock.now() + INBOX_EVERY_S, self._read_inbox)

    def _obey(self, command: Command) -> None:
        match command.name:
            case "abort":
                self._engine.abort(command.execution, str(command.body.get("reason", "")))
            case unknown:
                logger.warning("run %s: this version does not know command %s", command.execution, unknown)

    def _renew(self) -> None:
        engine = self._engine
        now = engine.clock.now()
        owned = {run.id: run.row.fence for run in engine.runs.values()}
        if owned:
            for lost in engine.journal.renew(owned, now):
                engine.drop(engine.runs[lost], LeaseLostError(lost, engine.journal.row(lost).owner))
        self._renewed_at = now
        engine.timers.at(now + RENEW_EVERY_S, self._renew)
