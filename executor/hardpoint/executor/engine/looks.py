"""Looks for duplicates of jobs that were created at a service that takes no identity of ours.

Once the listings have settled: at once and alone for an attempt that waits for it, else together with others
of the next second, so that a service is not asked once more for each job.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import msgspec

from hardpoint.executor.engine.array_calls import ArrayCalls
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.job_calls import JobCalls
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.step_desk import StepDesk
from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.plugin_api import CreateRequest, ErrorInfo, ErrorKind, Idempotency, JobRef, Kept

GATHER_S = 1.0
"""How long looks that nobody waits for are gathered: as much longer a duplicate may run."""


class Look(msgspec.Struct, frozen=True, eq=False):
    """One look.

    Args:
        run, node: Whose job it is.
        kept: The job, and what created it.
        due: When the listings have settled.
    """

    run: Run
    node: str
    kept: Kept
    due: float


class Looks:
    """Owned by the engine's thread.

    Args:
        desk: Clock and timers.
        steps: Makes calls into plugins.
        calls: The verbs of a task type.
        cancel: Ends a job of a task type that nobody wants, for a reason.
        again: Calls something later, after so many tries and a wait that the service asked for.
    """

    def __init__(
        self,
        desk: Desk,
        steps: StepDesk,
        calls: Callable[[str], JobCalls | ArrayCalls],
        cancel: Callable[[str, JobRef, str], None],
        again: Callable[[int, float | None, Callable[[], None]], None],
    ) -> None:
        self._desk = desk
        self._steps = steps
        self._calls = calls
        self._cancel = cancel
        self._again = again
        self._waiting: dict[tuple[str, str], list[Look]] = {}
        self._owed: WeakKeyDictionary[Run, dict[str, list[Callable[[], None]]]] = WeakKeyDictionary()

    def expect(self, run: Run, node: NodeRun, request: CreateRequest, *, certain: bool) -> None:
        """Look for duplicates of a job just created.

        Args:
            run, node: Whose job it is.
            request: What created it.
            certain: One create was sent and it answered: then nobody waits for the look.
        """
        job = node.job
        calls = self._calls(request.spec.type)
        if job is None or calls.task_type.idempotency is not Idempotency.SEARCH or not calls.sweeps:
            return
        now = self._desk.clock.now()
        look = Look(run, node.id, Kept(request, job), now + calls.task_type.settling_delay_s)
        if certain:
            batch = (request.spec.type, job.account)
            waiting = self._waiting.setdefault(batch, [])
            waiting.append(look)
            if len(waiting) == 1:
                self._arm(batch, look)
        else:
            self._owed.setdefault(run, {}).setdefault(node.id, [])
            self._desk.timers.at(look.due, lambda: self._look([look], 1))

    def before_end(self, run: Run, node: NodeRun, end: Callable[[], None]) -> None:
        """End an attempt, but not before duplicates of its job were looked for, if there may be any."""
        waiting = self._owed.get(run, {}).get(node.id)
        if waiting is None:
            end()
        elif not waiting:
            attempt = node.attempt

            def later() -> None:
                if self._desk.owns(run) and node.attempt == attempt and node.state.in_flight:
                    end()

            waiting.append(later)

    def _arm(self, batch: tuple[str, str], first: Look) -> None:
        until = first.due + GATHER_S
        self._desk.timers.at(until, lambda: self._due(batch, until))

    def _due(self, batch: tuple[str, str], until: float) -> None:
        """Look for what of an account is due by then; later ones wait for a timer of theirs."""
        waiting = self._waiting.pop(batch)
        ready = [each for each in waiting if each.due <= until]
        if rest := [each for each in waiting if each.due > until]:
            self._waiting[batch] = rest
            self._arm(batch, rest[0])
        size = self._calls(batch[0]).task_type.poll.batch_max
        for at in range(0, len(ready), size):
            self._look(ready[at : at + size], 1)

    def _look(self, looks: Sequence[Look], tries: int) -> None:
        task_type, job = looks[0].kept.request.spec.type, looks[0].kept.job
        calls = self._calls(task_type)

        def then(answer: Answer[list[JobRef]]) -> None:
            error = answer.error
            if error is not None and len(looks) > 1:
                # One that cannot be looked for, or fails among many calls, must not hide those of the others.
                half = len(looks) // 2
                self._later(looks[:half], tries, error)
                self._later(looks[half:], tries, error)
            elif error is not None and error.kind in (ErrorKind.TRANSIENT, ErrorKind.THROTTLED):
                self._later(looks, tries, error)
            else:
                for duplicate in answer.value or ():
                    self._cancel(task_type, duplicate, "another job of its token was kept")
                for each in looks:
                    for end in self._owed.get(each.run, {}).pop(each.node, ()):
                        end()

        self._steps.submit(
            task_type,
            lambda: calls.duplicates([each.kept for each in looks]),
            then,
            account=job.account,
            first=CallKind.READ,
        )

    def _later(self, looks: Sequence[Look], tries: int, error: ErrorInfo) -> None:
        self._again(tries, error.retry_after_s, lambda: self._look(looks, tries + 1))
