"""What a run holds and wants of pools, as its own events tell: in this process and in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from hardpoint.executor.durations import History, quantile, seconds_left
from hardpoint.executor.engine.function_claims import claims_something, function_claims
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.pool_policies import run_pool
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.situation import Busy, Claimant, Situation
from hardpoint.executor.throttle.lots import Holder, merged
from hardpoint.executor.throttle.policy import Tenant
from hardpoint.executor.what_if import Running, Step
from hardpoint.plugin_api import ResourceClaim, Resources, Shape, TaskSpec, TaskType

Claims = tuple[ResourceClaim, ...]


class Machine(Protocol):
    """What tasks in worker processes hold of the machine they run on."""

    def claims(self, resources: Resources) -> Claims:
        """Of one attempt."""


class ClaimsOf(msgspec.Struct, frozen=True):
    """Tells what an attempt of a node or item holds, or will.

    Args:
        run: Its run.
        task_type: What is declared of a task type.
        machine: For Python tasks.
    """

    run: Run
    task_type: Callable[[str], TaskType]
    machine: Machine

    def of(self, node: NodeRun) -> Claims | None:
        """What the attempt in flight holds, or the next one will; None if its plugin has not said that."""
        spec = self.run.spec(node.id)
        declared = self.task_type(spec.type)
        if declared.shape is Shape.FUNCTION:
            return self._with_run((*self.machine.claims(spec.resources), *_beside(node, declared, spec)))
        parent = node.parent if declared.shape is Shape.ARRAY else None
        told = node if parent is None or node.claims else parent
        if told.prepared > told.attempt or node.state.in_flight or (told is parent and told.prepared):
            return self._with_run(told.claims)
        return None if declared.claims is None else self._with_run(declared.claims)

    def of_item(self, array: NodeRun) -> Claims | None:
        """What each waiting item of an array node will hold, as those that are on their way do."""
        known = (claims for unit in units(array) if (claims := self.of(unit)) is not None)
        first = next(known, None)
        # An item that nobody was handed yet is an item like any other.
        return first if first is not None else self.of(NodeRun(f"{array.id}[0]", 0, array, 0))

    def _with_run(self, claims: Claims) -> Claims:
        own = (ResourceClaim(run_pool(self.run.id)),) if self.run.max_parallelism else ()
        return merged((*claims, *own))


def _beside(node: NodeRun, declared: TaskType, spec: TaskSpec) -> Claims:
    """What a function's attempt holds of services' pools, or will."""
    if not claims_something(declared):
        return ()
    if node.prepared > node.attempt or node.state.in_flight:
        return node.claims
    try:
        return function_claims(declared, spec)
    except Exception:  # the attempt fails with it; here it claims nothing
        return ()


def units(array: NodeRun) -> list[NodeRun]:
    """Items of an array node that are on their way."""
    return [] if array.array is None else list(array.array.live.values())


def waiting_items(array: NodeRun) -> int:
    """Items of an array node that no attempt was made of."""
    return 0 if array.array is None else array.array.letters.count(b"Q")


def in_flight(run: Run) -> Iterator[NodeRun]:
    """Nodes and items of which an attempt may hold something."""
    for id in sorted(run.state.in_flight):
        node = run.state.find(id)
        if node is not None and not node.chunk:
            yield node


def is_waiting(node: NodeRun, now: float) -> bool:
    """Whether an attempt of a node or item could begin now, but for what it claims."""
    if node.state is NodeState.READY:
        return True
    return node.state is NodeState.BACKOFF and (node.retry_at or 0.0) <= now


def standing_of(run: Run, claims_of: ClaimsOf, now: float) -> Situation:
    """What a run holds and wants; nodes whose claims are not known yet want nothing."""
    tenant = Tenant(run.row.project, run.row.domain)
    busy = []
    for node in in_flight(run):
        held = claims_of.of(node)
        if held:
            busy.append(Busy((run.id, node.id), tenant, held, node.started_at))
    found: list[Claimant] = []
    if run.state.phase is RunPhase.RUNNING:
        for node in run.state.nodes.values():
            if node.array is not None:
                found += _items(run, tenant, claims_of, node, now)
            elif is_waiting(node, now) and (claims := claims_of.of(node)):
                found.append(_claimant(run, tenant, claims, (node.id,), node, now))
    return Situation(tuple(busy), tuple(found))


def _items(run: Run, tenant: Tenant, claims_of: ClaimsOf, array: NodeRun, now: float) -> Iterator[Claimant]:
    count = waiting_items(array)
    mapped = run.flat(array.id).map
    if mapped is not None and mapped.concurrency and array.array is not None:
        count = min(count, mapped.concurrency - array.array.in_flight)
    claims = claims_of.of_item(array) if count > 0 else None
    if claims:
        nodes = tuple(f"{array.id}[+{number}]" for number in range(count))
        yield _claimant(run, tenant, claims, nodes, array, now)


def _claimant(
    run: Run, tenant: Tenant, claims: Claims, nodes: tuple[str, ...], node: NodeRun, now: float
) -> Claimant:
    # Of jobs it may be a little later: when their plugin had said what they will hold.
    asked_at = node.retry_at or node.started_at or node.possible_at or now
    return Claimant(run.id, tenant, claims, nodes, min(now, asked_at), run.row.submitted_at, run.priority)


def steps_of(run: Run, claims_of: ClaimsOf, history: History, part: float, now: float) -> list[Step]:
    """What a run has still to do, with times as they were in earlier runs.

    Args:
        run: As it is now.
        claims_of: Of its nodes.
        history: Of its tasks; what it does not know, takes for ever.
        part: Which of the times: 0.5 for the one in the middle.
        now: Seconds since the epoch.
    """
    left = {id: node for id, node in run.state.nodes.items() if not node.state.terminal}
    steps = []
    for id, node in left.items():
        flat = run.flat(id)
        array = node.array
        items = 0 if node.state.in_flight else 1
        if array is not None:
            items = waiting_items(node) + array.backoff
        elif flat.map is not None:
            items = history.items.get(id, 1)
        claims = (claims_of.of_item(node) if array is not None else claims_of.of(node)) or ()
        samples = history.seconds.get(run.spec(id).name, ())
        steps.append(
            Step(
                (run.id, id),
                Tenant(run.row.project, run.row.domain),
                claims or history.claims.get(run.spec(id).name, ()),
                quantile(samples, part) if samples else float("inf"),
                tuple((run.id, up) for up in flat.upstream if up in left),
                items,
                flat.map.concurrency if flat.map is not None else 0,
                node.retry_at or 0.0,
                run.priority,
                run.row.submitted_at,
            )
        )
    return steps


def running_of(run: Run, claims_of: ClaimsOf, history: History, part: float, now: float) -> list[Running]:
    """What a run has in flight, and when that ends; see `steps_of`."""
    tenant = Tenant(run.row.project, run.row.domain)
    found = []
    for node in in_flight(run):
        holder: Holder = (run.id, node.id)
        began = node.started_at or now
        left_s = seconds_left(history.seconds.get(run.spec(node.id).name, ()), now - began, part)
        ends_at = float("inf") if left_s is None else now + left_s
        busy = Busy(holder, tenant, claims_of.of(node) or (), began)
        step = (run.id, node.parent.id if node.parent is not None else node.id)
        found.append(Running(busy, ends_at, step))
    return found
