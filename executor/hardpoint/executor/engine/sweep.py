"""Jobs that are nobody's: found, cancelled until the service confirms it, counted, and named in the log.

They come from repeated creates at a service that takes no identity of ours, from creates that answered
after they were given up, and from attempts of an earlier life of a run that ended with a create unsettled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from hardpoint.executor.engine.array_calls import ArrayCalls
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_calls import JobCalls
from hardpoint.executor.engine.looks import Looks
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.step_desk import StepDesk
from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptStarted,
    CreateUnsettled,
    Event,
    JobCreated,
)
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import CreateRequest, ErrorKind, JobRef

logger = logging.getLogger("hardpoint.engine")

AGAIN_BASE_S = 1.0
AGAIN_CAP_S = 60.0


class Unconfirmed(msgspec.Struct, frozen=True):
    """An attempt that ended although nobody knew whether its job exists."""

    node: str
    attempt: int
    token: str


def unconfirmed(events: Iterable[Event]) -> list[Unconfirmed]:
    """Attempts in a journal that ended with a create unsettled; the last one is not among them if it goes on.

    >>> from hardpoint.executor.journal.events import Budget
    >>> from hardpoint.plugin_api import ErrorInfo
    >>> lost, bad = ErrorInfo("Lost", "no answer", ErrorKind.TRANSIENT), ErrorInfo("Bad", "refused")
    >>> started, unsettled = AttemptStarted(1.0, "a", 1, "t1"), CreateUnsettled(2.0, "a", 1, lost, 3.0)
    >>> unconfirmed([started, unsettled, AttemptFailed(3.0, "a", 1, bad, Budget.USER)])
    [Unconfirmed(node='a', attempt=1, token='t1')]
    """
    open_: dict[str, Unconfirmed] = {}
    unsettled: set[str] = set()
    found = []
    for event in events:
        match event:
            case AttemptStarted() if event.token:
                if event.node in unsettled:
                    found.append(open_[event.node])
                open_[event.node] = Unconfirmed(event.node, event.attempt, event.token)
                unsettled.discard(event.node)
            case CreateUnsettled() if event.error.kind is not ErrorKind.THROTTLED:
                unsettled.add(event.node)
            case JobCreated():
                unsettled.discard(event.node)
            case AttemptFailed() if event.node in unsettled:
                found.append(open_[event.node])
                unsettled.discard(event.node)
            case _:
                pass
    return found


class Sweep:
    """Owned by the engine's thread.

    Args:
        desk: Clock and timers.
        steps: Makes calls into plugins.
        calls: The verbs of a task type.
        outputs_uri: Below it, jobs that write their own outputs do so.
    """

    def __init__(
        self, desk: Desk, steps: StepDesk, calls: Callable[[str], JobCalls | ArrayCalls], outputs_uri: str
    ) -> None:
        self._desk = desk
        self._steps = steps
        self._calls = calls
        self._outputs_uri = outputs_uri
        self.looks = Looks(desk, steps, calls, self.cancel, self._again)
        self._ending: set[tuple[str, str, str]] = set()
        self.swept = 0
        """Jobs whose end was confirmed so far."""

    @property
    def busy(self) -> bool:
        """Whether a job is known that should not run and may."""
        return bool(self._ending)

    # Earlier lives

    def adopted(self, run: Run, events: Iterable[Event]) -> None:
        """Look for jobs of attempts that ended unsettled before this engine took the run over."""
        for lost in unconfirmed(events):
            self._find(self._request(run, lost), 1)

    def _request(self, run: Run, lost: Unconfirmed) -> CreateRequest:
        spec = run.spec(lost.node)
        return CreateRequest(
            execution=run.id,
            node=lost.node,
            attempt=lost.attempt,
            token=lost.token,
            spec=spec,
            inputs=run.inputs_of(lost.node),
            outputs_uri=f"{self._outputs_uri}/{run.id}/{lost.node}/{lost.attempt}",
            resources=spec.resources,
            project=run.row.project,
            domain=run.row.domain,
        )

    def _find(self, request: CreateRequest, tries: int) -> None:
        calls = self._calls(request.spec.type)

        def then(answer: Answer[JobRef]) -> None:
            if answer.value is not None:
                self.cancel(request.spec.type, answer.value, "its attempt is over")
            elif answer.error is not None:
                logger.warning("no look for token %s: %s", request.token, answer.error.message)
                if answer.error.kind in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
                    self._again(tries, answer.error.retry_after_s, lambda: self._find(request, tries + 1))

        self._steps.submit(request.spec.type, lambda: calls.find(request), then)

    # The end of a job

    def cancel(self, task_type: str, job: JobRef, reason: str) -> None:
        """Ask for the end of a job until the service confirms that it runs no more."""
        key = (task_type, job.account, job.id)
        if key not in self._ending:
            self._ending.add(key)
            self._end(key, job, reason, 1)

    def _end(self, key: tuple[str, str, str], job: JobRef, reason: str, tries: int) -> None:
        calls = self._calls(key[0])

        def cancel_and_ask() -> bool:
            calls.cancel(job, reason)
            return calls.ended(job)

        def then(answer: Answer[bool]) -> None:
            if answer.value:
                self._ending.discard(key)
                self.swept += 1
                logger.warning("job %s of task type %s was ended: %s", job.id, key[0], reason)
                return
            asked_s = answer.error.retry_after_s if answer.error is not None else None
            self._again(tries, asked_s, lambda: self._end(key, job, reason, tries + 1))

        self._steps.submit(key[0], cancel_and_ask, then, account=job.account, first=CallKind.WRITE)

    def _again(self, tries: int, asked_s: float | None, action: Callable[[], Any]) -> None:
        pause_s = min(AGAIN_CAP_S, AGAIN_BASE_S * 2.0 ** min(tries - 1, 10))
        spread = 0.5 + 0.5 * self._desk.dice.random()
        self._desk.timers.at(self._desk.clock.now() + max(pause_s * spread, asked_s or 0.0), action)
