"""Runs of this executor that wait until their tenant has room: they begin here, or others take them up.

Such a run lies in the store's queue and is nobody's, so that it survives this process. Whoever holds its
handle is told how it ends, wherever that happens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.driving import EngineThread
from hardpoint.executor.engine.run import Journaled, Outcome, Run
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow, Journal, JournalUnreachableError
from hardpoint.executor.rounds import Rounds
from hardpoint.plugin_api import Clock

LOOK_EVERY_S = 0.5
PATIENCE_S = 3.0
"""How long there must be room before a run of somebody else's that comes first is passed over."""
PASSED_OVER_S = 60.0
"""How long runs of others are passed over then: nobody takes them up."""

Tenant = tuple[str, str]


@dataclass(slots=True)
class Others:
    """Runs of a tenant that come first and are not this executor's.

    Args:
        first: The first of them.
        since_s: Since when it could have begun; by the monotonic clock.
        passed_over_until_s: Until then they do not count.
    """

    first: str
    since_s: float
    passed_over_until_s: float = 0.0


class WaitingRoom:
    """Begins runs of this executor when their tenants have room, by priority, then age.

    Args:
        thread: Gets the runs.
        journal: Where they are queued.
        clock: For leases and patience.
        limits: Of a tenant.
    """

    def __init__(
        self,
        thread: EngineThread,
        journal: Journal,
        clock: Clock,
        limits: Callable[[str, str], TenantLimits],
    ) -> None:
        self._driver = thread
        self._engine = thread.engine
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._runs: dict[str, Run] = {}
        self._others: dict[Tenant, Others] = {}
        self._watched_s = 0.0
        self._lock = threading.Lock()
        self._rounds = Rounds(
            "hardpoint-waiting",
            self.look,
            LOOK_EVERY_S,
            lambda: self._engine.alive,
            "queued runs wait",
            self._let_go,
        )

    def __contains__(self, execution: object) -> bool:
        return execution in self._runs

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """Those that wait, or are driven elsewhere."""
        with self._lock:
            return tuple(self._runs.values())

    def add(self, run: Run) -> None:
        """Let a queued run begin when it is its turn."""
        with self._lock:
            self._runs[run.id] = run
            if not self._rounds.begun and not self._rounds.over:
                self._rounds.begin()
        self._rounds.stir()
        if self._rounds.over or not self._engine.alive:
            self._let_go()

    def made_room(self) -> None:
        """A run of this executor has ended."""
        if self._runs:
            self._rounds.stir()

    def end(self) -> None:
        """Begin nothing more; what waits stays in the queue, for any executor."""
        self._rounds.end()
        self._let_go()

    def look(self) -> None:
        """Begin what there is room for."""
        now_s = self._clock.monotonic()
        if self._runs and now_s >= self._watched_s + LOOK_EVERY_S:
            self._watch()
            self._watched_s = now_s
        by_tenant: dict[Tenant, dict[str, Run]] = {}
        for run in self.unfinished:
            if run.row.phase is RunPhase.QUEUED:
                by_tenant.setdefault((run.row.project, run.row.domain), {})[run.id] = run
        for tenant, runs in by_tenant.items():
            most = self._limits(*tenant).max_running
            for run in self._next(tenant, runs, most):
                if self._rounds.over or not self._begin(run, most):
                    break

    def _next(self, tenant: Tenant, runs: Mapping[str, Run], most: int | None) -> list[Run]:
        """Those that may begin now, in order."""
        if most is None:
            return sorted(runs.values(), key=_turn)
        free = most - self._journal.queue.running(*tenant)
        now_s = self._clock.monotonic()
        others = self._others.get(tenant)
        if others is not None and now_s < others.passed_over_until_s:
            return sorted(runs.values(), key=_turn)[: max(0, free)]
        if free <= 0:
            self._others.pop(tenant, None)
            return []
        first = [row.execution for row in self._journal.queue.first(*tenant, free)]
        theirs = next((each for each in first if each not in runs), None)
        if theirs is None:
            self._others.pop(tenant, None)
        elif others is None or others.first != theirs:
            self._others[tenant] = Others(theirs, now_s)
        elif now_s - others.since_s >= PATIENCE_S:
            others.passed_over_until_s = now_s + PASSED_OVER_S
            return sorted(runs.values(), key=_turn)[:free]
        return [runs[each] for each in first if each in runs]

    def _begin(self, run: Run, max_running: int | None) -> bool:
        """Begin one; False if its tenant has no room after all."""
        now, owner = self._clock.now(), self._engine.owner
        claimed = self._journal.claim(run.id, owner, now, fence=run.row.fence, max_running=max_running)
        if claimed is None:
            # If it was taken up elsewhere, it may yet come back, under another fencing number.
            run.row = self._journal.row(run.id)
            return run.row.phase is not RunPhase.QUEUED
        queued, run.row = run.row, claimed
        try:
            self._driver.give(run)
        except JournalUnreachableError:
            run.row = queued
            self._journal.queue.give_back({run.id: claimed.fence})
            raise
        with self._lock:
            self._runs.pop(run.id, None)
        run.future.add_done_callback(lambda future: self.made_room())
        return True

    def _watch(self) -> None:
        """See what became of them elsewhere, and who wants them to end."""
        runs = {run.id: run for run in self.unfinished}
        left = {row.execution: row for row in self._journal.queue.left(list(runs))}
        for id, run in runs.items():
            row = left.get(id)
            if row is not None and row.phase.terminal:
                self._ended(run, row)
            elif row is not None:
                run.row = row
            elif run.row.phase is not RunPhase.QUEUED:
                run.row = self._journal.row(id)
        for command in self._journal.commands([id for id in runs if id not in left]):
            if command.name == "abort" and command.execution in self._runs:
                # It needs no room to end, and its engine reads the same command.
                self._begin(runs[command.execution], None)

    def _ended(self, run: Run, row: ExecutionRow) -> None:
        rest = Journaled(2, self._journal.read(run.id, after_seq=1))
        outcome = Outcome(run.id, row.phase, row.outputs, row.error, row.error_node)
        with self._lock:
            self._runs.pop(run.id, None)
        self._driver.post(run, lambda: _tell(run, rest, outcome))

    def _let_go(self) -> None:
        with self._lock:
            runs, self._runs = list(self._runs.values()), {}
        for run in runs:
            self._driver.post(run, partial(_tell, run, None, Outcome(run.id, run.row.phase)))


def _turn(run: Run) -> tuple[int, float, str]:
    return (-run.row.priority, run.row.submitted_at, run.id)


def _tell(run: Run, rest: Journaled | None, outcome: Outcome) -> None:
    if run.future.done():
        return
    if rest is not None:
        run.tell(rest)
    run.tell(None)
    run.row = msgspec.structs.replace(run.row, phase=outcome.phase)
    run.future.set_result(outcome)
