"""Views of a run: found by a part of its id, drawn as a tree, told as lines, forecast."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable

import pytest

from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.cli.forecast import Chain, longest_chain
from hardpoint.executor.cli.tree import tree_lines
from hardpoint.executor.cli.watching import LinePrinter, Watched
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.run import Journaled, Progress
from hardpoint.executor.journal.events import (
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    Event,
    NodeCached,
    RunPhase,
    Submitted,
)
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import ExecutionNotFoundError, ExecutionRow
from hardpoint.executor.owner import is_driven
from hardpoint.executor.view import AmbiguousExecutionError, Try, find_row, tries_of
from hardpoint.plugin_api import ErrorInfo

SUBMITTED = Submitted(0.0, "f.py:main", "d", {}, "", "p", "d")
ERROR = ErrorInfo("ValueError", "no\nsecond line")


def graph(**upstream: Iterable[str]) -> FlatGraph:
    """Nodes by id, `__` for `.`, each with those it waits for."""
    named = {
        id.replace("__", "."): tuple(each.replace("__", ".") for each in up) for id, up in upstream.items()
    }
    nodes = {id: FlatNode(id, "task", (), up) for id, up in named.items()}
    dependents = {id: tuple(other for other, up in named.items() if id in up) for id in named}
    return FlatGraph(nodes, {id: those for id, those in dependents.items() if those}, {})


def journal(*ids: str) -> MemoryJournal:
    made = MemoryJournal()
    for id in ids:
        row = ExecutionRow(id, "f.py:main", "d", "p", "d", RunPhase.QUEUED, 0.0)
        made.create(row, b"", [SUBMITTED])
    return made


@pytest.mark.parametrize(
    ("text", "found"), [("a-1", "a-1"), ("a-12", "a-12"), ("b", "b-2"), ("12", "a-12"), ("last", "b-2")]
)
def test_a_run_is_found_by_a_part_of_its_id(text: str, found: str) -> None:
    assert find_row(journal("a-1", "a-12", "b-2"), text).execution == found


def test_a_part_that_fits_several_runs_or_none_is_refused() -> None:
    with pytest.raises(AmbiguousExecutionError) as several:
        find_row(journal("a-1", "a-12", "b-2"), "a")
    assert str(several.value) == "`a` fits 2 runs: `a-12`, `a-1`\n\nhint: Give more of the id"
    with pytest.raises(ExecutionNotFoundError) as none:
        find_row(journal("a-1"), "z")
    assert none.value.message == "No run `z` in this store; the latest: `a-1`"
    with pytest.raises(ExecutionNotFoundError) as nothing:
        find_row(journal(), "last")
    assert nothing.value.message == "No run `last` in this store; the latest: none"


def test_a_run_is_driven_while_a_lease_of_a_possible_owner_holds() -> None:
    row = ExecutionRow(
        "a", "w", "d", "p", "d", RunPhase.RUNNING, 0.0, owner="elsewhere/0/1/1/1", lease_until=30.0
    )
    assert (is_driven(row, 29.0), is_driven(row, 30.0)) == (True, False)


def test_tries_are_told_apart_and_keep_what_each_left() -> None:
    events: list[Event] = [
        SUBMITTED,
        AttemptStarted(1.0, "a", 1),
        NodeCached(1.0, "b", {}, "earlier", "key"),
        AttemptFailed(2.0, "a", 1, ERROR, Budget.USER, retry_at=3.0),
        AttemptStarted(3.0, "a", 2),
    ]
    assert tries_of(events) == [
        Try("a", 1, NodeState.FAILED, 1.0, 2.0, ERROR),
        Try("b", 0, NodeState.SUCCEEDED, 1.0, 1.0),
        Try("a", 2, NodeState.STARTED, 3.0),
    ]


def watched(shape: FlatGraph, *events: Event) -> Watched:
    made = Watched("run", shape)
    list(made.take(Journaled(1, [SUBMITTED, *events])))
    return made


def test_the_tree_has_sub_workflows_as_branches() -> None:
    made = watched(
        graph(load=(), fit__train=["load"], fit__score=["fit__train"]),
        NodeCached(1.0, "load", {}, "earlier", "key"),
        AttemptStarted(2.0, "fit.train", 1),
    )
    list(made.take(Progress("fit.train", 3, 10, "epoch 3")))
    assert [line.plain.rstrip() for line in tree_lines(made, 6.0, 20)] == [
        "load     CACHED",
        "fit",
        "  train  STARTED    4.0 s  3 of 10, epoch 3",
        "  score  WAITING",
        "1 of 3 nodes done, 6.0 s",
    ]


def test_a_tree_that_is_too_high_keeps_what_matters() -> None:
    shape = graph(**{f"n{number}": () for number in range(100)})
    done = [
        event
        for number in range(40)
        for event in (
            AttemptStarted(1.0, f"n{number}", 1),
            AttemptSucceeded(2.0 + number, f"n{number}", 1, {}),
        )
    ]
    failed = AttemptFailed(50.0, "n90", 1, ERROR, Budget.USER, retry_at=60.0)
    made = watched(shape, *done, AttemptStarted(45.0, "n90", 1), failed, AttemptStarted(46.0, "n80", 1))
    assert [line.plain.rstrip() for line in tree_lines(made, 55.0, 6)] == [
        "n38  SUCCEEDED  39.0 s",
        "n39  SUCCEEDED  40.0 s",
        "n80  STARTED    9.0 s",
        "n90  BACKOFF    again in 5.0 s  ValueError: no",
        "… 96 more: 38 SUCCEEDED, 58 READY",
        "40 of 100 nodes done, 55.0 s",
    ]


def test_lines_show_only_what_is_new_after_a_resume() -> None:
    stream = io.StringIO()
    made = Watched("run", graph(a=(), b=()), since=5.0)
    printer = LinePrinter(made, stream, now=lambda: 9.0)
    old: list[Event] = [SUBMITTED, AttemptStarted(1.0, "a", 1), AttemptSucceeded(2.0, "a", 1, {})]
    printer.take(Journaled(1, [*old, AttemptStarted(6.0, "b", 1)]))
    printer.take(Journaled(5, [AttemptFailed(8.5, "b", 1, ERROR, Budget.USER)]))
    assert [line[10:] for line in stream.getvalue().splitlines()] == [
        "b  STARTED",
        "b  FAILED     attempt 1: ValueError: no",
    ]
    assert made.progress() == "2 of 2 nodes done"


class Heard(io.StringIO):
    """Tells when something was said."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = threading.Event()

    def flush(self) -> None:
        self.flushed.set()


def test_silence_is_broken_by_a_line_about_what_is_in_flight() -> None:
    said = Heard()
    made = watched(graph(a=(), b=["a"]), AttemptStarted(1.0, "a", 1))
    list(made.take(Progress("a", 0, 0, "reading")))
    times = iter([0.0, 0.0])
    printer = LinePrinter(made, said, now=lambda: next(times, 31.0), remind_s=0.5)
    printer.begin()
    assert said.flushed.wait(10.0)
    printer.end()
    assert said.getvalue().splitlines()[0][10:] == "0 of 2 nodes done; a for 30.0 s (reading)"


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ({}, Chain(("a", "b", "d"), None)),
        ({"c": 5.0, "a": 1.0}, Chain(("a", "c"), 6.0)),
        ({"other": 5.0}, Chain(("a", "b", "d"), None)),
    ],
)
def test_the_longest_chain(durations: dict[str, float], expected: Chain) -> None:
    assert longest_chain(graph(a=(), b=["a"], c=["a"], d=["b"]), durations) == expected


def test_an_empty_workflow_has_no_chain() -> None:
    assert longest_chain(graph(), {}) == Chain((), None)
