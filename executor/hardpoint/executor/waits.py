"""What each waiting node of a run waits for, and when it is expected to begin: from facts gathered before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import msgspec

from hardpoint.executor.durations import History, quantile, seconds_left
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.pool_policies import WORKERS
from hardpoint.executor.engine.run import Run
from hardpoint.executor.explain import Cause, Range, Waiting, holders_of, of_pool, of_workers
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.pool_view import RateReport
from hardpoint.executor.run_claims import (
    ClaimsOf,
    is_waiting,
    running_of,
    standing_of,
    steps_of,
    waiting_items,
)
from hardpoint.executor.situation import Busy, Claimant, PolicyOf, Situation, rebuild
from hardpoint.executor.throttle.lots import Holder
from hardpoint.executor.throttle.policy import PoolPolicy
from hardpoint.executor.what_if import Running, Step, simulate
from hardpoint.plugin_api import Shape

QUICK, SLOW = 0.1, 0.9
"""Of the times that attempts took: those that an expected start lies between."""
SHOWN = 5
_SOON_S = 0.05


class Facts(msgspec.Struct, frozen=True):
    """What is known beside the run itself.

    Args:
        now: Seconds since the epoch.
        claims_of: Of the run's nodes.
        policy: What holds for each pool.
        others: What other runs hold and want.
        rates: By account and kind.
        history: Of the run's tasks.
        samples: How long attempts like those that others hold took, by holder.
    """

    now: float
    claims_of: ClaimsOf
    policy: PolicyOf
    others: Situation = Situation()
    rates: Mapping[tuple[str, str], RateReport] = {}
    history: History = History()
    samples: Mapping[Holder, Sequence[float]] = {}


def waits_of(run: Run, facts: Facts) -> list[Waiting]:
    """What waiting nodes of a run wait for, in the order in which they could run; arrays in one line each."""
    if run.state.phase is not RunPhase.RUNNING:
        return []
    pools = {each.node: each for each in _of_pools(run, facts)}
    return [
        found
        for node in run.state.nodes.values()
        if (found := pools.get(node.id) or _otherwise(run, node, facts)) is not None
    ]


def _of_pools(run: Run, facts: Facts) -> Iterator[Waiting]:
    everything = standing_of(run, facts.claims_of, facts.now).joined(facts.others)
    held = _held(everything)
    holders = {pool: holders_of(each) for pool, each in held.items()}
    # How many workers an executor has, only itself knows: what nothing else is in the way of waits for one.
    rebuilt = rebuild(
        everything, lambda pool: PoolPolicy() if pool == WORKERS else facts.policy(pool), facts.now
    )
    throttle = rebuilt.throttle
    throttle.decide(facts.now)
    whys = {lot: throttle.why(lot, facts.now) for lot in dict.fromkeys(rebuilt.lots)}
    places = {lot: {holder: place for place, holder in enumerate(lot.waiting())} for lot in whys}
    for claimant, lot in zip(everything.claimants, rebuilt.lots, strict=True):
        if claimant.execution != run.id:
            continue
        why = whys[lot]
        waiting = [node for node in claimant.nodes if (run.id, node) in places[lot]]
        node, items = _named(claimant)
        if why is not None and waiting:
            found = of_pool(run.id, node, why)
            position = found.position and found.position + places[lot][run.id, waiting[0]]
            found = msgspec.structs.replace(found, position=position)
        elif any(claim.pool == WORKERS for claim in claimant.claims) and WORKERS in held:
            found = of_workers(node, len(held[WORKERS]))
        else:
            found = Waiting(node, Cause.NOTHING, "", "nothing is in its way: it is about to start")
        yield msgspec.structs.replace(found, items=items, holders=holders.get(found.where, ()))


def _held(situation: Situation) -> dict[str, list[tuple[Holder, int]]]:
    """Who holds how many units of each pool, the longest first."""
    held: dict[str, list[tuple[Holder, int]]] = {}
    for busy in sorted(situation.busy, key=lambda each: (each.since or 0.0, each.holder)):
        for claim in busy.claims:
            held.setdefault(claim.pool, []).append((busy.holder, claim.units))
    return held


def _named(claimant: Claimant) -> tuple[str, int | None]:
    node, mark, _ = claimant.nodes[0].partition("[+")
    return node, len(claimant.nodes) if mark else None


def with_workers(policy: PolicyOf, situation: Situation, size: int = 1) -> PolicyOf:
    """The same, with as many workers as are known: how many an executor has, only itself knows."""
    claims = chain.from_iterable(each.claims for each in situation.busy)
    busy = sum(claim.units for claim in claims if claim.pool == WORKERS)
    workers = PoolPolicy(capacity=max(size, busy))
    return lambda pool: workers if pool == WORKERS else policy(pool)


def _otherwise(run: Run, node: NodeRun, facts: Facts) -> Waiting | None:
    """What a node waits for that waits for no pool; None if it does not wait."""
    match node.state:
        case NodeState.WAITING:
            return _upstream(run, node)
        case NodeState.BACKOFF:
            return _backoff(node, facts) if not is_waiting(node, facts.now) else _preparing(run, node, facts)
        case NodeState.READY:
            return _preparing(run, node, facts)
        case NodeState.MAPPING:
            return _array(run, node)
        case NodeState.STARTED:
            return _starting(run, node, facts)
        case _:
            return None


def _upstream(run: Run, node: NodeRun) -> Waiting:
    ups = [up for up in run.flat(node.id).upstream if run.state.nodes[up].outputs is None]
    more = f" and {len(ups) - SHOWN} more" if len(ups) > SHOWN else ""
    words = f"waits for {', '.join(f'`{up}`' for up in ups[:SHOWN])}{more}"
    helps = (f"`hardpoint explain {run.id} {ups[0]}`",) if ups else ()
    return Waiting(node.id, Cause.UPSTREAM, ", ".join(ups), words, helps=helps)


def _backoff(node: NodeRun, facts: Facts) -> Waiting:
    in_s = max(0.0, (node.retry_at or 0.0) - facts.now)
    failed = f": attempt {node.attempt} failed with {node.error.code}" if node.error else ""
    words = f"its next attempt may start in {in_s:.1f} s{failed}"
    return Waiting(node.id, Cause.BACKOFF, "", words, start=Range(in_s, in_s), basis="its retry delay")


def _array(run: Run, node: NodeRun) -> Waiting | None:
    count, mapped, array = waiting_items(node), run.flat(node.id).map, node.array
    if array is None or not count:
        return None
    if mapped is not None and mapped.concurrency:
        words = f"`concurrency` of its map: {array.in_flight} of {mapped.concurrency} items in flight"
        helps = (f"raise `concurrency={mapped.concurrency}` in its `map_task`",)
        return Waiting(node.id, Cause.CONCURRENCY, node.id, words, count, helps=helps)
    return Waiting(node.id, Cause.PREPARING, "", "its plugin is asked what its items will hold", count)


def _preparing(run: Run, node: NodeRun, facts: Facts) -> Waiting:
    limited = _rate(run, node, facts)
    words = "nothing is in its way, or its plugin is just asked what it will hold"
    return limited or Waiting(node.id, Cause.PREPARING, "", words)


def _starting(run: Run, node: NodeRun, facts: Facts) -> Waiting | None:
    """An attempt that holds what it needs, and whose job is still to be made."""
    shape = facts.claims_of.task_type(run.spec(node.id).type).shape
    if node.job is not None or shape is Shape.FUNCTION:
        return None
    limited = _rate(run, node, facts)
    if limited is not None or not node.reason:
        return limited
    return Waiting(node.id, Cause.SERVICE, node.account, f"waits for its service: {node.reason}")


def _rate(run: Run, node: NodeRun, facts: Facts) -> Waiting | None:
    account = f"{run.spec(node.id).type}:{node.account}"
    for kind in ("write", "read"):
        rate = facts.rates.get((account, kind))
        if rate is None:
            continue
        in_s = (rate.next_at or 0.0) - facts.now
        if rate.closed_until is not None:
            closed_s = rate.closed_until - facts.now
            words = f"no calls to `{account}` for {closed_s:.1f} s: its service asked for that"
        elif in_s > _SOON_S:
            words = (
                f"call rate of `{account}`: {rate.per_s:g} {kind}s/s, and those before it take {in_s:.1f} s"
            )
        else:
            continue
        helps = (f'raise `{kind}s_per_s` in the table `[rates."{account}"]` of hardpoint.toml',)
        start = Range(max(0.0, in_s), max(0.0, in_s))
        return Waiting(node.id, Cause.RATE, account, words, start=start, basis="its rate", helps=helps)
    return None


# When they are expected to begin


def with_starts(run: Run, facts: Facts, waits: Sequence[Waiting]) -> list[Waiting]:
    """The same, with when each is expected to begin, if every task in the way has a history."""
    wanted = {(run.id, each.node) for each in waits if each.start is None}
    if not wanted:
        return list(waits)
    quick, slow = (_began_s(run, facts, part, wanted) for part in (QUICK, SLOW))
    known = sum(map(len, facts.history.seconds.values())) + sum(map(len, facts.samples.values()))
    unknown = _unknown(run, facts)
    found = []
    for each in waits:
        id = (run.id, each.node)
        if each.start is None and id in quick and id in slow:
            start = Range(min(quick[id], slow[id]), max(quick[id], slow[id]))
            count = f"{known} earlier attempt" + ("s" if known != 1 else "")
            each = msgspec.structs.replace(each, start=start, basis=f"as {count} took")
        elif each.start is None:
            each = msgspec.structs.replace(each, basis=unknown)
        found.append(each)
    return found


def _unknown(run: Run, facts: Facts) -> str:
    tasks = sorted({run.spec(id).name for id, node in run.state.nodes.items() if not node.state.terminal})
    without = [f"`{task}`" for task in tasks if not facts.history.seconds.get(task)]
    if without:
        return f"no history of {', '.join(without[:SHOWN])}"
    return "no history of what holds it, or it is too far off"


def _began_s(run: Run, facts: Facts, part: float, wanted: set[Holder]) -> dict[Holder, float]:
    """In how many seconds nodes begin, if attempts take as long as that part of the earlier ones did."""
    now, claims_of, history = facts.now, facts.claims_of, facts.history
    own = standing_of(run, claims_of, now)
    held = Situation(own.busy + facts.others.busy, (), facts.others.used)
    throttle = rebuild(held, with_workers(facts.policy, held), now).throttle
    running = running_of(run, claims_of, history, part, now)
    running += [_running(each, facts, part) for each in facts.others.busy]
    in_pools = _samples_by_pool(run, own, facts)
    steps = steps_of(run, claims_of, history, part, now)
    steps += [_step(each, in_pools, part) for each in facts.others.claimants]
    courses = simulate(steps, throttle, now, running, only=wanted).courses
    begun = ((id, courses[id].began_at) for id in wanted if id in courses)
    return {id: at - now for id, at in begun if at is not None}


def _running(busy: Busy, facts: Facts, part: float) -> Running:
    ran_s = facts.now - busy.since if busy.since is not None else 0.0
    left_s = seconds_left(facts.samples.get(busy.holder, ()), ran_s, part)
    return Running(busy, float("inf") if left_s is None else facts.now + left_s)


def _samples_by_pool(run: Run, own: Situation, facts: Facts) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    known = [(each, facts.samples.get(each.holder, ())) for each in facts.others.busy]
    seconds = facts.history.seconds
    known += [(each, seconds.get(run.spec(each.holder[1]).name, ())) for each in own.busy]
    for busy, samples in known:
        for claim in busy.claims:
            found.setdefault(claim.pool, []).extend(samples)
    return found


def _step(claimant: Claimant, in_pools: Mapping[str, Sequence[float]], part: float) -> Step:
    """What others wait for, as if it took as long as what holds the same pool now."""
    samples = in_pools.get(claimant.claims[0].pool, ())
    return Step(
        (claimant.execution, claimant.nodes[0]),
        claimant.tenant,
        claimant.claims,
        quantile(samples, part) if samples else float("inf"),
        items=len(claimant.nodes),
        priority=claimant.priority,
        since=claimant.since,
    )
