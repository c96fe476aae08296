"""Streams: a service that tells of changes by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import msgspec
import pytest

from hardpoint.plugin_api.errors import StreamClosedError, TransientError
from hardpoint.plugin_api.handler import JobRef, PushHandler
from hardpoint.plugin_api.phase import Phase, Status
from hardpoint.plugin_api.testing.contract.secrecy import expect_silent
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect


class Stream:
    """One `watch` in a thread of its own, as the executor runs it, and all that it told."""

    def __init__(self, trial: Trial[Any], job: JobRef, within_s: float) -> None:
        self._within_s = within_s
        self.told: list[tuple[str, Status]] = []
        self.error: Exception | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, args=(trial, job), daemon=True)
        self._thread.start()

    def _run(self, trial: Trial[Any], job: JobRef) -> None:
        try:
            cast(PushHandler, trial.handler).watch(trial.context, job, self._sink)
        except Exception as error:  # what it may raise is what the cases are about
            self.error = error

    def _sink(self, job_id: str, status: Status) -> None:
        with self._changed:
            if self._closed:
                raise StreamClosedError("Nobody listens any more")
            self.told.append((job_id, status))
            self._changed.notify_all()

    def told_of(self, job: JobRef) -> list[Phase]:
        """Phases of one job, in the order in which they came."""
        return [status.phase for job_id, status in self.told if job_id == job.id]

    def wait_for(self, job: JobRef, phase: Phase) -> bool:
        """Whether the stream tells this in time."""
        with self._changed:
            return self._changed.wait_for(lambda: phase in self.told_of(job), self._within_s)

    def close(self) -> None:
        """Stop listening: the next status that comes is refused."""
        with self._changed:
            self._closed = True

    def ended(self, within_s: float | None = None) -> bool:
        """Whether `watch` comes to its end in time."""
        self._thread.join(self._within_s if within_s is None else within_s)
        return not self._thread.is_alive()


class StreamContract(ContractPart[SwitchT]):
    """`watch`.

    Attributes:
        tells_the_past: Whether a stream begins with what happened shortly before.
        delivered_within_s: How long after a change the stream has told of it.
    """

    tells_the_past: ClassVar[bool] = True
    delivered_within_s: ClassVar[float] = 20.0

    @pytest.fixture
    def watched(self, trial: Trial[SwitchT]) -> Iterator[tuple[Trial[SwitchT], JobRef, Stream]]:
        """A trial with a job, and a stream of its account; ended when the case is over."""
        job = trial.create()
        stream = Stream(trial, job, self.delivered_within_s)
        yield trial, job, stream
        stream.close()
        _make_news(trial)
        stream.ended()

    def test_watch_delivers(self, watched: tuple[Trial[SwitchT], JobRef, Stream]) -> None:
        """The end of a job, and of one that was created later."""
        trial, job, stream = watched
        trial.service.finish(job.id)
        expect(stream.wait_for(job, Phase.SUCCEEDED), f"`watch` tells that `{job.id}` succeeded")
        later = trial.create(trial.other_token(2))
        trial.service.finish(later.id, Phase.FAILED)
        expect(stream.wait_for(later, Phase.FAILED), f"`watch` tells that `{later.id}` failed")
        error = next(status.error for job_id, status in stream.told if status.phase is Phase.FAILED)
        expect(error is not None, "A status `FAILED` says in `error` what failed")

    def test_watch_ends_when_the_sink_closes(self, watched: tuple[Trial[SwitchT], JobRef, Stream]) -> None:
        """With the next thing that happens; `StreamClosedError` may pass."""
        trial, job, stream = watched
        trial.service.finish(job.id)
        stream.wait_for(job, Phase.SUCCEEDED)
        stream.close()
        _make_news(trial)
        expect(stream.ended(), "`watch` ends once `sink` raises `StreamClosedError`")
        passed = stream.error is None or isinstance(stream.error, StreamClosedError)
        expect(passed, f"`watch` lets `StreamClosedError` pass, and raises not `{stream.error!r}`")

    def test_stream_that_starts_late_tells_what_happened(self, trial: Trial[SwitchT]) -> None:
        """While it starts, nobody polls."""
        if not self.tells_the_past:
            pytest.skip("It says that its service tells nothing of the past: `tells_the_past`")
        job = trial.create()
        trial.service.finish(job.id)
        stream = Stream(trial, job, self.delivered_within_s)
        came = stream.wait_for(job, Phase.SUCCEEDED)
        stream.close()
        _make_news(trial)
        stream.ended()
        expect(came, f"A stream begins with what happened shortly before: that `{job.id}` succeeded")

    def test_stream_and_poll_agree(self, watched: tuple[Trial[SwitchT], JobRef, Stream]) -> None:
        """Told again and again, by several streams: the end of a job stays its end."""
        trial, job, stream = watched
        trial.service.finish(job.id)
        stream.wait_for(job, Phase.SUCCEEDED)
        second = Stream(trial.restarted(), job, self.delivered_within_s)
        other = trial.create(trial.other_token(2))
        trial.service.finish(other.id)
        came = [one.wait_for(other, Phase.SUCCEEDED) for one in (stream, second)]
        second.close()
        expect(all(came), f"Each of two streams tells of `{other.id}`")
        polled = trial.poll(job, other)
        for each in (job, other):
            told, phase = stream.told_of(each), polled[each.id].phase
            expect(told[-1] is phase, f"The last word on `{each.id}` is that of a poll: `{phase}`, `{told}`")
            after = told[next(index for index, one in enumerate(told) if one.terminal) :]
            expect(set(after) == {phase}, f"Nothing but its end is told of `{each.id}` after it: `{told}`")

    def test_stream_fails_as_a_poll_does(self, trial: Trial[SwitchT]) -> None:
        """It is started again, more slowly each time."""
        job = trial.create()
        trial.service.fail_next(503)
        stream = Stream(trial, job, self.delivered_within_s)
        deadline = time.monotonic() + self.delivered_within_s
        while not stream.ended(0.05) and not stream.told and time.monotonic() < deadline:
            trial.service.finish(job.id)
        classed = stream.error is None or isinstance(stream.error, TransientError)
        stream.close()
        _make_news(trial)
        expect(classed, f"A 503 in `watch` is `TransientError` or is overcome, not `{stream.error!r}`")

    def test_stream_only_reads_and_tells_no_secret(
        self, watched: tuple[Trial[SwitchT], JobRef, Stream]
    ) -> None:
        """It passes the gate as a poll does."""
        trial, job, stream = watched
        writes = trial.context.calls.writes
        trial.service.finish(job.id)
        stream.wait_for(job, Phase.SUCCEEDED)
        expect(trial.context.calls.writes == writes, "`watch` uses `calls.read()` only")
        expect(trial.context.calls.reads > 0, "`watch` makes its calls inside `calls.read()`")
        told = [msgspec.json.encode(status).decode() for _, status in stream.told]
        expect_silent(self.secrets, [*told, *trial.context.logged])


def _make_news(trial: Trial[SwitchT]) -> None:
    """Something for a stream to tell, so that it sees that nobody listens."""
    news = trial.another()
    news.service.finish(news.create().id)
