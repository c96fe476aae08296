"""What today's code decides in the place of each journaled event, for replays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, assert_never

from hardpoint.executor.engine.cache import cache_key
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.replay_arrays import check_chunk, check_concurrency, check_opened
from hardpoint.executor.engine.replay_failures import check_failed
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import outputs_problem
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    ArrayOpened,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
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
)
from hardpoint.plugin_api import HardpointError, Phase, Wire

CLOCK_S = 0.001
"""How far a clock may be set back between a decision and the event that is due by it."""

WAITING = (NodeState.READY, NodeState.BACKOFF)
IN_FLIGHT = (NodeState.STARTED, NodeState.RUNNING)


class Check(NamedTuple):
    """What differs; nothing is yielded for what is the same."""

    what: str
    journal: Wire
    today: Wire


AttemptEvent: TypeAlias = (
    AttemptPrepared
    | AttemptStarted
    | NodeCached
    | AttemptSucceeded
    | AttemptFailed
    | AttemptCancelled
    | CancelRequested
    | CreateUnsettled
    | JobCreated
    | JobMoved
)
RunEvent: TypeAlias = Submitted | Adopted | AbortRequested | Resumed | Ended


def checks_of(run: Run, event: Event, *, first: bool) -> Iterator[Check]:
    """Where an event differs from what today's code decides.

    Args:
        run: As the events before it left it.
        event: Not applied yet.
        first: Whether it is the first of the run.
    """
    yield from same("first event", isinstance(event, Submitted), first)
    try:
        match event:
            case Submitted() | Adopted() | AbortRequested() | Resumed() | Ended():
                yield from _of_run(run, event)
            case ArrayOpened():
                yield from in_phase(run, RunPhase.RUNNING)
                yield from in_state(run.state.nodes[event.node], NodeState.READY)
                yield from (Check(*found) for found in check_opened(run, event))
            case ChunkStarted():
                yield from in_phase(run, RunPhase.RUNNING)
                yield from (Check(*found) for found in check_chunk(run, event))
            case _:
                yield from _of_attempt(run, run.state.unit(event.node), event)
    except (HardpointError, LookupError, ValueError) as error:
        yield Check("decided", True, f"{type(error).__name__}: {error}")


def same(what: str, journal: Wire, today: Wire) -> Iterator[Check]:
    """Nothing if the two are equal."""
    if journal != today:
        yield Check(what, journal, today)


def in_state(node: NodeRun, *allowed: NodeState) -> Iterator[Check]:
    """Nothing if the node is in a state in which this can happen."""
    if node.state not in allowed:
        yield Check("state before", " or ".join(each.value for each in allowed), node.state.value)


def in_phase(run: Run, *allowed: RunPhase) -> Iterator[Check]:
    """Nothing if the run is in a phase in which this can happen."""
    if run.state.phase not in allowed:
        phase = run.state.phase.value
        yield Check("phase before", " or ".join(each.value for each in allowed), phase)


# The run


def _of_run(run: Run, event: RunEvent) -> Iterator[Check]:
    state = run.state
    match event:
        case Submitted():
            yield from same("digest", event.digest, run.compiled.digest)
            yield from same("workflow", event.workflow, run.compiled.body.name)
        case Adopted():
            yield from same("generation", event.generation, state.generation + 1)
        case AbortRequested():
            yield from in_phase(run, RunPhase.RUNNING, RunPhase.QUEUED)
        case Resumed():
            yield from in_phase(run, RunPhase.FAILED, RunPhase.ABORTED)
        case Ended():
            yield from same("ended before", False, state.phase.terminal)
            yield from same("nodes left", 0, state.left)
            if not state.left and not state.phase.terminal:
                yield from _of_end(run, event)
        case _:
            assert_never(event)


def _of_end(run: Run, event: Ended) -> Iterator[Check]:
    today = run.ended(event.at)
    yield from same("phase", event.phase.value, today.phase.value)
    yield from same("outputs", event.outputs, today.outputs)
    yield from same("failed node", event.node, today.node)
    told, decided = (each.error and f"{each.error.code}: {each.error.message}" for each in (event, today))
    yield from same("error", told, decided)


# Attempts


def _of_attempt(run: Run, node: NodeRun, event: AttemptEvent) -> Iterator[Check]:
    match event:
        case AttemptPrepared():
            yield from in_phase(run, RunPhase.RUNNING)
            yield from in_state(node, *WAITING, *((NodeState.MAPPING,) if node.array else ()))
            yield from same("attempt", event.attempt, node.attempt + 1)
        case AttemptStarted():
            yield from _before_start(run, node, event.at)
            yield from same("attempt", event.attempt, node.attempt + 1)
            yield from same("key", event.key, _key_of(run, node))
            if event.token:
                yield from same("token", event.token, run.request(node, "").token)
        case NodeCached():
            yield from _before_start(run, node, event.at)
            yield from same("key", event.key, _key_of(run, node))
            yield from _fitting(run, node, event.outputs)
        case AttemptSucceeded():
            yield from _while_in_flight(run, node, event.attempt)
            yield from _fitting(run, node, event.outputs)
        case AttemptFailed():
            yield from same("run ended before", False, run.state.phase.terminal)
            yield from in_state(node, *IN_FLIGHT, *WAITING, NodeState.MAPPING)
            yield from same("attempt", event.attempt, node.attempt)
            yield from (Check(*found) for found in check_failed(run, node, event))
        case AttemptCancelled():
            yield from _while_in_flight(run, node, event.attempt)
            if node.cancel is not CancelCause.ABORT:
                yield from in_phase(run, RunPhase.ABORTING, RunPhase.FAILING)
        case CancelRequested() | CreateUnsettled() | JobCreated() | JobMoved():
            yield from _while_in_flight(run, node, event.attempt)
            yield from _of_job(run, node, event)
        case _:
            assert_never(event)


def _before_start(run: Run, node: NodeRun, at: float) -> Iterator[Check]:
    yield from in_phase(run, RunPhase.RUNNING)
    yield from in_state(node, *WAITING)
    if node.state is NodeState.BACKOFF and node.retry_at is not None and at < node.retry_at - CLOCK_S:
        yield Check("due", at, node.retry_at)
    yield from (Check(*found) for found in check_concurrency(run, node))


def _while_in_flight(run: Run, node: NodeRun, attempt: int) -> Iterator[Check]:
    yield from same("run ended before", False, run.state.phase.terminal)
    yield from in_state(node, *IN_FLIGHT)
    yield from same("attempt", attempt, node.attempt)


def _key_of(run: Run, node: NodeRun) -> str:
    spec = run.spec(node.id)
    if spec.cache is None:
        return ""
    return cache_key(spec, run.inputs_of(node.id), run.row.project, run.row.domain)


def _fitting(run: Run, node: NodeRun, outputs: dict[str, Wire]) -> Iterator[Check]:
    wrong = outputs_problem(run.spec(node.id).interface.outputs, outputs)
    if wrong:
        yield Check("outputs", "of the task's types", wrong)


def _of_job(
    run: Run, node: NodeRun, event: CancelRequested | CreateUnsettled | JobCreated | JobMoved
) -> Iterator[Check]:
    match event:
        case CancelRequested():
            yield from same("cancelled before", False, node.cancel is not None)
            yield from _cause(run, node, event)
        case CreateUnsettled():
            yield from in_state(node, NodeState.STARTED)
            if event.retry_at < event.at + (event.error.retry_after_s or 0.0) - CLOCK_S:
                yield Check("retry_at", event.retry_at, event.at + (event.error.retry_after_s or 0.0))
        case JobCreated():
            yield from same("token before", True, bool(node.token))
            yield from same("job before", None, node.job.id if node.job else None)
        case JobMoved():
            yield from in_state(node, NodeState.RUNNING)
            if event.phase in (node.phase, Phase.ABSENT) or node.phase is Phase.SUCCEEDED:
                yield Check("phase", event.phase.value, "nothing to journal")
        case _:
            assert_never(event)


def _cause(run: Run, node: NodeRun, event: CancelRequested) -> Iterator[Check]:
    spec = run.spec(node.id)
    match event.cause:
        case CancelCause.ABORT:
            yield from in_phase(run, RunPhase.ABORTING, RunPhase.FAILING)
        case CancelCause.TIMEOUT:
            yield from _over(event.at, node.started_at, spec.timeout_s)
        case CancelCause.DEADLINE:
            yield from _over(event.at, node.possible_at, spec.deadline_s)
        case CancelCause.PREEMPTED:
            yield from same("interruptible", True, spec.interruptible)
        case _:
            assert_never(event.cause)


def _over(at: float, since: float | None, limit_s: float | None) -> Iterator[Check]:
    """Nothing if the limit is over."""
    if limit_s is None or since is None:
        yield Check("limit", True, None)
    elif at < since + limit_s - CLOCK_S:
        yield Check("limit", at, since + limit_s)
