"""The state machine of a run, as tables of events."""

from __future__ import annotations

import pytest

from hardpoint.core.compiled import FromNode
from hardpoint.core.flatten import FlatGraph, FlatNode
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.possible import (
    Collect,
    Finish,
    Possible,
    Settle,
    Start,
    Stop,
    Watch,
)
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import (
    AbortRequested,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelCause,
    CancelRequested,
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
    encode_events,
)
from hardpoint.plugin_api import ContractViolation, ErrorInfo, ErrorKind, JobRef, Phase, ResourceClaim

SUBMITTED = Submitted(0.0, "w", "d", {}, "", "p", "dev")
ERROR = ErrorInfo("ValueError", "no")


def diamond() -> FlatGraph:
    """a -> b, c -> d."""
    edges: dict[str, tuple[str, ...]] = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
    nodes = {id: FlatNode(id, "t", (), up) for id, up in edges.items()}
    dependents = {"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": ()}
    return FlatGraph(nodes, dependents, {"result": FromNode("d", "result")})


def started(node: str, attempt: int = 1, token: str = "") -> AttemptStarted:
    return AttemptStarted(1.0, node, attempt, token)


def succeeded(node: str, attempt: int = 1) -> AttemptSucceeded:
    return AttemptSucceeded(2.0, node, attempt, {"result": 1})


def failed(node: str, attempt: int = 1, *, retry_at: float | None = None) -> AttemptFailed:
    return AttemptFailed(2.0, node, attempt, ERROR, Budget.USER, retry_at)


def after(*events: Event) -> tuple[RunState, list[Possible]]:
    """The state after those events, and what the last of them made possible."""
    state = RunState("e", diamond())
    possible: list[Possible] = []
    for event in (SUBMITTED, *events):
        possible = state.apply(event)
    return state, possible


def states(state: RunState) -> str:
    return " ".join(f"{id}:{node.state.value}" for id, node in state.nodes.items())


def test_only_nodes_without_upstream_may_start_at_first() -> None:
    assert after()[1] == [Start("a")]


def test_a_success_unlocks_what_waited_for_it_alone() -> None:
    assert after(started("a"), succeeded("a"))[1] == [Start("b"), Start("c")]
    assert after(started("a"), succeeded("a"), started("b"), succeeded("b"))[1] == []


def test_a_node_starts_when_its_last_upstream_ends() -> None:
    events: list[Event] = [
        started("a"),
        succeeded("a"),
        started("b"),
        started("c"),
        succeeded("c"),
        succeeded("b"),
    ]
    assert after(*events)[1] == [Start("d")]


def test_a_cached_node_counts_as_succeeded() -> None:
    state, possible = after(NodeCached(1.0, "a", {"result": 7}, "older", "key"))
    assert possible == [Start("b"), Start("c")]
    assert state.outputs_of("a") == {"result": 7}
    assert state.nodes["a"].cached_from == "older"


def test_the_last_success_lets_the_run_finish() -> None:
    events: list[Event] = [event for node in "abcd" for event in (started(node), succeeded(node))]
    state, possible = after(*events)
    assert possible == [Finish()]
    assert state.left == 0


def test_a_failure_with_a_retry_waits_for_its_time() -> None:
    state, possible = after(started("a"), failed("a", retry_at=9.0))
    assert possible == [Start("a", 9.0)]
    assert state.nodes["a"].state is NodeState.BACKOFF
    assert state.nodes["a"].user_failures == 1


def test_a_final_failure_skips_what_has_not_started_and_stops_what_runs() -> None:
    state, possible = after(started("a"), succeeded("a"), started("b"), started("c"), failed("b"))
    assert state.phase is RunPhase.FAILING
    assert possible == [Stop("c")]
    assert states(state) == "a:SUCCEEDED b:FAILED c:STARTED d:SKIPPED"


def test_a_failing_run_finishes_when_the_end_of_the_rest_is_confirmed() -> None:
    events: list[Event] = [started("a"), succeeded("a"), started("b"), started("c"), failed("b")]
    state, possible = after(*events, AttemptCancelled(3.0, "c", 1))
    assert possible == [Finish()]
    assert state.error == ERROR
    assert state.error_node == "b"


def test_a_success_while_failing_unlocks_nothing() -> None:
    events: list[Event] = [
        started("a"),
        succeeded("a"),
        started("b"),
        started("c"),
        failed("b"),
        succeeded("c"),
    ]
    assert after(*events)[1] == [Finish()]


def test_an_abort_of_an_idle_run_lets_it_finish_at_once() -> None:
    state, possible = after(AbortRequested(1.0, "enough"))
    assert possible == [Finish()]
    assert states(state) == "a:SKIPPED b:SKIPPED c:SKIPPED d:SKIPPED"


def test_a_job_is_settled_watched_collected() -> None:
    job = JobRef("j1")
    assert after(AttemptPrepared(1.0, "a", 1, "acc", (ResourceClaim("p"),)))[1] == [Start("a")]
    assert after(started("a", token="t"))[1] == [Settle("a", 1.0)]
    unsettled = CreateUnsettled(1.0, "a", 1, ERROR, 4.0)
    assert after(started("a", token="t"), unsettled)[1] == [Settle("a", 4.0)]
    created = JobCreated(1.0, "a", 1, job)
    assert after(started("a", token="t"), created)[1] == [Watch("a")]
    moved = JobMoved(1.0, "a", 1, Phase.SUCCEEDED)
    assert after(started("a", token="t"), created, moved)[1] == [Collect("a")]


def test_a_cancel_before_the_job_is_known_is_carried_out_once_it_is() -> None:
    cancel = CancelRequested(2.0, "a", 1, CancelCause.TIMEOUT)
    created = JobCreated(3.0, "a", 1, JobRef("j1"))
    assert after(started("a", token="t"), cancel)[1] == [Stop("a")]
    assert after(started("a", token="t"), cancel, created)[1] == [Stop("a")]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], [Start("a")]),
        ([started("a")], [Settle("a", 0.0)]),
        ([started("a", token="t"), JobCreated(1.0, "a", 1, JobRef("j"))], [Watch("a")]),
        ([started("a"), failed("a", retry_at=9.0)], [Start("a", 9.0)]),
        ([started("a"), succeeded("a"), started("b")], [Settle("b", 0.0), Start("c")]),
        (
            [
                started("a", token="t"),
                JobCreated(1.0, "a", 1, JobRef("j")),
                CancelRequested(2.0, "a", 1, CancelCause.ABORT),
            ],
            [Watch("a"), Stop("a")],
        ),
    ],
)
def test_an_engine_that_adopts_the_run_knows_what_to_do(
    events: list[Event], expected: list[Possible]
) -> None:
    assert after(*events)[0].possible() == expected


def test_resuming_keeps_successes_and_renews_the_rest() -> None:
    events: list[Event] = [
        started("a"),
        succeeded("a"),
        started("b"),
        failed("b"),
        Ended(3.0, RunPhase.FAILED, {}, ERROR),
    ]
    state, possible = after(*events, Resumed(4.0))
    assert state.phase is RunPhase.RUNNING
    assert possible == [Start("b"), Start("c")]
    assert states(state) == "a:SUCCEEDED b:READY c:READY d:WAITING"
    assert state.nodes["b"].attempt == 1
    assert state.nodes["b"].user_failures == 0


def test_system_losses_do_not_touch_the_authors_budget() -> None:
    lost = ErrorInfo("WorkerDied", "gone", ErrorKind.TRANSIENT)
    state, _ = after(started("a"), AttemptFailed(2.0, "a", 1, lost, Budget.SYSTEM, 3.0))
    assert (state.nodes["a"].user_failures, state.nodes["a"].system_failures) == (0, 1)
    state, _ = after(started("a"), AttemptFailed(2.0, "a", 1, lost, Budget.NOBODY, 3.0))
    assert (state.nodes["a"].user_failures, state.nodes["a"].system_failures) == (0, 0)


def test_outputs_of_a_node_that_has_none_are_refused() -> None:
    with pytest.raises(ContractViolation) as caught:
        after()[0].outputs_of("a")
    assert str(caught.value) == "Node `a` of run `e` was read before it succeeded"


def test_every_event_survives_the_journal() -> None:
    events: list[Event] = [
        SUBMITTED,
        started("a", token="t"),
        JobCreated(1.0, "a", 1, JobRef("j", "acc", ("s",), {"k": [1]})),
        JobMoved(1.0, "a", 1, Phase.RUNNING, "why", {"log": "url"}),
        CreateUnsettled(1.0, "a", 1, ERROR, 4.0),
        CancelRequested(2.0, "a", 1, CancelCause.ABORT),
        failed("a"),
        NodeCached(1.0, "b", {"result": 10**30}, "older", "key"),
        Ended(3.0, RunPhase.SUCCEEDED, {"result": "nan"}),
    ]
    assert decode_events(encode_events(events)) == events
