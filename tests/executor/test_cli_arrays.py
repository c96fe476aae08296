"""Array nodes on the command line: one line each, and their items only where they are asked for."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from hardpoint.core.compiled import Mapped
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.cli.tree import tree_lines
from hardpoint.executor.cli.watching import LinePrinter, Watched
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.run import Journaled, Progress
from hardpoint.executor.journal.events import (
    ArrayOpened,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    ChunkStarted,
    Event,
    Submitted,
)
from hardpoint.executor.view import Try, tries_of
from hardpoint.plugin_api import ErrorInfo

STORE = Path(__file__).parents[1] / "fixtures" / "journals" / "format_2" / "store.db.gz"
SUBMITTED = Submitted(0.0, "f.py:main", "d", {}, "", "p", "d")
ERROR = ErrorInfo("ValueError", "no\nsecond line")


class Said(NamedTuple):
    out: str
    err: str
    code: int


Cli = Callable[..., Said]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Commands over kept runs of array nodes."""
    (tmp_path / "hardpoint.db").write_bytes(gzip.decompress(STORE.read_bytes()))
    monkeypatch.setenv("HARDPOINT_HOME", str(tmp_path))

    def run(*words: str) -> Said:
        code = run_command_line(["executions", *words])
        return Said(*capfd.readouterr(), code)

    yield run


def graph(size_of: str = "squares") -> FlatGraph:
    nodes = {
        size_of: FlatNode(size_of, "f.py:square", (), (), Mapped(("x",), min_success_ratio=0.5)),
        "last": FlatNode("last", "f.py:last", (), (size_of,)),
    }
    return FlatGraph(nodes, {size_of: ("last",)}, {})


def watched(*events: Event, size: int = 4, required: int = 2) -> Watched:
    made = Watched("run", graph())
    opened = ArrayOpened(1.0, "squares", size, required, ("result",))
    list(made.take(Journaled(1, [SUBMITTED, opened, *events])))
    return made


def started(index: int, at: float = 2.0, attempt: int = 1) -> Event:
    return AttemptStarted(at, f"squares[{index}]", attempt)


def succeeded(index: int, at: float = 3.0) -> Event:
    return AttemptSucceeded(at, f"squares[{index}]", 1, {"result": index})


def failed(index: int, at: float = 3.0, attempt: int = 1, retry_at: float | None = None) -> Event:
    return AttemptFailed(at, f"squares[{index}]", attempt, ERROR, Budget.USER, retry_at)


# While it runs


def test_the_tree_has_one_line_for_an_array_node() -> None:
    moves = [started(0), succeeded(0), started(1), failed(1), started(2), started(3), failed(3, retry_at=9.0)]
    made = watched(*moves)
    assert [line.plain.rstrip() for line in tree_lines(made, 5.0, 20)] == [
        "squares  MAPPING    4.0 s  1/4 done, 1 running, 1 failed, 1 waiting for a retry",
        "last     WAITING",
        "0 of 2 nodes done, 5.0 s",
    ]


def lines(made: Watched, *events: Event) -> list[str]:
    """What is printed for events that come now."""
    stream = io.StringIO()
    LinePrinter(made, stream, now=lambda: 9.0).take(Journaled(3, list(events)))
    return [line[10:] for line in stream.getvalue().splitlines()]


def test_lines_tell_the_beginning_the_end_and_failures() -> None:
    made = Watched("run", graph())
    opened = ArrayOpened(1.0, "squares", 4, 2, ("result",))
    ends = [succeeded(0), failed(1, retry_at=3.5), succeeded(2), failed(3)]
    last = [started(1, 4.0, 2), AttemptFailed(5.0, "squares[1]", 2, ERROR, Budget.USER)]
    assert lines(made, SUBMITTED, opened, *map(started, range(4)), *ends, *last) == [
        "squares  MAPPING    4 items, 2 must succeed",
        "squares[1]  BACKOFF    attempt 1: ValueError: no; attempt 2 in 500 ms",
        "squares[3]  FAILED     attempt 1: ValueError: no",
        "squares[1]  FAILED     attempt 2: ValueError: no",
        "squares  SUCCEEDED  2/4 done, 2 failed, after 4.0 s",
    ]


def test_an_empty_array_ends_when_it_is_opened() -> None:
    opened = ArrayOpened(1.0, "squares", 0, 0, ("result",))
    assert lines(Watched("run", graph()), SUBMITTED, opened) == ["squares  SUCCEEDED  0 items"]


def test_after_twenty_failures_the_rest_is_counted() -> None:
    made = watched(*map(started, range(50)), size=100, required=10)
    told = lines(made, *map(failed, range(50)))
    assert told[19:] == [
        "squares[19]  FAILED     attempt 1: ValueError: no",
        "squares  MAPPING    further failures of its items are only counted",
    ]


def test_a_reminder_says_how_far_array_nodes_are() -> None:
    made = watched(started(0), started(1), succeeded(0))
    list(made.take(Progress("squares[1]", 1, 2)))
    assert made.note("squares[1]") == "1 of 2"
    assert made.note("squares[0]") == ""
    printer = LinePrinter(made, io.StringIO(), now=lambda: 9.0)
    assert printer.in_flight() == "squares 1/4 done, 1 running"


def test_attempts_of_items_in_a_chunk_are_told_apart() -> None:
    events: list[Event] = [
        ChunkStarted(1.0, "squares#0", "t", ((0, 1),)),
        AttemptSucceeded(2.0, "squares[0]", 1, {}),
        AttemptFailed(2.0, "squares[1]", 1, ERROR, Budget.USER, 2.0),
        ChunkStarted(3.0, "squares#1", "u", ((1, 1),)),
    ]
    assert tries_of(events) == [
        Try("squares[0]", 1, NodeState.SUCCEEDED, 1.0, 2.0),
        Try("squares[1]", 1, NodeState.FAILED, 1.0, 2.0, ERROR),
        Try("squares[1]", 2, NodeState.STARTED, 3.0),
    ]


# Afterwards


def table_of(out: str, title: str) -> list[list[str]]:
    """Cells of the table under a line."""
    rows = out.partition(f"{title}\n")[2].partition("\n\n")[0].splitlines()
    return [re.split(r"\s{2,}", row) for row in rows]


def test_show_has_one_line_for_an_array_node(cli: Cli) -> None:
    rows = cli("show", "run-array-tolerant").out.partition("\n\n")[2].splitlines()
    assert re.sub(r"\d+ ms|\d\.\d s", "T", rows[2]).split("  ")[-1] == "4/5 done, 1 failed"
    assert [row.split()[0] for row in rows[:4]] == ["NODE", "numbers", "even", "found"]


def test_an_array_node_lists_the_items_that_failed(cli: Cli) -> None:
    said = cli("show", "run-array-tolerant", "even")
    assert said.out.splitlines()[:2] == [
        "Node      even of run run-array-tolerant",
        "Task      journal_flows.py:even, over `value`; 2 at a time; 50 % must succeed",
    ]
    assert "\nItems     5 items, 3 must succeed: 4/5 done, 1 failed\n" in said.out
    assert table_of(said.out, "Failed items") == [
        ["ITEM", "STATE", "ATTEMPTS", "REMARK"],
        ["even[2]", "FAILED", "2", "ValueError: 2 leaves 2"],
    ]
    assert "\nLook closer with `hardpoint executions show run-array-tolerant 'even[2]'`\n" in said.out
    everything = table_of(cli("show", "run-array-tolerant", "even", "--items").out, "Items")
    assert [row[:3] for row in everything[1:]] == [
        ["even[0]", "SUCCEEDED", "1"],
        ["even[1]", "SUCCEEDED", "1"],
        ["even[2]", "FAILED", "2"],
        ["even[3]", "SUCCEEDED", "1"],
        ["even[4]", "SUCCEEDED", "1"],
    ]


def test_one_item_has_its_attempts_inputs_and_error(cli: Cli) -> None:
    said = cli("show", "run-array-tolerant", "even[2]")
    lines = said.out.splitlines()
    assert lines[:3] == [
        "Item      even[2] of 5 items, 3 must succeed",
        "Task      journal_flows.py:even",
        "State     FAILED",
    ]
    assert [line.split()[:2] for line in lines[4:7]] == [
        ["ATTEMPT", "STATE"],
        ["1", "FAILED"],
        ["2", "FAILED"],
    ]
    assert lines[8:12] == ["Inputs", "  value = 2", "", "Error: ValueError: 2 leaves 2"]
    assert said.code == 0


def test_programs_get_counts_and_failures_and_every_item_only_if_asked(cli: Cli) -> None:
    (_, node, _) = json.loads(cli("show", "run-array-tolerant", "--json").out)["nodes"]
    error = {"code": "ValueError", "message": "2 leaves 2", "hint": ""}
    failure = {"item": 2, "state": "FAILED", "attempt": 2, "error": error}
    assert node["array"] == {
        "size": 5,
        "required": 3,
        "counts": {"SUCCEEDED": 4, "FAILED": 1},
        "failed": [failure],
    }
    assert (node["node"], node["outputs"], node["attempts"]) == ("even", None, [])
    full = json.loads(cli("show", "run-array-tolerant", "even", "--items", "--json").out)
    assert full["array"]["items"][1:3] == [
        {"item": 1, "state": "SUCCEEDED", "attempt": 1, "error": None, "outputs": {"result": 1}},
        {**failure, "outputs": None},
    ]
    assert full["inputs"] == {"value": [0, 1, 2, 3, 4]}
    one = json.loads(cli("show", "run-array-tolerant", "even[2]", "--json").out)
    assert [each["state"] for each in one.pop("attempts")] == ["FAILED", "FAILED"]
    assert one == {
        "node": "even",
        "task": "journal_flows.py:even",
        **failure,
        "inputs": {"value": 2},
        "outputs": None,
    }


def test_a_sub_workflow_is_shown_by_its_nodes(cli: Cli) -> None:
    rows = cli("show", "run-nested", "inner").out.splitlines()
    assert [row.split()[0] for row in rows] == ["NODE", "inner.square", "inner.total"]
    told = json.loads(cli("show", "run-nested", "inner", "--json").out)
    assert [each["node"] for each in told] == ["inner.square", "inner.total"]
    told = json.loads(cli("show", "run-nested", "inner.total", "--json").out)
    assert (told["node"], told["inputs"], told["outputs"]) == (
        "inner.total",
        {"values": [4, 2]},
        {"result": 6},
    )


def test_logs_are_told_by_item(cli: Cli) -> None:
    told = json.loads(cli("logs", "run-array-tolerant", "even[2]", "--json").out)
    assert [(each["node"], each["attempt"], each["state"]) for each in told] == [
        ("even[2]", 1, "FAILED"),
        ("even[2]", 2, "FAILED"),
    ]
    told = json.loads(cli("logs", "run-array-tolerant", "even", "--json").out)
    assert sorted({each["node"] for each in told}) == [f"even[{index}]" for index in range(5)]


@pytest.mark.parametrize(
    ("run", "node", "message"),
    [
        (
            "run-array",
            "squar",
            "Run `run-array` has no node `squar`\n\nhint: Did you mean `square`?\n",
        ),
        (
            "run-array",
            "square[5]",
            "Node `square` has 5 items, and none is `5`\n\nhint: They are `'square[0]'` to `'square[4]'`\n",
        ),
        (
            "run-array",
            "square[-1]",
            "Node `square` has 5 items, and none is `-1`\n\nhint: They are `'square[0]'` to `'square[4]'`\n",
        ),
        (
            "run-array-empty",
            "square[0]",
            "Node `square` has 0 items, and none is `0`\n\nhint: Its lists are empty\n",
        ),
        (
            "run-array",
            "total[0]",
            "Node `total` has no items: it is not mapped\n\nhint: Write `total`\n",
        ),
        (
            "run-array",
            "ghost[0]",
            "Run `run-array` has no node `ghost`\n\n"
            "hint: `hardpoint executions show run-array` lists its nodes\n",
        ),
    ],
)
@pytest.mark.parametrize("command", ["show", "logs"])
def test_what_is_not_there_is_refused(cli: Cli, command: str, run: str, node: str, message: str) -> None:
    assert cli(command, run, node) == Said("", message, 2)
