"""Steps within the time that their task type allows: no call into a plugin is waited for without end.

A step that takes longer is given up: whoever asked gets "did not answer", its thread counts as stuck, and
another takes its place. When many calls of one group hang, nothing more is handed to it until some return:
its answers are errors at once. Other groups do not notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer, Step, StepRunner, Then
from hardpoint.plugin_api import ErrorInfo, ErrorKind

logger = logging.getLogger("hardpoint.engine")

STUCK_MAX = 8
"""Threads of one group that may hang while others take their place."""


LEAST_S = 0.05
"""Left of a step's time, it is none: epoch seconds are too coarse to wait for much less."""


class _Group:
    """The steps of one group that are not answered yet."""

    def __init__(self, name: str, limit_s: float) -> None:
        self.name = name
        self.limit_s = limit_s
        # Dicts for their order: a set of objects has another one in each process.
        self.open: dict[Step, None] = {}
        self.stuck: dict[Step, None] = {}
        self.inspected = False

    def ended(self, step: Step) -> None:
        """See `StepWatcher`."""
        (self.stuck if step.given_up else self.open).pop(step, None)


class StepDesk:
    """Hands steps to a runner and gives them up in time; owned by the engine's thread.

    Args:
        desk: Clock and timers.
        runner: Runs the steps.
        limit_s: Longest a call into a task type may take.
    """

    def __init__(self, desk: Desk, runner: StepRunner, limit_s: Callable[[str], float]) -> None:
        self.runner = runner
        self._desk = desk
        self._limit_s = limit_s
        self._groups: dict[str, _Group] = {}

    def submit(
        self,
        task_type: str,
        call: Callable[[], Any],
        then: Then,
        *,
        run: Run | None = None,
        late: Then | None = None,
        lane: str = "",
    ) -> None:
        """Run a call after the commit of this turn.

        Args:
            task_type: Whose threads and whose limit.
            call: What to call.
            then: Gets the answer, or "did not answer".
            run: Not called at all if this run is lost in the commit.
            late: Gets what a call brings that was given up.
            lane: Set it for calls that must not wait behind others of the task type, or hold them up.
        """
        name = f"{task_type}-{lane}" if lane else task_type
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name, self._limit_s(task_type))
        self._desk.after_commit(partial(self._hand_out, group, call, then, late, run), run)

    def _hand_out(
        self, group: _Group, call: Callable[[], Any], then: Then, late: Then | None, run: Run | None
    ) -> None:
        if len(group.stuck) >= STUCK_MAX:
            then(Answer(error=_all_stuck(group)))
            return
        step = self.runner.submit(group.name, call, then, late)
        step.watcher = group
        if run is not None:
            step.wanted = partial(self._desk.owns, run)
        group.open[step] = None
        if not group.inspected:
            self._inspect_at(group, self._desk.clock.now() + group.limit_s)

    def _inspect_at(self, group: _Group, due: float) -> None:
        group.inspected = True
        self._desk.timers.at(due, lambda: self._inspect(group))

    def _inspect(self, group: _Group) -> None:
        """Give up what began too long ago; look again when the next one could be too late."""
        now = self._desk.clock.monotonic()
        group.inspected = False
        first = group.limit_s
        for step in tuple(group.open):
            if step.began is None or step.done:
                continue
            left_s = step.began + group.limit_s - now
            if left_s <= LEAST_S:
                self._give_up(group, step)
            else:
                first = min(first, left_s)
        if group.open:
            self._inspect_at(group, self._desk.clock.now() + first)

    def _give_up(self, group: _Group, step: Step) -> None:
        del group.open[step]
        group.stuck[step] = None
        self.runner.give_up(step)
        message = f"A call to task type `{step.group}` did not answer in {group.limit_s:g} s"
        logger.warning("%s; %d of its calls hang", message, len(group.stuck))
        error = ErrorInfo(
            "CallTimedOut",
            message,
            ErrorKind.TRANSIENT,
            "Give the plugin's client a timeout of its own, or raise `call_timeout_s` of the task type",
        )
        step.then(Answer(error=error))


def _all_stuck(group: _Group) -> ErrorInfo:
    return ErrorInfo(
        "CallsHang",
        f"{len(group.stuck)} calls to task type `{group.name}` hang, each for more than {group.limit_s:g} s",
        ErrorKind.TRANSIENT,
        "Look whether its service answers; restarting the executor ends calls that hang for ever",
    )
