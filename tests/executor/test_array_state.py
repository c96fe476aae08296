"""The state machine of array nodes, as tables of events."""

from __future__ import annotations

import pytest

from hardpoint.core.compiled import FromNode, Mapped
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.possible import Feed, Finish, Possible, Settle, Start, Stop, Watch
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import (
    AbortRequested,
    ArrayOpened,
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    ChunkStarted,
    Ended,
    Event,
    JobCreated,
    NodeCached,
    Resumed,
    RunPhase,
    Submitted,
    decode_events,
    encode_events,
)
from hardpoint.plugin_api import ContractViolation, ErrorInfo, JobRef

SUBMITTED = Submitted(0.0, "w", "d", {}, "", "p", "dev")
ERROR = ErrorInfo("ValueError", "no")


def graph() -> FlatGraph:
    """squares (mapped) -> total."""
    nodes = {
        "squares": FlatNode("squares", "t", (), (), Mapped(("x",))),
        "total": FlatNode("total", "t", (), ("squares",)),
    }
    return FlatGraph(nodes, {"squares": ("total",)}, {"result": FromNode("total", "result")})


def opened(size: int, required: int | None = None) -> ArrayOpened:
    return ArrayOpened(1.0, "squares", size, size if required is None else required, ("result",))


def started(item: int, attempt: int = 1, token: str = "") -> AttemptStarted:
    return AttemptStarted(2.0, f"squares[{item}]", attempt, token)


def succeeded(item: int, attempt: int = 1) -> AttemptSucceeded:
    return AttemptSucceeded(3.0, f"squares[{item}]", attempt, {"result": item * item})


def failed(item: int, attempt: int = 1, *, retry_at: float | None = None) -> AttemptFailed:
    return AttemptFailed(3.0, f"squares[{item}]", attempt, ERROR, Budget.USER, retry_at)


def after(*events: Event) -> tuple[RunState, list[Possible]]:
    """The state after those events, and what the last of them made possible."""
    state = RunState("e", graph())
    possible: list[Possible] = []
    for event in (SUBMITTED, *events):
        possible = state.apply(event)
    return state, possible


def array_in(state: RunState) -> ArrayRun:
    array = state.nodes["squares"].array
    assert array is not None
    return array


def letters(state: RunState) -> str:
    return array_in(state).letters.decode()


def test_opening_lets_items_be_attempted() -> None:
    state, possible = after(opened(3))
    assert possible == [Feed("squares")]
    assert (letters(state), state.nodes["squares"].state) == ("QQQ", NodeState.MAPPING)


def test_no_items_are_a_success_at_once() -> None:
    state, possible = after(opened(0))
    assert possible == [Start("total")]
    assert state.outputs_of("squares") == {"result": []}


def test_all_items_succeed() -> None:
    state, possible = after(opened(2), started(1), started(0), succeeded(1), succeeded(0))
    assert possible == [Start("total")]
    assert state.outputs_of("squares") == {"result": [0, 1]}
    array = array_in(state)
    assert (letters(state), array.live, array.attempts(0), state.in_flight) == ("SS", {}, 1, set())


def test_an_item_is_tried_again_for_itself() -> None:
    state, possible = after(opened(2), started(0), failed(0, retry_at=9.0))
    assert possible == [Start("squares[0]", 9.0), Feed("squares")]
    assert letters(state) == "BQ"
    state, _ = after(
        opened(2), started(0), failed(0, retry_at=9.0), started(0, 2), succeeded(0, 2), started(1)
    )
    assert (letters(state), array_in(state).attempts(0), array_in(state).attempts(1)) == ("SR", 2, 1)


def test_one_failure_too_many_ends_the_run() -> None:
    state, possible = after(opened(3), started(0), started(1), failed(0))
    assert possible == [Stop("squares[1]")]
    assert (letters(state), state.phase, state.error_node) == ("FRX", RunPhase.FAILING, "squares[0]")
    assert state.apply(AttemptCancelled(4.0, "squares[1]", 1)) == [Finish()]
    assert state.nodes["squares"].state is NodeState.FAILED
    assert state.nodes["total"].state is NodeState.SKIPPED


def test_failures_that_are_allowed_leave_gaps() -> None:
    state, possible = after(opened(2, required=1), started(0), failed(0), started(1), succeeded(1))
    assert possible == [Start("total")]
    assert (letters(state), state.outputs_of("squares")) == ("FS", {"result": [None, 1]})
    assert array_in(state).errors == {0: ERROR}


def test_too_few_successes_are_told_as_such() -> None:
    state, _ = after(opened(3, required=2), started(0), failed(0), started(1), failed(1))
    assert state.error is not None
    assert state.error.message == "2 of 3 items failed, and 2 must succeed; the last: no"
    assert letters(state) == "FFX"


def test_the_last_failure_of_a_strict_array() -> None:
    state, possible = after(opened(1), started(0), failed(0))
    assert possible == [Finish()]
    assert (state.error, state.nodes["squares"].state) == (ERROR, NodeState.FAILED)


def test_an_abort_waits_for_items_in_flight() -> None:
    state, possible = after(opened(3), started(2), AbortRequested(4.0, "enough"))
    assert (possible, letters(state)) == ([Stop("squares[2]")], "XXR")
    assert state.apply(AttemptCancelled(5.0, "squares[2]", 1)) == [Finish()]
    assert state.nodes["squares"].state is NodeState.CANCELLED


def test_an_item_that_would_have_been_tried_again_is_no_failure_that_is_allowed() -> None:
    events = (opened(2, required=1), started(0), succeeded(0), started(1), AbortRequested(4.0, "enough"))
    state, possible = after(*events, failed(1, retry_at=9.0))
    assert (possible, letters(state)) == ([Finish()], "SC")
    assert state.nodes["squares"].state is NodeState.CANCELLED
    state.apply(Ended(5.0, RunPhase.ABORTED))
    assert (state.apply(Resumed(6.0)), letters(state)) == ([Feed("squares")], "SQ")


def test_an_abort_before_any_item_started() -> None:
    state, possible = after(opened(3), AbortRequested(4.0, "enough"))
    assert (possible, state.nodes["squares"].state) == ([Finish()], NodeState.CANCELLED)


def test_cached_items_need_no_attempt() -> None:
    hit = NodeCached(2.0, "squares[1]", {"result": 7}, "other", "key")
    state, _ = after(opened(2), hit)
    assert (letters(state), array_in(state).attempts(1)) == ("QS", 0)


def test_a_resumed_array_keeps_what_succeeded() -> None:
    ended = Ended(5.0, RunPhase.FAILED)
    state, possible = after(opened(3), started(0), succeeded(0), started(1), failed(1), ended, Resumed(6.0))
    assert possible == [Feed("squares")]
    assert letters(state) == "SQQ"
    unit = array_in(state).next_unit()
    assert unit is not None
    assert (unit.id, unit.attempt, unit.user_failures) == ("squares[1]", 1, 0)


def test_an_item_that_never_started_and_is_resumed_counts_on() -> None:
    never = AttemptFailed(2.0, "squares[0]", 0, ERROR, Budget.USER)
    ended = Ended(5.0, RunPhase.FAILED)
    state, _ = after(opened(1), never, ended, Resumed(6.0), started(0), failed(0), ended, Resumed(7.0))
    unit = array_in(state).next_unit()
    assert unit is not None
    assert unit.attempt == 1


def test_what_is_possible_after_an_adoption() -> None:
    events: list[Event] = [
        opened(5),
        started(0),
        started(1, token="hp-1"),
        JobCreated(2.5, "squares[1]", 1, JobRef("j")),
        started(2),
        failed(2, retry_at=9.0),
        started(3),
        succeeded(3),
    ]
    state, _ = after(*events)
    assert state.possible() == [
        Settle("squares[0]", 0.0),
        Watch("squares[1]"),
        Start("squares[2]", 9.0),
        Feed("squares"),
    ]


def test_items_are_handed_out_once() -> None:
    state, _ = after(opened(3), started(1))
    array = array_in(state)
    handed = [array.next_unit() for _ in range(3)]
    assert [unit and unit.id for unit in handed] == ["squares[0]", "squares[2]", None]
    assert (array.handed_out, array.in_flight) == (2, 1)


def test_an_item_that_ended_is_found_no_more() -> None:
    state, _ = after(opened(2), started(0), succeeded(0))
    assert state.find("squares[0]") is None
    assert state.find("nobody[0]") is None
    with pytest.raises(ContractViolation, match=r"^Array node `squares` has no item 0 to attempt$"):
        state.unit("squares[0]")
    with pytest.raises(ContractViolation, match=r"^Run `e` has no node `squares#1`$"):
        state.unit("squares#1")


def chunk(*items: tuple[int, int], number: int = 0) -> ChunkStarted:
    return ChunkStarted(2.0, f"squares#{number}", "hp-chunk", items)


def test_a_chunk_runs_several_items_as_one_job() -> None:
    state, possible = after(opened(4), chunk((0, 1), (3, 3)))
    assert possible == [Settle("squares#0", 2.0), Feed("squares")]
    assert letters(state) == "RRQR"
    assert state.in_flight == {"squares#0", "squares[0]", "squares[1]", "squares[3]"}
    assert state.apply(JobCreated(2.5, "squares#0", 1, JobRef("j"))) == [Watch("squares#0")]
    assert state.possible() == [Watch("squares#0"), Feed("squares")]


def test_a_chunk_is_over_with_its_last_item() -> None:
    state, _ = after(opened(3), chunk((0, 1)), succeeded(0), failed(1, retry_at=9.0))
    assert (letters(state), array_in(state).chunks, state.in_flight) == ("SBQ", {}, set())
    assert state.possible() == [Start("squares[1]", 9.0), Feed("squares")]
    again = ChunkStarted(10.0, "squares#1", "hp-2", ((1, 2),))
    assert state.apply(again) == [Settle("squares#1", 10.0), Feed("squares")]
    assert (letters(state), array_in(state).attempts(1), array_in(state).attempts(2)) == ("SRR", 2, 1)


def test_an_abort_stops_chunks_not_their_items() -> None:
    _, possible = after(opened(3), chunk((0, 1)), started(2), AbortRequested(4.0, "enough"))
    assert possible == [Stop("squares[2]"), Stop("squares#0")]


def test_the_new_events_survive_the_journal() -> None:
    events: list[Event] = [opened(3, 2), chunk((0, 1), (3, 3))]
    assert decode_events(encode_events(events)) == events
