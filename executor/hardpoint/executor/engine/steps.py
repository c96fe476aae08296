"""Steps: calls into plugins, made in threads of their own, whose answers come back as data.

A plugin's exception never travels further than its step: it becomes an `ErrorInfo` of the class that
decides what happens next. Each group has threads of its own, so a plugin that is slow or stuck holds up
nobody else.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.engine.plugin_errors import classed, unclassed
from hardpoint.plugin_api import Clock, ErrorInfo, HardpointError, Wire
from hardpoint.plugin_api.literal_rules import problem

T = TypeVar("T")

THREADS_PER_GROUP = 8


class Answer(msgspec.Struct, Generic[T], gc=False):
    """What a step brought back: a value, or what went wrong."""

    value: T | None = None
    error: ErrorInfo | None = None


Then = Callable[[Answer[Any]], None]


class StepWatcher(Protocol):
    """Whoever counts steps."""

    def ended(self, step: Step) -> None:
        """A step has ended, or come back after it was given up."""


class Step:
    """One call on its way.

    Args:
        group: Whose threads run it.
        call: What to call.
        then: Gets the answer, on the engine's thread.
        late: Gets the answer instead of `then` if it was given up before.
    """

    __slots__ = ("began", "call", "done", "given_up", "group", "late", "then", "wanted", "watcher")

    def __init__(self, group: str, call: Callable[[], Any], then: Then, late: Then | None) -> None:
        self.group = group
        self.call = call
        self.then = then
        self.late = late
        self.began: float | None = None
        """By the runner's monotonic clock; None while it waits for a thread."""
        self.done = False
        self.given_up = False
        self.watcher: StepWatcher | None = None
        self.wanted: Callable[[], bool] | None = None
        """Whether whoever asked still may; called from the step's thread."""


class StepRunner(Protocol):
    """Runs steps and brings their answers back to the engine's thread."""

    def submit(self, group: str, call: Callable[[], Any], then: Then, late: Then | None = None) -> Step:
        """Run `call` with others of its group; later call `then` from `deliver`."""

    def stream(self, name: str, call: Callable[[], None], then: Then) -> None:
        """Run a call that lasts, in a thread of its own; later call `then` from `deliver`."""

    def post(self, action: Callable[[], None]) -> None:
        """Call `action` from `deliver`. For any thread."""

    def give_up(self, step: Step) -> None:
        """Wait no longer for a step that began: its thread is stuck, another takes its place."""

    def deliver(self) -> int:
        """Call `then` of every step that has ended; return how many."""

    def close(self) -> None:
        """Start nothing more; do not wait for steps that are stuck."""


def guarded(step: Callable[[], T], group: str = "") -> Answer[T]:
    """Run a step; whatever it raises becomes data, in which its group is named.

    >>> guarded(lambda: 1 / 0).error.code
    'ZeroDivisionError'
    """
    try:
        return Answer(value=step())
    except HardpointError as error:
        return Answer(error=classed(error, group))
    except Exception as error:
        return Answer(error=unclassed(error, group))


_running = threading.local()


def is_unwanted() -> bool:
    """Whether this thread runs a step that nobody waits for any more: it must not change anything outside."""
    step: Step | None = getattr(_running, "step", None)
    return step is not None and (step.given_up or (step.wanted is not None and not step.wanted()))


def run_step(step: Step, clock: Clock) -> Answer[Any]:
    """Run one step in this thread."""
    step.began = clock.monotonic()
    _running.step = step
    try:
        return guarded(step.call, step.group)
    finally:
        step.done = True
        _running.step = None


class _Inbox:
    """What threads leave for the engine; wakes it once for as many as it has not looked at."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._woken = False
        self._items: queue.SimpleQueue[tuple[Step, Answer[Any]] | Callable[[], None]] = queue.SimpleQueue()

    def put(self, item: tuple[Step, Answer[Any]] | Callable[[], None]) -> None:
        self._items.put(item)
        # Cleared before the engine looks: so whoever finds it set was put where the engine will look.
        if not self._woken:
            self._woken = True
            self._wake()

    def take(self) -> Iterator[tuple[Step, Answer[Any]] | Callable[[], None]]:
        self._woken = False
        while True:
            try:
                yield self._items.get_nowait()
            except queue.Empty:
                return


class _Group:
    """The threads of one group and the steps that wait for them; counted by the engine's thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self.threads = 0
        self.open = 0


class StepThreads:
    """See `StepRunner`: up to `THREADS_PER_GROUP` threads for each group, besides those that are stuck.

    Args:
        wake: Called, from a step's thread, when an answer waits to be delivered.
        clock: Says when a step began.
    """

    def __init__(self, wake: Callable[[], None], clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._groups: dict[str, _Group] = {}
        self._inbox = _Inbox(wake)
        # Daemons, and told to end with their owner: a stuck plugin must not keep the process from exiting.
        self._finalizer = weakref.finalize(self, _dismiss, self._groups)

    def submit(self, group: str, call: Callable[[], Any], then: Then, late: Then | None = None) -> Step:
        """See `StepRunner.submit`."""
        mine = self._groups.get(group)
        if mine is None:
            mine = self._groups[group] = _Group(group)
        step = Step(group, call, then, late)
        mine.open += 1
        mine.steps.put(step)
        self._staff(mine)
        return step

    def _staff(self, group: _Group) -> None:
        if group.threads < min(group.open, THREADS_PER_GROUP):
            group.threads += 1
            name = f"hardpoint-{group.name}"
            arguments = (group.steps, self._inbox, self._clock)
            threading.Thread(target=_work, args=arguments, name=name, daemon=True).start()

    def stream(self, name: str, call: Callable[[], None], then: Then) -> None:
        """See `StepRunner.stream`."""
        inbox = self._inbox

        def last() -> None:
            answer = _survived(partial(guarded, call, name), name)
            inbox.put(lambda: then(answer))

        threading.Thread(target=last, name=f"hardpoint-{name}-stream", daemon=True).start()

    def post(self, action: Callable[[], None]) -> None:
        """See `StepRunner.post`."""
        self._inbox.put(action)

    def give_up(self, step: Step) -> None:
        """See `StepRunner.give_up`."""
        step.given_up = True
        group = self._groups[step.group]
        group.threads -= 1
        group.open -= 1
        self._staff(group)

    def deliver(self) -> int:
        """See `StepRunner.deliver`."""
        count = 0
        for item in self._inbox.take():
            count += 1
            if not isinstance(item, tuple):
                item()
                continue
            step, answer = item
            if not step.given_up:
                self._groups[step.group].open -= 1
            hand_over(step, answer)
        return count

    def close(self) -> None:
        """See `StepRunner.close`."""
        self._finalizer()


def hand_over(step: Step, answer: Answer[Any]) -> None:
    """Give an answer to whoever still waits for it."""
    if step.watcher is not None:
        step.watcher.ended(step)
    if not step.given_up:
        step.then(answer)
    elif step.late is not None:
        step.late(answer)


def _work(steps: queue.SimpleQueue[Step | None], inbox: _Inbox, clock: Clock) -> None:
    """The body of a thread: step after step, until it is told to end or another has taken its place."""
    while True:
        step = steps.get()
        if step is None:
            return
        inbox.put((step, _survived(partial(run_step, step, clock), step.group)))
        if step.given_up:
            return
        del step


def _survived(run: Callable[[], Answer[Any]], group: str) -> Answer[Any]:
    """What a step brought back, also if it raised what would end its thread without an answer."""
    try:
        return run()
    except BaseException as error:
        return Answer(error=unclassed(error, group))


def _dismiss(groups: dict[str, _Group]) -> None:
    """End the threads of a runner; steps that did not begin never will."""
    for group in groups.values():
        with suppress(queue.Empty):
            while True:
                group.steps.get_nowait()
        for _ in range(group.threads):
            group.steps.put(None)


def outputs_problem(expected: Sequence[Any], found: Mapping[str, Wire]) -> str:
    """Say how outputs differ from an interface; empty if they fit."""
    names = {variable.name for variable in expected}
    if names != set(found):
        missing, extra = sorted(names - set(found)), sorted(set(found) - names)
        parts = [f"lacks output `{name}`" for name in missing] + [f"has no output `{name}`" for name in extra]
        return "; ".join(parts)
    for variable in expected:
        wrong = problem(variable.type, found[variable.name])
        if wrong:
            return f"output `{variable.name}`: {wrong}"
    return ""
