"""Steps within the time that their task type allows: no call into a plugin is waited for without end.

A step that takes longer is given up: whoever asked gets "did not answer", its thread counts as stuck, and
another takes its place. When many calls of one group hang, nothing more is handed to it until some return:
its answers are errors at once. Other groups do not notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.step_pace import StepPace
from hardpoint.executor.engine.steps import Answer, Step, StepRunner, Then
from hardpoint.executor.rates.caller import Caller
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.executor.rates.rates import Rates
from hardpoint.executor.rates.turnstile import PlaceInFront, Turnstile
from hardpoint.plugin_api import ErrorInfo, ErrorKind

logger = logging.getLogger("hardpoint.engine")

STUCK_MAX = 8
"""Threads of one group that may hang while others take their place."""


LEAST_S = 0.05
"""Left of a step's time, it is none: epoch seconds are too coarse to wait for much less."""


class _Open(NamedTuple):
    """A step that was handed out."""

    caller: Caller
    turnstile: Turnstile | None


class _Group:
    """The steps of one group that are not answered yet."""

    def __init__(self, name: str, limit_s: float, pace: StepPace) -> None:
        self.name = name
        self.limit_s = limit_s
        self.pace = pace
        # Dicts for their order: a set of objects has another one in each process.
        self.open: dict[Step, _Open] = {}
        self.stuck: dict[Step, None] = {}
        self.inspected = False

    def ended(self, step: Step) -> None:
        """See `StepWatcher`."""
        if step.given_up:
            self.stuck.pop(step, None)
        elif (ended := self.open.pop(step, None)) is not None and ended.turnstile is not None:
            # It may have made no call, as those of a lost run: then the next need not wait for its slot.
            self.pace.go_on(ended.turnstile)


class _Order(msgspec.Struct, frozen=True):
    """A call that was asked for; see `StepDesk.submit`."""

    group: _Group
    call: Callable[[], Any]
    then: Then
    late: Then | None
    run: Run | None
    account: str
    turnstile: Turnstile | None


class StepDesk:
    """Hands steps to a runner and gives them up in time; owned by the engine's thread.

    Args:
        desk: Clock and timers.
        runner: Runs the steps.
        limit_s: Longest a call into a task type may take.
        rates: How often each account may be called.
    """

    def __init__(self, desk: Desk, runner: StepRunner, limit_s: Callable[[str], float], rates: Rates) -> None:
        self.runner = runner
        self._desk = desk
        self._limit_s = limit_s
        self._rates = rates
        self._pace = StepPace(desk)
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
        account: str = "",
        first: CallKind | None = None,
    ) -> None:
        """Run a call after the commit of this turn.

        Args:
            task_type: Whose threads and whose limit.
            call: What to call.
            then: Gets the answer, or "did not answer".
            run: Not called at all if this run is lost in the commit.
            late: Gets what a call brings that was given up.
            lane: Set it for calls that must not wait behind others of the task type, or hold them up.
            account: Whose rate the plugin's calls use; empty if it is not known.
            first: What the plugin's first call will be: it begins when the rate allows that. None: at once.
        """
        name = f"{task_type}-{lane}" if lane else task_type
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group(name, self._limit_s(task_type), self._pace)
        turnstile = None if first is None else self._rates.turnstile(task_type, account, first)
        order = _Order(group, call, then, late, run, account, turnstile)
        self._desk.after_commit(partial(self._hand_out, order), run)

    def _hand_out(self, order: _Order) -> None:
        if order.turnstile is None:
            self._begin(order, None)
        else:
            self._pace.start(order.turnstile, partial(self._begin, order))

    def _begin(self, order: _Order, place: PlaceInFront | None) -> None:
        group, caller = order.group, Caller(order.account, place)
        if len(group.stuck) >= STUCK_MAX:
            caller.end_turn()
            order.then(Answer(error=_all_stuck(group)))
            return
        step = self.runner.submit(group.name, partial(caller.run, order.call), order.then, order.late)
        step.watcher = group
        if order.run is not None:
            step.wanted = partial(self._desk.owns, order.run)
        group.open[step] = _Open(caller, order.turnstile)
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
        for step, (caller, _) in tuple(group.open.items()):
            if step.began is None or step.done:
                continue
            # Waiting at the gate is not the plugin's doing.
            left_s = step.began + caller.waited_s + group.limit_s - now
            if left_s <= LEAST_S:
                self._give_up(group, step)
            else:
                first = min(first, left_s)
        if group.open:
            self._inspect_at(group, self._desk.clock.now() + first)

    def _give_up(self, group: _Group, step: Step) -> None:
        group.open.pop(step).caller.end_turn()
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
