"""How a run goes, shown while it goes: the model of what is seen, and plain lines for pipes."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Protocol

from hardpoint.core.flatten import FlatGraph
from hardpoint.executor.cli.arrays import array_words
from hardpoint.executor.cli.changes import ItemFailures, changes_of
from hardpoint.executor.cli.output import say
from hardpoint.executor.cli.wording import duration, plural, time_of_day
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.run import Journaled, Progress
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.execution import Execution
from hardpoint.executor.journal.events import AttemptFailed, AttemptStarted, AttemptSucceeded, Event
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
            if isinstance(event, AttemptStarted | AttemptSucceeded | AttemptFailed) and self.notes:
                self.notes.pop(event.node, None)
            if event.at >= self.since:
                yield event

    def note(self, node: str) -> str:
        """What an attempt in flight says of its progress; empty if nothing."""
        said = self.notes.get(node)
        unit = self.state.find(node) if said is not None else None
        if said is None or unit is None or not unit.state.in_flight:
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
        self._told = ItemFailures()
        self._ended = threading.Event()
        self._said_at = now()
        self._reminder = threading.Thread(target=self._remind, daemon=True)

    def begin(self) -> None:
        """See `Printer`."""
        self._reminder.start()

    def take(self, item: Journaled | Progress) -> None:
        """See `Printer`."""
        for event in self._watched.take(item):
            for node, word, more in changes_of(event, self._watched.state, self._told):
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
                self._line(self._now(), f"{self._watched.progress()}; {self.in_flight()}")

    def in_flight(self) -> str:
        """What is going on now, in half a line."""
        state, now = self._watched.state, self._now()
        arrays = [node for node in state.nodes.values() if node.state is NodeState.MAPPING]
        shown = [f"{node.id} {array_words(node.array)}" for node in arrays if node.array is not None]
        alone = [id for id in tuple(state.in_flight) if id in state.nodes]
        for id in alone[:3]:
            note = self._watched.note(id)
            shown.append(f"{id} for {duration(ran_s(state.nodes[id], now))}" + (f" ({note})" if note else ""))
        more = len(alone) - len(alone[:3])
        return ", ".join(shown or ["nothing in flight"]) + (f" and {more} more" if more > 0 else "")


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
