"""Runs function tasks in worker processes: spawned and reused, fed in small batches, killed when need be.

A worker serves one code archive, has a queue of its own and runs one call at a time, in order:

    submit → backlog → a worker's queue → running → CallDone │ CallFailed
                ↑            │    recalled: stuck behind a long call
                └────────────┘    its worker died: CallReturned
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import assert_never

from hardpoint.executor.config.settings import NO_SETTINGS, PluginSettings
from hardpoint.executor.pool.dealing import Dealer, Registered
from hardpoint.executor.pool.errors import cancelled, timed_out, verdict
from hardpoint.executor.pool.folders import FolderCleaner
from hardpoint.executor.pool.kept import KeptResults
from hardpoint.executor.pool.load import Durations
from hardpoint.executor.pool.messages import (
    CallDone,
    CallFailed,
    CallProgress,
    CallReturned,
    FromWorker,
    FunctionCall,
    Loaded,
    LogSpan,
    PoolEvent,
    Ready,
    RegisterSpec,
    Returned,
    frame,
)
from hardpoint.executor.pool.process import WorkerProcess
from hardpoint.executor.pool.staff import IDLE_MAX_S, START_AFTER_S, Staff
from hardpoint.executor.pool.watch import Watch
from hardpoint.plugin_api import Clock, TaskSpec, UsageError

# An idle worker needs a moment to exit by itself, and a killed one to die.
_EXIT_S, _DEATH_S = 0.2, 5.0


class WorkerPool:
    """Local worker processes. One thread uses it; only `wake` may be called from others.

    Args:
        home: The executor's folder: logs, temporary folders and unpacked code lie in it.
        store_url: Where values that travel by reference lie.
        size: Most worker processes at a time, at least 1.
        clock: For timeouts.
        python: The interpreter of the workers.
        plugins: What they may import of what is installed.
    """

    def __init__(
        self,
        *,
        home: Path,
        store_url: str,
        size: int,
        clock: Clock,
        python: str = sys.executable,
        plugins: PluginSettings = NO_SETTINGS.plugins,
    ) -> None:
        if size < 1:
            raise UsageError(f"A pool of {size} workers runs nothing", hint="Give it at least 1 worker")
        self._home = home.absolute()
        self._clock = clock
        self._durations = Durations()
        self._watch = Watch()
        self._staff = Staff(self._home, store_url, size, python, plugins, self._durations, self._watch)
        self._specs: dict[str, Registered] = {}
        self._dealer = Dealer(self._specs, self._staff, self._durations, self._watch)
        self._backlog = self._dealer.backlog
        self._cancelled: dict[int, str] = {}
        self._events: list[PoolEvent] = []
        self._kept = KeptResults(self._home)
        self._cleaner = FolderCleaner(self._home / "tmp", self._kept)

    # --- work ------------------------------------------------------------------------------------------

    def register(self, key: str, spec: TaskSpec, code: str) -> None:
        """Make a spec known, before the first call that names it.

        Args:
            key: Unique; registering it again changes nothing.
            spec: What to run.
            code: Digest of the archive that holds its function; empty: it is found by module name.
        """
        if key not in self._specs:
            self._specs[key] = (code, spec, frame(RegisterSpec(key, spec)))

    def room(self) -> int:
        """How many more calls are wanted now: what workers can queue, less what already waits."""
        return max(0, self._staff.room(self._clock.monotonic()) - len(self._backlog))

    def submit(self, calls: Iterable[FunctionCall]) -> None:
        """Run these as soon as there is room, in about this order."""
        for call in calls:
            self._backlog.append(self._specs[call.spec][0], call)
        self._deal()

    def _deal(self) -> None:
        if self._backlog:
            self._dealer.deal(self._clock.monotonic())

    def kept(self, execution: str, node: str, attempt: int) -> CallDone | CallFailed | None:
        """What an attempt came to whose engine died before it could journal that; None if nobody knows."""
        return self._kept.find(execution, node, attempt)

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        """Wait until something happened, `wake` was called, or the time is over; return what happened.

        Whoever calls again has journaled what was returned before.
        """
        self._cleaner.journaled()
        end_s = self._clock.monotonic() + timeout_s
        while True:
            self._deal()
            woken = self._step(0.0 if self._events else end_s)
            if self._events or woken or self._clock.monotonic() >= end_s:
                self._deal()
                events, self._events = self._events, []
                return events

    def wake(self) -> None:
        """Let `wait` return now. For other threads; never blocks."""
        self._watch.wake()

    def cancel(self, tickets: Sequence[int], reason: str) -> None:
        """Call off these calls: those that wait are given back, those that run are killed.

        Args:
            tickets: Unknown ones, such as those that just ended, are ignored.
            reason: For the error of a killed call.
        """
        wanted = set(tickets)
        self._give_back(self._backlog.discard(wanted))
        for worker in self._staff:
            here = [ticket for ticket in worker.calls if ticket in wanted]
            if not here:
                continue
            head = worker.head
            if worker.ready and head is not None and head.ticket in wanted:
                worker.kill_for(head, cancelled(head, reason))
            else:
                # Only the worker knows whether it has started one of them by now.
                self._cancelled.update(dict.fromkeys(here, reason))
                worker.recall(tuple(here))

    def close(self, grace_s: float) -> list[PoolEvent]:
        """End all workers; the pool is of no use afterwards.

        Args:
            grace_s: How long calls that run may take to end; then they are killed.

        Returns:
            What happened meanwhile. Calls that did not start are given back.
        """
        self._give_back(self._backlog.discard({call.ticket for call in self._backlog}))
        self._cleaner.journaled()
        done = [worker.name for worker in self._staff if not worker.calls]
        for worker in self._staff:
            self._staff.stop(worker)
        self._wait_for_exits(grace_s)
        for worker in self._staff:
            if (head := worker.head) is not None:
                worker.kill_for(head, cancelled(head, "the executor was closed"))
        self._wait_for_exits(_EXIT_S)
        for worker in self._staff:
            worker.kill()
        self._wait_for_exits(_DEATH_S)
        self._cleaner.journaled(done)
        self._watch.close()
        self._cleaner.finish()
        events, self._events = self._events, []
        return events

    # --- what workers say ------------------------------------------------------------------------------

    def _step(self, end_s: float) -> bool:
        """Wait until something happens, or until `end_s`; return whether `wake` was called."""
        due_s = self._next_due_s()
        happened = self._watch.wait(min(end_s, due_s) - self._clock.monotonic())
        # Results first: a call that ended while the engine was busy has not run out of time.
        for worker in happened.readable:
            messages, is_open = worker.receive()
            self._take(worker, messages)
            if not is_open:
                self._watch.forget_pipe(worker)
        for worker in happened.dead:
            self._bury(worker)
        now_s = self._clock.monotonic()
        if now_s >= due_s:
            has_spare = self._staff.has_spare()
            for worker in tuple(self._staff):
                if self._due_s(worker, has_spare=has_spare) <= now_s:
                    self._attend(worker, now_s)
        return happened.woken

    def _next_due_s(self) -> float:
        """When the pool must look after its workers even if none of them speaks."""
        has_spare = self._staff.has_spare()
        due_s = math.inf
        for worker in self._staff.workers:
            due_s = min(due_s, self._due_s(worker, has_spare=has_spare))
        if self._backlog and self._staff.may_start():
            due_s = min(due_s, self._clock.monotonic() + START_AFTER_S)
        return due_s

    def _take(self, worker: WorkerProcess, messages: Sequence[FromWorker]) -> None:
        now_s = self._clock.monotonic()
        for message in messages:
            match message:
                case CallDone(ticket, log=log) | CallFailed(ticket, log=log):
                    self._ended(worker, ticket, message.duration_s, log, now_s)
                    self._events.append(message)
                case CallProgress():
                    self._events.append(message)
                case Ready():
                    worker.ready, worker.head_started_s = True, now_s
                case Loaded(key):
                    worker.loaded.add(key)
                    worker.head_started_s = now_s
                case Returned(tickets):
                    self._returned(worker, tickets, now_s)
                case _:
                    assert_never(message)

    def _ended(
        self, worker: WorkerProcess, ticket: int, duration_s: float, log: LogSpan | None, now_s: float
    ) -> None:
        call = worker.remove(ticket, now_s)
        if call is not None:
            self._durations.record(call.spec, duration_s)
        if log is not None:
            worker.log_ends = (log.out[1], log.err[1])
        self._cancelled.pop(ticket, None)

    def _give_back(self, tickets: tuple[int, ...]) -> None:
        for ticket in tickets:
            self._cancelled.pop(ticket, None)
        if tickets:
            self._events.append(CallReturned(tickets))

    def _returned(self, worker: WorkerProcess, tickets: tuple[int, ...], now_s: float) -> None:
        worker.recalling = False
        calls = [call for ticket in tickets if (call := worker.remove(ticket, now_s)) is not None]
        kept = [call for call in calls if call.ticket not in self._cancelled]
        self._backlog.put_back(worker.code, kept)
        self._give_back(tuple(call.ticket for call in calls if call.ticket in self._cancelled))
        head = worker.head
        if head is not None and head.ticket in self._cancelled:
            # It stays marked until the death is confirmed: another answer to a recall may still be on its
            # way, and must not put the call back.
            worker.kill_for(head, cancelled(head, self._cancelled[head.ticket]))

    # --- time and death --------------------------------------------------------------------------------

    def _due_s(self, worker: WorkerProcess, *, has_spare: bool) -> float:
        """When a worker needs attention if it does not speak before."""
        if worker.kill_reason is not None:
            return math.inf
        head = worker.head
        if head is None:
            return math.inf if worker.stopping else worker.idle_since_s + IDLE_MAX_S
        timeout_at_s = worker.timeout_at_s(head, self._spec(head).timeout_s)
        # Only where there are more calls behind it and somebody else could run them.
        return min(timeout_at_s, worker.stuck_at_s()) if has_spare and len(worker.calls) > 1 else timeout_at_s

    def _spec(self, call: FunctionCall) -> TaskSpec:
        return self._specs[call.spec][1]

    def _attend(self, worker: WorkerProcess, now_s: float) -> None:
        head = worker.head
        if head is None:
            self._staff.stop(worker)
        elif worker.timeout_at_s(head, timeout_s := self._spec(head).timeout_s) <= now_s:
            worker.kill_for(head, timed_out(head, timeout_s or 0.0))
        else:
            worker.recalling = True
            worker.recall(tuple(worker.calls)[1:])

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker is dead: what it finished counts, what ran has failed, the rest is given back."""
        worker.kill()
        self._take(worker, worker.drain())
        self._watch.forget(worker)
        exit_code = worker.bury()
        self._staff.workers.remove(worker)
        self._cleaner.remove(worker.name)
        lost = list(worker.calls.values())
        if lost and (error := verdict(worker, lost[0], self._spec(lost[0]), exit_code)) is not None:
            head = lost.pop(0)
            took_s = self._clock.monotonic() - worker.head_started_s
            self._cancelled.pop(head.ticket, None)
            self._events.append(CallFailed(head.ticket, error, took_s, worker.log_since_last_reply()))
        self._give_back(tuple(call.ticket for call in lost))

    def _wait_for_exits(self, timeout_s: float) -> None:
        end_s = self._clock.monotonic() + timeout_s
        while self._staff.workers and self._clock.monotonic() < end_s:
            self._step(end_s)
