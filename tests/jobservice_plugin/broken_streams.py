"""Streams that each break one promise: every class here must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import msgspec
from broken_kit import BrokenKit
from hardpoint_jobservice import PushHandler
from hardpoint_jobservice_conformance import PushKit

from hardpoint.plugin_api import (
    Context,
    JobRef,
    Phase,
    Status,
    StatusSink,
    StreamClosedError,
    TransientError,
)


class BrokenStream(BrokenKit, PushKit):
    """Puts a broken handler in the place of the right one."""

    delivered_within_s = 1.0


class TestTellsNothing(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            """Nothing."""


class TestGoesOnForever(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            def deaf(job_id: str, status: Status) -> None:
                try:
                    sink(job_id, status)
                except StreamClosedError:
                    return

            super().watch(context, job, deaf)


class TestForgetsThePast(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            past = set(self.poll_many(context, [job])) if self._ended(context, job) else set()
            super().watch(
                context, job, lambda job_id, status: None if job_id in past else sink(job_id, status)
            )

        def _ended(self, context: Context, job: JobRef) -> bool:
            return self.poll_many(context, [job])[job.id].phase.terminal


class TestContradictsThePoll(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            def muddled(job_id: str, status: Status) -> None:
                sink(job_id, status)
                if status.phase.terminal:
                    sink(job_id, Status(Phase.RUNNING))

            super().watch(context, job, muddled)


class TestRaisesItsOwn(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            try:
                super().watch(context, job, sink)
            except StreamClosedError:
                raise
            except TransientError as error:
                raise OSError(error.message) from None


class TestTellsTheSecret(BrokenStream):
    class broken(PushHandler):
        def watch(self, context: Context, job: JobRef, sink: StatusSink) -> None:
            secret = context.secret("JOBSERVICE_TOKEN")
            super().watch(
                context,
                job,
                lambda job_id, status: sink(job_id, msgspec.structs.replace(status, reason=secret)),
            )


class TestStreamIsRight(BrokenStream):
    """The control."""

    broken = PushHandler
    delivered_within_s = 20.0
