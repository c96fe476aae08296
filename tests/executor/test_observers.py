"""Observers and sinks are told everything, in order, also after they failed; none waits for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hardpoint.executor.engine.observers import Observers
from hardpoint.executor.engine.teller import EVENTS_AT_ONCE
from hardpoint.executor.journal.events import AttemptStarted, Ended, Event, RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import Append, ExecutionRow
from hardpoint.plugin_api import EventSink, JournaledEvent, hookimpl
from hardpoint.plugin_api.hookspecs import COOLING_S, FAILURES_MAX
from hardpoint.registry import Registry

PATIENCE_S = 30.0
ROW = ExecutionRow("e1", "flow", "d1", "p", "dev", RunPhase.RUNNING, 0.0, owner="me", fence=1)
ALL = ["e1/1", "e1/2", "e1/3"]


class Sink:
    """Takes events, unless it is told to fail."""

    def __init__(self, name: str, fails: int = 0, kinds: tuple[str, ...] = ()) -> None:
        self.name, self.fails, self.kinds = name, fails, kinds
        self.seen: list[str] = []
        self.tried = 0

    def deliver(self, events: Sequence[JournaledEvent]) -> None:
        self.tried += 1
        if self.tried <= self.fails:
            raise ConnectionError("the warehouse is away")
        self.seen += [event.id for event in events]


class Acme:
    def __init__(self, *sinks: Sink) -> None:
        self.sinks = sinks

    @hookimpl
    def event_sinks(self) -> Iterator[EventSink]:
        for sink in self.sinks:
            yield EventSink(sink.name, sink.deliver, sink.kinds)


def journal_of_one_run() -> MemoryJournal:
    journal = MemoryJournal()
    journal.create(ROW, b"{}", [Submitted(1.0, "flow", "d1", {}, "", "p", "dev")])
    rest: list[Event] = [AttemptStarted(2.0, "a", 1), Ended(3.0, RunPhase.FAILED)]
    journal.commit([Append("e1", 1, 2, rest, ROW)], durable=False)
    return journal


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@contextmanager
def telling(journal: MemoryJournal, registry: Registry) -> Iterator[Observers]:
    observers = Observers(registry, journal, again_s=0.01)
    observers.catch_up(["e1"])
    yield observers
    observers.close()


def test_each_sink_has_a_position_of_its_own_and_gets_its_kinds_alone() -> None:
    journal, everything, ends = journal_of_one_run(), Sink("all"), Sink("ends", kinds=("Ended",))
    with telling(journal, Registry([], {"acme": Acme(everything, ends)})):
        pass
    assert (everything.seen, ends.seen) == (ALL, ["e1/3"])
    assert [journal.observed(f"acme#{name}", "e1") for name in ("all", "ends")] == [3, 3]
    later = Sink("later")
    with telling(journal, Registry([], {"acme": Acme(everything, later)})):
        pass
    assert (everything.seen, later.seen) == (ALL, ALL)


def test_what_a_sink_failed_to_take_is_told_again() -> None:
    journal, sink, other = journal_of_one_run(), Sink("rows", fails=FAILURES_MAX - 1), Sink("other")
    with telling(journal, Registry([], {"acme": Acme(sink, other)})):
        until(lambda: journal.observed("acme#rows", "e1") == 3)
    assert (sink.seen, sink.tried) == (ALL, FAILURES_MAX)
    assert (other.seen, other.tried) == (ALL, 1)


def test_a_sink_that_was_left_out_is_told_what_it_missed_when_it_has_cooled() -> None:
    journal, sink, now = journal_of_one_run(), Sink("rows", fails=FAILURES_MAX), [1_000.0]
    with telling(journal, Registry([], {"acme": Acme(sink)}, now=lambda: now[0])) as observers:
        until(lambda: sink.tried == FAILURES_MAX)
        observers.catch_up(["e1"])
    assert (sink.seen, sink.tried, journal.observed("acme#rows", "e1")) == ([], FAILURES_MAX, 0)
    now[0] += COOLING_S
    with telling(journal, Registry([], {"acme": Acme(sink)})):
        pass
    assert (sink.seen, journal.observed("acme#rows", "e1")) == (ALL, 3)


def test_one_that_is_slow_keeps_no_other_waiting() -> None:
    let_go, quick = threading.Event(), Sink("quick")

    class Slow:
        @hookimpl
        def events_journaled(self, events: Sequence[JournaledEvent]) -> None:
            let_go.wait(PATIENCE_S)

    with telling(journal_of_one_run(), Registry([], {"slow": Slow(), "acme": Acme(quick)})):
        until(lambda: quick.seen == ALL)
        let_go.set()


def test_much_that_was_missed_is_told_in_parts() -> None:
    journal, sink = journal_of_one_run(), Sink("rows")
    more = EVENTS_AT_ONCE
    events: list[Event] = [AttemptStarted(4.0, "a", number) for number in range(more)]
    journal.commit([Append("e1", 1, 4, events, ROW)], durable=False)
    with telling(journal, Registry([], {"acme": Acme(sink)})):
        pass
    assert sink.seen == [f"e1/{seq}" for seq in range(1, more + 4)]
    assert sink.tried == 2
