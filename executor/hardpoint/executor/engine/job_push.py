"""Streams of statuses: kept open while there are jobs to hear of, started again when they end.

While a stream delivers, its jobs are polled rarely. Nothing is lost with a stream that ends, lies, repeats
itself or falls silent: a poll that finds what the stream should have told brings back the usual pace.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_calls import JobCalls
from hardpoint.executor.engine.job_watch import JobWatch, Key
from hardpoint.executor.engine.steps import Answer, StepRunner
from hardpoint.executor.rates.caller import Caller
from hardpoint.plugin_api import JobRef, Status, StreamClosedError

RESTART_BASE_S = 0.5
RESTART_CAP_S = 60.0
IDLE_S = 60.0
"""How long a stream is kept open without a job to hear of."""


class _Stream:
    """One stream from its start to its end: its thread puts down what it tells, the engine's takes it."""

    def __init__(self, runner: StepRunner, take: Callable[[_Stream], None]) -> None:
        self.told: queue.SimpleQueue[tuple[str, Status]] = queue.SimpleQueue()
        self.delivered = False
        self.closed = False
        self.idle_since: float | None = None
        self._posted = False
        self._runner = runner
        self._take = take

    def sink(self, job: str, status: Status) -> None:
        if self.closed:
            raise StreamClosedError("Nobody listens to this stream any more")
        self.told.put((job, status))
        if not self._posted:
            self._posted = True
            self._runner.post(self._arrived)

    def _arrived(self) -> None:
        self._posted = False
        self._take(self)


class JobPush:
    """Owned by the engine's thread; each stream has a thread of its own.

    Args:
        desk: Clock and timers.
        runner: Runs the streams.
        calls: The verbs of a task type.
        watch: Where statuses go.
    """

    def __init__(
        self, desk: Desk, runner: StepRunner, calls: Callable[[str], JobCalls], watch: JobWatch[Status]
    ) -> None:
        self._desk = desk
        self._runner = runner
        self._calls = calls
        self._watch = watch
        self._streams: dict[Key, _Stream] = {}
        self._waiting: set[Key] = set()
        self._failures: dict[Key, int] = {}

    def attend(self, key: Key, job: JobRef) -> None:
        """See to it that there is a stream for a job's account, if its handler has streams at all."""
        stream = self._streams.get(key)
        if stream is not None:
            stream.idle_since = None
        elif key not in self._waiting and self._calls(key[0]).pushes:
            self._open(key, job)

    def _open(self, key: Key, job: JobRef) -> None:
        calls = self._calls(key[0])
        stream = self._streams[key] = _Stream(self._runner, lambda stream: self._take(key, stream))

        def ended(answer: Answer[None]) -> None:
            self._take(key, stream)
            self._ended(key, stream)

        watch = partial(calls.watch, job, stream.sink)
        self._runner.stream(key[0], partial(Caller(job.account).run, watch), ended)

    def _take(self, key: Key, stream: _Stream) -> None:
        """Take in what a stream has told so far."""
        while True:
            try:
                job, status = stream.told.get_nowait()
            except queue.Empty:
                break
            stream.delivered = True
            self._watch.told(key, job, status)
        self._close_idle(key, stream)

    def _close_idle(self, key: Key, stream: _Stream) -> None:
        """Close a stream that has had nothing to tell about our jobs; its next status ends it."""
        now = self._desk.clock.now()
        if self._watch.watched(key):
            stream.idle_since = None
        elif stream.idle_since is None:
            stream.idle_since = now
        elif now - stream.idle_since > IDLE_S:
            stream.closed = True
            self._let_go(key, stream)

    def _ended(self, key: Key, stream: _Stream) -> None:
        if not self._let_go(key, stream):
            return
        failures = 0 if stream.delivered else self._failures.get(key, 0) + 1
        self._failures[key] = failures
        spread = 0.5 + 0.5 * self._desk.dice.random()
        pause_s = min(RESTART_CAP_S, RESTART_BASE_S * 2.0 ** min(failures, 10)) * spread
        self._waiting.add(key)
        self._desk.timers.at(self._desk.clock.now() + pause_s, lambda: self._again(key))

    def _let_go(self, key: Key, stream: _Stream) -> bool:
        if self._streams.get(key) is not stream:
            return False
        del self._streams[key]
        self._watch.stream_ended(key)
        return True

    def _again(self, key: Key) -> None:
        self._waiting.discard(key)
        job = self._watch.some_job(key)
        if job is not None:
            self.attend(key, job)
