"""How a run goes, shown while it goes: the model of what is seen, and plain lines for pipes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Protocol, assert_never

from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.cli.output import say
from hardpoint.executor.cli.wording import duration, plural, time_of_day
from hardpoint.executor.engine.run import Journaled, Progress
from hardpoint.executor.engine.state import NodeRun, RunState
from hardpoint.executor.execution import Execution
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    CreateUnsettled,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    Resumed,
    Submitted,
)
from hardpoint.plugin_api import HardpointError

JOIN_S = 5.0
NAME_MAX = 40


class Watched:
    """A run as this process sees it: its own replay of the events, and what attempts say of themselves.

    Args:
        execution: The run's id.
        graph: Its nodes.
        since: Events from before are replayed, not shown; seconds since the epoch.
    """

    def __init__(self, execution: str, graph: FlatGraph, since: float = 0.0) -> None:
        self.state = RunState(execution, graph)
        self.notes: dict[str, Progress] = {}
        self.since = since

    def take(self, item: Journaled | Progress) -> Iterator[Event]:
        """Take news in; yield each fresh event once it is applied."""
        if isinstance(item, Progress):
            self.notes[item.node] = item
            return
        for event in item.events:
            self.state.apply(event)
            if isinstance(event, AttemptStarted):
                self.notes.pop(event.node, None)
            if event.at >= self.since:
                yield event

    def note(self, node: str) -> str:
        """What an attempt in flight says of its progress; empty if nothing."""
        said = self.notes.get(node)
        if said is None or not self.state.nodes[node].state.in_flight:
            return ""
        parts = [f"{said.done:g} of {said.total:g}"] if said.total else []
        return ", ".join(parts + ([said.note] if said.note else []))

    def progress(self) -> str:
        """The whole run in half a line."""
        nodes = len(self.state.nodes)
        return f"{nodes - self.state.left} of {plural(nodes, 'node')} done"


def word_for(node: NodeRun) -> str:
    """A node's state in one word; an answer from the cache has its own."""
    return "CACHED" if node.cached_from else node.state.value


def ran_s(node: NodeRun, now: float) -> float | None:
    """How long a node's current or last attempt has run; None before the first."""
    if node.started_at is None or node.cached_from:
        return None
    running = node.state.in_flight or node.ended_at is None
    return (now if running else node.ended_at or now) - node.started_at


class Printer(Protocol):
    """Shows a run while it goes."""

    def begin(self) -> None:
        """Before the first news."""

    def take(self, item: Journaled | Progress) -> None:
        """News; called by one thread."""

    def remark(self, text: str) -> None:
        """Something that hardpoint itself has to say meanwhile."""

    def end(self) -> None:
        """After the last news."""


class SilentPrinter:
    """Shows nothing: for programs that read the answer."""

    def begin(self) -> None:
        """See `Printer`."""

    def take(self, item: Journaled | Progress) -> None:
        """See `Printer`."""

    def remark(self, text: str) -> None:
        """See `Printer`: goes to stderr, as somebody pressed a key."""
        say(text, to=sys.stderr)

    def end(self) -> None:
        """See `Printer`."""


class LinePrinter:
    """One line for each change of a node's state, and every ten seconds how far the rest is.

    Args:
        watched: The run.
        stream: Where lines go.
        now: The time, seconds since the epoch.
        remind_s: Seconds of silence before a line that says what is in flight.
    """

    def __init__(
        self, watched: Watched, stream: IO[str], now: Callable[[], float], remind_s: float = 10.0
    ) -> None:
        self._watched = watched
        self._stream = stream
        self._now = now
        self._remind_s = remind_s
        self._width = min(NAME_MAX, max(map(len, watched.state.nodes), default=0))
        self._ended = threading.Event()
        self._said_at = now()
        self._reminder = threading.Thread(target=self._remind, daemon=True)

    def begin(self) -> None:
        """See `Printer`."""
        self._reminder.start()

    def take(self, item: Journaled | Progress) -> None:
        """See `Printer`."""
        for event in self._watched.take(item):
            for node, word, more in changes_of(event, self._watched.state):
                self._line(event.at, f"{node:<{self._width}}  {word:<9}  {more}")

    def remark(self, text: str) -> None:
        """See `Printer`."""
        self._line(self._now(), text)

    def end(self) -> None:
        """See `Printer`."""
        self._ended.set()
        self._reminder.join()

    def _line(self, at: float, text: str) -> None:
        self._said_at = self._now()
        say(f"{time_of_day(at)}  {text}".rstrip(), to=self._stream)

    def _remind(self) -> None:
        while not self._ended.wait(max(0.1, self._said_at + self._remind_s - self._now())):
            if self._now() < self._said_at + self._remind_s:
                continue
            with suppress(BrokenPipeError):
                self._line(self._now(), f"{self._watched.progress()}; {self._in_flight()}")

    def _in_flight(self) -> str:
        state, now = self._watched.state, self._now()
        shown = []
        for id in list(state.in_flight)[:3]:
            note = self._watched.note(id)
            shown.append(f"{id} for {duration(ran_s(state.nodes[id], now))}" + (f" ({note})" if note else ""))
        more = len(state.in_flight) - len(shown)
        return ", ".join(shown or ["nothing in flight"]) + (f" and {more} more" if more > 0 else "")


def changes_of(event: Event, state: RunState) -> Iterator[tuple[str, str, str]]:
    """What an event changed, as node, word and detail; the state has taken it in already."""
    match event:
        case AttemptStarted():
            yield event.node, "STARTED", f"attempt {event.attempt}" if event.attempt > 1 else ""
        case AttemptSucceeded():
            yield event.node, "SUCCEEDED", _after(state.nodes[event.node], event.at)
        case NodeCached():
            yield event.node, "CACHED", f"from run {event.execution}"
        case AttemptFailed():
            yield event.node, _failed_word(event), _failure(event)
        case JobCreated():
            yield event.node, "RUNNING", f"job {event.job.id}"
        case JobMoved():
            yield event.node, "RUNNING", f"job {event.phase.value.lower()} {event.reason}".rstrip()
        case CreateUnsettled():
            yield event.node, "STARTED", f"waits for its service: {event.error.message}"
        case AttemptCancelled():
            yield event.node, "CANCELLED", _after(state.nodes[event.node], event.at)
        case AbortRequested():
            yield "", "ABORTING", event.reason
        case AttemptPrepared() | CancelRequested() | Submitted() | Adopted() | Resumed() | Ended():
            pass
        case _:
            assert_never(event)


def _after(node: NodeRun, at: float) -> str:
    return f"after {duration(at - node.started_at)}" if node.started_at is not None else ""


def _failed_word(event: AttemptFailed) -> str:
    return "FAILED" if event.retry_at is None else "BACKOFF"


def _failure(event: AttemptFailed) -> str:
    first_line = event.error.message.partition("\n")[0]
    again = ""
    if event.retry_at is not None:
        again = f"; attempt {event.attempt + 1} in {duration(max(0.0, event.retry_at - event.at))}"
    return f"attempt {event.attempt}: {event.error.code}: {first_line}{again}"


def show_while_it_runs(execution: Execution, printer: Printer) -> threading.Thread:
    """Feed a printer from a thread of its own, so that the main thread stays free for signals."""

    def follow() -> None:
        try:
            for item in execution.follow():
                printer.take(item)
        except (HardpointError, BrokenPipeError):
            return  # the store became unreadable, as the run's outcome says; or nobody reads any more

    thread = threading.Thread(target=follow, name="hardpoint-view", daemon=True)
    thread.start()
    return thread
