"""Replays: kept journals of every format decide the same today, and what was changed in one is found."""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from hardpoint.core.compiled import CompiledWorkflow, from_json
from hardpoint.core.flatten import flatten
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.possible import Finish, Start
from hardpoint.executor.engine.replay import Difference, Replayed, replay
from hardpoint.executor.journal.events import (
    JOURNAL_FORMAT,
    AbortRequested,
    Adopted,
    ArrayOpened,
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelCause,
    CancelRequested,
    ChunkStarted,
    CreateUnsettled,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    Resumed,
    RunPhase,
    Submitted,
    decode_events,
)
from hardpoint.executor.journal.protocol import Append, ExecutionRow
from hardpoint.executor.journal.sql import SqlJournal
from hardpoint.executor.view import load_view
from hardpoint.plugin_api import ErrorInfo, ErrorKind, JobRef, Phase

JOURNALS = Path(__file__).parents[1] / "fixtures" / "journals"
KEPT = sorted(JOURNALS.glob("format_*/*.jsonl"))
NAMES = [f"{path.parent.name}/{path.stem}" for path in KEPT]


class Kept(NamedTuple):
    row: ExecutionRow
    compiled: CompiledWorkflow
    events: list[Event]

    def replay(self, upto: int | None = None) -> Replayed:
        return replay(self.row, self.compiled, flatten(self.compiled), self.events, upto)

    def place(self, kind: type[Event], node: str = "") -> int:
        """Index of the first event of a kind, of a node."""
        found = (type(each) is kind and node in ("", getattr(each, "node", "")) for each in self.events)
        return list(found).index(True)


class _Header(msgspec.Struct):
    format: int
    row: ExecutionRow


def kept(name: str) -> Kept:
    header, compiled, *events = (JOURNALS / f"{name}.jsonl").read_bytes().splitlines()
    row = msgspec.json.decode(header, type=_Header).row
    return Kept(row, from_json(compiled), decode_events(b"[" + b",".join(events) + b"]"))


# Kept journals


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_journal_decides_the_same_today(name: str) -> None:
    run = kept(name)
    replayed = run.replay()
    assert replayed.differences == []
    state = replayed.state
    assert (state.phase, state.outputs, state.error_node) == (
        run.row.phase,
        run.row.outputs,
        run.row.error_node,
    )


@pytest.mark.parametrize("name", NAMES)
def test_any_past_moment_of_a_kept_journal_can_be_rebuilt(name: str) -> None:
    run = kept(name)
    for seq in range(1, len(run.events) + 1):
        replayed = run.replay(seq)
        assert replayed.differences == []
        ended = replayed.state.ended_at
        assert replayed.state.phase.terminal == (ended is not None)


ENDS = {
    "chain": ("SUCCEEDED", {"result": 6}, "numbers:1 total:1"),
    "retried": ("SUCCEEDED", {"result": "works"}, "second_time:2"),
    "failing": ("FAILED", {}, "never:2 square:1 total:0"),
    "cached_again": ("SUCCEEDED", {"result": 13}, "square:0 square_2:0 total:1"),
    "jobs": ("SUCCEEDED", {"result": 4}, "sent:1 mislaid:1 total:1"),
    "torn_jobs": ("FAILED", {}, "torn:2"),
    "late_jobs": ("FAILED", {}, "late:2"),
    "queued_jobs": ("FAILED", {}, "holds:1 queued:0 total:0"),
    "aborted": ("ABORTED", {}, "endless:1 slow:1 total:0"),
    "resumed": ("SUCCEEDED", {"result": 32}, "square:2 with_key:2 total:1"),
    "adopted": ("SUCCEEDED", {"result": 2}, "mislaid:1 slow:2"),
    "nested": (
        "SUCCEEDED",
        {"result": 37},
        "inner.square:0 inner.total:1 inner_2.square:1 inner_2.total:1",
    ),
}
LATER = {
    "overdue_jobs": ("FAILED", {}, "overdue:1 holds:1 total:0"),
    "array": ("SUCCEEDED", {"result": 30}, "numbers:1 square:SSSSS total:1"),
    "array_again": ("SUCCEEDED", {"result": 91}, "numbers:1 square:SSSSSSS total:1"),
    "array_empty": ("SUCCEEDED", {"result": 0}, "numbers:1 square: total:1"),
    "array_tolerant": ("SUCCEEDED", {"result": 8}, "numbers:1 even:SSFSS found:1"),
    "array_jobs": ("SUCCEEDED", {"result": 6}, "numbers:1 mislaid:SSS total:1"),
    "array_chunks": ("SUCCEEDED", {"result": 12}, "numbers:1 bulk:SSFSS found:1"),
    "array_resumed": ("SUCCEEDED", {"result": 17}, "numbers:1 with_key_once:SSS total:1"),
    "array_adopted": ("SUCCEEDED", {"result": 6}, "numbers:1 slow_item:SSSS total:1"),
}


@pytest.mark.parametrize("format", range(1, JOURNAL_FORMAT + 1))
def test_how_kept_runs_ended(format: int) -> None:
    expected = {**ENDS, **(LATER if format > 1 else {})}
    ends = {}
    for name in expected:
        state = kept(f"format_{format}/{name}").replay().state
        attempts = [
            f"{node.id}:{node.array.letters.decode() if node.array else node.attempt}"
            for node in state.nodes.values()
        ]
        ends[name] = (state.phase.value, state.outputs, " ".join(attempts))
    assert ends == expected


def test_kept_journals_hold_every_kind_of_event() -> None:
    kinds = {type(event) for path in NAMES for event in kept(path).events}
    assert {each.__name__ for each in set(Event.__args__) - kinds} == set()


# Stores


def opened(tmp_path: Path, format: int) -> SqlJournal:
    path = tmp_path / "hardpoint.db"
    path.write_bytes(gzip.decompress((JOURNALS / f"format_{format}" / "store.db.gz").read_bytes()))
    return SqlJournal.at(path)


@pytest.mark.parametrize("format", range(1, JOURNAL_FORMAT + 1))
def test_a_store_of_every_format_opens_and_is_written(format: int, tmp_path: Path) -> None:
    journal = opened(tmp_path, format)
    names = sorted(path.stem for path in JOURNALS.glob(f"format_{format}/*.jsonl"))
    assert sorted(row.execution for row in journal.rows()) == sorted(
        f"run-{name.replace('_', '-')}" for name in names
    )
    row = journal.row("run-failing")
    assert format_of(tmp_path) == format
    assert load_view(journal, row).state.phase is RunPhase.FAILED
    claimed = journal.claim(row.execution, "host/1", 1.0)
    assert claimed is not None
    seq = len(journal.read(row.execution))
    events: list[Event] = [Adopted(1.0, "host/1", 2), Resumed(1.0)]
    journal.commit([Append(row.execution, claimed.fence, seq + 1, events)], durable=True)
    view = load_view(journal, row)
    assert replay(row, view.compiled, view.state.graph, view.events).differences == []
    assert view.state.phase is RunPhase.RUNNING
    journal.close()
    assert format_of(tmp_path) == JOURNAL_FORMAT


def format_of(tmp_path: Path) -> int:
    connection = sqlite3.connect(tmp_path / "hardpoint.db")
    try:
        (number,) = connection.execute("SELECT journal FROM formats").fetchone()
        return int(number)
    finally:
        connection.close()


# What is found: one event of a kept journal is changed, left out or put in


Change = Callable[[Kept], None]


def alter(kind: type[Event], node: str = "", **fields: Any) -> Change:
    def change(run: Kept) -> None:
        index = run.place(kind, node)
        run.events[index] = msgspec.structs.replace(run.events[index], **fields)

    return change


def again(kind: type[Event], node: str, **fields: Any) -> Change:
    """Alter the second event of a kind."""

    def change(run: Kept) -> None:
        index = run.place(kind, node) + 1
        index += run._replace(events=run.events[index:]).place(kind, node)
        run.events[index] = msgspec.structs.replace(run.events[index], **fields)

    return change


def insert(before: type[Event], node: str, *events: Event) -> Change:
    def change(run: Kept) -> None:
        index = run.place(before, node)
        run.events[index:index] = events

    return change


def drop(kind: type[Event], node: str = "") -> Change:
    def change(run: Kept) -> None:
        del run.events[run.place(kind, node)]

    return change


LOST = ErrorInfo("WorkerDied", "gone", ErrorKind.TRANSIENT)
WRONG = ErrorInfo("PluginOutputError", "wrong", ErrorKind.CONTRACT)
BUSY = ErrorInfo("ThrottledError", "busy", ErrorKind.THROTTLED, retry_after_s=30.0)
QUEUE = ErrorInfo("QueueTimeoutExpired", "too long")
LATE = 9e9
MOVES = "STARTED or RUNNING"

# The first difference that each change makes; later ones follow from it. `...` is not compared.
CASES: list[tuple[str, Change, tuple[str, str, str, Any, Any]]] = [
    ("chain", alter(Submitted, digest="d"), ("Submitted", "", "digest", "d", ...)),
    ("chain", alter(Submitted, workflow="w"), ("Submitted", "", "workflow", "w", "journal_flows.py:chain")),
    ("chain", drop(Submitted), ("Adopted", "", "first event", False, True)),
    ("chain", alter(Adopted, generation=3), ("Adopted", "", "generation", 3, 1)),
    ("chain", alter(AttemptStarted, "total", attempt=2), ("AttemptStarted", "total", "attempt", 2, 1)),
    ("chain", alter(AttemptStarted, "total", key="k"), ("AttemptStarted", "total", "key", "k", "")),
    (
        "chain",
        drop(AttemptSucceeded, "numbers"),
        ("AttemptStarted", "total", "made possible before", True, False),
    ),
    (
        "chain",
        drop(AttemptStarted, "total"),
        ("AttemptSucceeded", "total", "state before", MOVES, "READY"),
    ),
    (
        "chain",
        alter(AttemptSucceeded, "total", attempt=4),
        ("AttemptSucceeded", "total", "attempt", 4, 1),
    ),
    (
        "chain",
        alter(AttemptSucceeded, "total", outputs={"result": 7}),
        ("Ended", "", "outputs", {"result": 6}, {"result": 7}),
    ),
    (
        "chain",
        alter(AttemptSucceeded, "total", outputs={"result": "six"}),
        ("AttemptSucceeded", "total", "outputs", "of the task's types", ...),
    ),
    ("chain", alter(Ended, phase=RunPhase.FAILED), ("Ended", "", "phase", "FAILED", "SUCCEEDED")),
    ("chain", drop(AttemptSucceeded, "total"), ("Ended", "", "nodes left", 0, 1)),
    (
        "chain",
        insert(Ended, "", NodeCached(LATE, "ghost", {}, "older", "k")),
        ("NodeCached", "ghost", "made possible before", True, False),
    ),
    (
        "chain",
        insert(Ended, "", JobMoved(LATE, "ghost", 1, Phase.RUNNING)),
        ("JobMoved", "ghost", "decided", True, "ContractViolation: Run `run-chain` has no node `ghost`"),
    ),
    (
        "chain",
        insert(AttemptStarted, "total", AttemptCancelled(LATE, "numbers", 1)),
        ("AttemptCancelled", "numbers", "state before", MOVES, "SUCCEEDED"),
    ),
    (
        "chain",
        insert(AttemptSucceeded, "numbers", AttemptCancelled(LATE, "numbers", 1)),
        ("AttemptCancelled", "numbers", "phase before", "ABORTING or FAILING", "RUNNING"),
    ),
    (
        "chain",
        insert(Ended, "", Resumed(LATE)),
        ("Resumed", "", "phase before", "FAILED or ABORTED", "RUNNING"),
    ),
    (
        "aborted",
        insert(AttemptCancelled, "", AbortRequested(LATE, "again")),
        ("AbortRequested", "", "phase before", "RUNNING or QUEUED", "ABORTING"),
    ),
    ("cached_again", alter(NodeCached, key="k"), ("NodeCached", "square", "key", "k", ...)),
    (
        "retried",
        alter(AttemptFailed, retry_at=None),
        ("AttemptFailed", "second_time", "next attempt", "none", "in 0 to 0.05 s"),
    ),
    (
        "torn_jobs",
        again(AttemptFailed, "torn", at=1.0, retry_at=3.0),
        ("AttemptFailed", "torn", "next attempt", "in 2.000 s", "none"),
    ),
    (
        "retried",
        alter(AttemptFailed, at=1.0, retry_at=3.0),
        ("AttemptFailed", "second_time", "next attempt", "in 2.000 s", "in 0 to 0.05 s"),
    ),
    (
        "retried",
        alter(AttemptFailed, at=1.0, retry_at=3.0, error=WRONG, budget=Budget.SYSTEM),
        ("AttemptFailed", "second_time", "next attempt", "in 2.000 s", "none"),
    ),
    (
        "retried",
        alter(AttemptFailed, budget=Budget.SYSTEM),
        ("AttemptFailed", "second_time", "budget", "system", "user"),
    ),
    (
        "retried",
        alter(AttemptFailed, error=LOST, budget=Budget.NOBODY),
        ("AttemptFailed", "second_time", "budget", "nobody", "system"),
    ),
    (
        "retried",
        alter(AttemptFailed, error=BUSY, budget=Budget.NOBODY, at=1.0, retry_at=2.0),
        ("AttemptFailed", "second_time", "next attempt", "in 1.000 s", "in 30 to 30 s"),
    ),
    (
        "retried",
        alter(AttemptFailed, at=LATE, retry_at=LATE + 0.04),
        ("AttemptStarted", "second_time", "due", ..., LATE + 0.04),
    ),
    (
        "queued_jobs",
        alter(AttemptFailed, error=QUEUE, retry_at=LATE),
        ("AttemptFailed", "queued", "next attempt", ..., "none"),
    ),
    ("jobs", alter(AttemptStarted, "sent", token="hp-x"), ("AttemptStarted", "sent", "token", "hp-x", ...)),
    (
        "jobs",
        alter(AttemptStarted, "sent", token=""),
        ("JobCreated", "sent", "token before", True, False),
    ),
    (
        "jobs",
        insert(JobMoved, "sent", JobCreated(LATE, "sent", 1, JobRef("other"))),
        ("JobCreated", "sent", "job before", None, ...),
    ),
    (
        "jobs",
        insert(JobMoved, "sent", CreateUnsettled(LATE, "sent", 1, BUSY, LATE)),
        ("CreateUnsettled", "sent", "state before", "STARTED", "RUNNING"),
    ),
    (
        "jobs",
        insert(JobCreated, "sent", CreateUnsettled(LATE, "sent", 1, BUSY, LATE)),
        ("CreateUnsettled", "sent", "retry_at", LATE, LATE + 30),
    ),
    (
        "jobs",
        insert(AttemptSucceeded, "sent", JobMoved(LATE, "sent", 1, Phase.SUCCEEDED)),
        ("JobMoved", "sent", "phase", "SUCCEEDED", "nothing to journal"),
    ),
    (
        "late_jobs",
        alter(CancelRequested, at=1.0),
        ("CancelRequested", "late", "limit", 1.0, ...),
    ),
    (
        "late_jobs",
        alter(CancelRequested, cause=CancelCause.DEADLINE),
        ("CancelRequested", "late", "limit", True, None),
    ),
    (
        "late_jobs",
        alter(CancelRequested, cause=CancelCause.ABORT),
        ("CancelRequested", "late", "phase before", "ABORTING or FAILING", "RUNNING"),
    ),
    (
        "late_jobs",
        insert(AttemptFailed, "late", CancelRequested(LATE, "late", 1, CancelCause.TIMEOUT)),
        ("CancelRequested", "late", "cancelled before", False, True),
    ),
    ("array", alter(ArrayOpened, size=6), ("ArrayOpened", "square", "size", 6, 5)),
    ("array_tolerant", alter(ArrayOpened, required=5), ("ArrayOpened", "even", "required", 5, 3)),
    ("array", alter(ArrayOpened, outputs=("x",)), ("ArrayOpened", "square", "outputs", ["x"], ["result"])),
    (
        "array",
        insert(AttemptSucceeded, "numbers", ArrayOpened(LATE, "square", 5, 5, ("result",))),
        ("ArrayOpened", "square", "state before", "READY", "WAITING"),
    ),
    (
        "array_tolerant",
        insert(AttemptSucceeded, "even[0]", AttemptStarted(LATE, "even[3]", 1)),
        ("AttemptStarted", "even[3]", "in flight", 3, 2),
    ),
    (
        "array",
        insert(AttemptStarted, "total", AttemptStarted(LATE, "square[4]", 2)),
        ("AttemptStarted", "square[4]", "decided", True, ...),
    ),
    (
        "array_jobs",
        insert(AttemptStarted, "mislaid[0]", ChunkStarted(LATE, "mislaid#1", "hp-x", ((0, 1),))),
        ("ChunkStarted", "mislaid#1", "name", "mislaid#1", "mislaid#0"),
    ),
    (
        "array_jobs",
        insert(AttemptStarted, "mislaid[0]", ChunkStarted(LATE, "mislaid#0", "hp-x", ((0, 1),))),
        ("ChunkStarted", "mislaid#0", "token", "hp-x", ...),
    ),
]


@pytest.mark.parametrize(("name", "change", "expected"), CASES)
def test_what_differs_is_found(name: str, change: Change, expected: tuple[Any, ...]) -> None:
    run = kept(f"format_{JOURNAL_FORMAT}/{name}")
    change(run)
    first = run.replay().differences[0]
    told = (first.event, first.node, first.what, first.journal, first.today)
    assert told == tuple(mine if want is ... else want for want, mine in zip(expected, told, strict=True))


def test_items_of_a_chunk_must_wait() -> None:
    run = kept(f"format_{JOURNAL_FORMAT}/array_jobs")
    chunk = ChunkStarted(LATE, "mislaid#0", "hp-x", ((0, 1), (7, 7)))
    run.events[run.place(AttemptSucceeded, "mislaid[0]")] = chunk
    upto = run.events.index(chunk) + 1
    assert run.replay(upto).differences[1:] == [
        Difference(upto, "ChunkStarted", "mislaid#0", "items that wait", [0, 1, 7], []),
        Difference(
            upto,
            "ChunkStarted",
            "mislaid#0",
            "applied",
            True,
            "ContractViolation: Array node `mislaid` has no item 7 to attempt",
        ),
    ]


def test_a_past_moment_has_what_was_possible_then() -> None:
    run = kept("format_1/chain")
    replayed = run.replay(run.place(AttemptSucceeded, "numbers") + 1)
    assert replayed.possible == [Start("total")]
    assert replayed.state.nodes["total"].state is NodeState.READY
    assert run.replay(len(run.events) - 1).possible == [Finish()]
