"""Gathers from the store what explains why a run, or nodes of it, wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise

import msgspec

from hardpoint.core.compiled import from_json
from hardpoint.executor.config.settings import Settings
from hardpoint.executor.durations import History, quantile, recorded
from hardpoint.executor.engine.pool_policies import WORKERS
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.shared_pools import is_shared
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.explain import Cause, Range, Waiting
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import ExecutionRow, Journal, JournalDamagedError
from hardpoint.executor.owner import is_driven
from hardpoint.executor.plugin_needs import needed_types, what_is_missing
from hardpoint.executor.pool_reading import PoolReading, load_plugins, running_rows
from hardpoint.executor.pool_view import RateReport, rate_reports
from hardpoint.executor.run_claims import ClaimsOf, standing_of
from hardpoint.executor.situation import Busy, Situation, of_leases, of_wanted, without
from hardpoint.executor.throttle.lots import Holder
from hardpoint.executor.view import RunView, load_view
from hardpoint.executor.waits import Facts, waits_of, with_starts
from hardpoint.plugin_api import HardpointError
from hardpoint.registry import Registry

OTHERS_MAX = 20
"""Other runs that are read to know since when they hold what they hold, and how long that takes."""
QUEUE_MAX = 10_000
ENDS_MAX = 50
_NO_LOCK: AbstractContextManager[object] = nullcontext()


class Store(msgspec.Struct, frozen=True):
    """Where facts come from.

    Args:
        journal: Of the store.
        registry: Task types.
        settings: The operator's file.
    """

    journal: Journal
    registry: Registry
    settings: Settings


def explained(store: Store, view: RunView, now: float) -> list[Waiting]:
    """What a run, or its nodes, wait for, and when they are expected to begin; empty if nothing waits."""
    row = view.row
    if row.phase.terminal:
        return []
    if not is_driven(row, now):
        missing = missing_for(store.registry, view)
        if missing is not None:
            return [_without_plugin(row, missing)]
        return [queued(store, row, now) if row.phase is RunPhase.QUEUED else _undriven(row)]
    facts = facts_of(store, view, now)
    return with_starts(view.run, facts, waits_of(view.run, facts))


def reasons(store: Store, view: RunView, now: float) -> dict[str, str]:
    """Why nodes of a run wait, in half a line each; no other run is read for that."""
    if view.row.phase is not RunPhase.RUNNING or not is_driven(view.row, now):
        return {}
    return reasons_now(store, view.run, now)


def reasons_now(
    store: Store, run: Run, now: float, lock: AbstractContextManager[object] = _NO_LOCK
) -> dict[str, str]:
    """Why nodes of a run that is driven wait.

    Args:
        store: Where the rest is known from.
        run: As it is now.
        now: Seconds since the epoch.
        lock: Is held while the run's state is read, and never while the store is.
    """
    reading = _reading(store, run)
    claims_of = _claims_of(store, run, reading)
    with lock:
        own = standing_of(run, claims_of, now)
    others = _others(store.journal, reading, run.id, _shared(own), now)
    facts = Facts(now, claims_of, reading.policies.policy, others, _rates(reading, now))
    with lock:
        return {each.node: each.words for each in waits_of(run, facts)}


def facts_of(store: Store, view: RunView, now: float) -> Facts:
    """All that is known beside the run."""
    run = view.run
    reading = _reading(store, run)
    claims_of = _claims_of(store, run, reading)
    own = standing_of(run, claims_of, now)
    others = _others(store.journal, reading, run.id, _shared(own), now)
    lookup = _Others(store, view, now)
    mine = recorded(store.journal, [run.row.workflow])
    beside = lookup.machine_busy(reading)
    busy, samples = lookup.known((*others.busy, *beside), mine)
    others = msgspec.structs.replace(others, busy=busy)
    return Facts(now, claims_of, reading.policies.policy, others, _rates(reading, now), mine, samples)


def _reading(store: Store, run: Run) -> PoolReading:
    load_plugins(store.registry, {spec.type for spec in run.compiled.tasks.values()})
    return PoolReading(store.journal, store.registry, store.settings, {run.id: run})


def _claims_of(store: Store, run: Run, reading: PoolReading) -> ClaimsOf:
    return ClaimsOf(run, store.registry.task_type, reading.policies)


def _shared(own: Situation) -> set[str]:
    """Pools that others may hold and for which somebody of the run waits."""
    return {claim.pool for each in own.claimants for claim in each.claims if is_shared(claim.pool)}


def _others(journal: Journal, reading: PoolReading, run: str, pools: Iterable[str], now: float) -> Situation:
    """What other runs hold and want of pools."""
    wanted = set(pools)
    if not wanted:
        return Situation()
    rows = reading.rows
    leases = [lease for pool in sorted(wanted) for lease in journal.pools.leases(pool)]
    some = rows._replace(
        holdings=tuple(each for each in rows.holdings if each.pool in wanted),
        wanted=tuple(each for each in rows.wanted if each.pool in wanted),
    )
    waiting = of_wanted(some, running_rows(journal) if some.wanted else [], now)
    return without(of_leases(leases, some, now).joined(waiting), run)


def _rates(reading: PoolReading, now: float) -> dict[tuple[str, str], RateReport]:
    return {(each.account, each.kind): each for each in rate_reports(reading.rows, reading.rates(), now)}


class _Others:
    """Other runs, each read once."""

    def __init__(self, store: Store, view: RunView, now: float) -> None:
        self._store = store
        self._view = view
        self._now = now
        self._views: dict[str, RunView] = {}

    def _load(self, execution: str) -> RunView | None:
        if execution not in self._views and len(self._views) < OTHERS_MAX:
            journal = self._store.journal
            try:
                self._views[execution] = load_view(journal, journal.row(execution))
            except JournalDamagedError:
                return None
        return self._views.get(execution)

    def machine_busy(self, reading: PoolReading) -> list[Busy]:
        """What other runs of the same executor hold of its machine."""
        owner, found = self._view.row.owner, []
        for row in running_rows(self._store.journal):
            if row.owner != owner or row.execution == self._view.row.execution:
                continue
            view = self._load(row.execution)
            if view is None:
                continue
            load_plugins(self._store.registry, {spec.type for spec in view.compiled.tasks.values()})
            standing = standing_of(view.run, _claims_of(self._store, view.run, reading), self._now)
            for busy in standing.busy:
                local = tuple(claim for claim in busy.claims if claim.pool.startswith("local:"))
                if any(claim.pool == WORKERS for claim in local):
                    found.append(msgspec.structs.replace(busy, claims=local))
        return found

    def known(
        self, busy: Sequence[Busy], mine: History
    ) -> tuple[tuple[Busy, ...], dict[Holder, Sequence[float]]]:
        """The same with the times since when they are held, and how long such attempts take."""
        views = {each.holder[0]: self._load(each.holder[0]) for each in busy}
        workflows = {view.row.workflow for view in views.values() if view is not None}
        history = recorded(self._store.journal, workflows - {self._view.row.workflow})
        history.seconds.update(mine.seconds)
        found = []
        samples: dict[Holder, Sequence[float]] = {}
        for each in busy:
            view = views[each.holder[0]]
            if view is not None:
                node = view.state.find(each.holder[1])
                each = msgspec.structs.replace(each, since=None if node is None else node.started_at)
                task = view.run.spec(each.holder[1]).name
                samples[each.holder] = history.seconds.get(task, [])
            found.append(each)
        return tuple(found), samples


def shadow(journal: Journal, state: RunState) -> Run:
    """A run for somebody who has its state in hand, and only looks."""
    row = journal.row(state.execution)
    run = Run(row, from_json(journal.workflow(row.digest)), state.graph, [])
    run.state = state
    return run


# Runs that have not begun, or that nobody drives


def missing_for(registry: Registry, view: RunView) -> HardpointError | None:
    """Which plugin a run would need to go on here, and why it is not there."""
    return what_is_missing(registry, needed_types(view.run))


def _undriven(row: ExecutionRow) -> Waiting:
    helps = (
        f"`hardpoint executions resume {row.execution}`",
        "`hardpoint executor start`, which takes up all such runs",
    )
    return Waiting("", Cause.NO_EXECUTOR, "", "no executor drives it", helps=helps, basis="nobody is there")


def _without_plugin(row: ExecutionRow, missing: HardpointError) -> Waiting:
    end = "its jobs cannot be ended" if row.phase is RunPhase.ABORTING else "it cannot go on"
    helps = (missing.hint, "then `hardpoint executor start`, which takes up all such runs")
    words = f"{end} here: {missing.message}"
    return Waiting("", Cause.NO_EXECUTOR, "", words, helps=helps, basis="its plugin is away")


def queued(store: Store, row: ExecutionRow, now: float) -> Waiting:
    """What a run in the queue waits for."""
    tenant = f"{row.project}/{row.domain}"
    queue = store.journal.queue
    most = store.settings.limits(row.project, row.domain).max_running
    running = queue.running(row.project, row.domain)
    first = [each.execution for each in queue.first(row.project, row.domain, QUEUE_MAX)]
    place = first.index(row.execution) + 1 if row.execution in first else None
    if most is None or (running < most and place == 1):
        start_one = ("`hardpoint executor start`, which takes up all such runs",)
        words = "no executor has taken it up"
        return Waiting(
            "", Cause.NO_EXECUTOR, tenant, words, position=place, helps=start_one, basis="nobody is there"
        )
    helps = (
        f'raise `max_running` in the table `[tenants."{tenant}"]` of hardpoint.toml',
        "submit it with a higher `--priority`",
    )
    words = f"tenant `{tenant}` has {running} of at most {most} runs, and it is number {place} in the queue"
    start, basis = _turn(queue.ends(row.project, row.domain, ENDS_MAX), place, now)
    return Waiting("", Cause.QUEUE, tenant, words, position=place, start=start, basis=basis, helps=helps)


def _turn(ends: Sequence[float], place: int | None, now: float) -> tuple[Range | None, str]:
    """When so many runs of the tenant will have ended, if they end as they did lately."""
    gaps = [later - earlier for later, earlier in pairwise(ends)]
    if not gaps or place is None:
        return None, "too few runs of its tenant have ended"
    passed_s = now - ends[0]
    quick, slow = (max(0.0, place * quantile(gaps, part) - passed_s) for part in (0.25, 0.75))
    return Range(quick, slow), f"as the last {len(ends)} runs of its tenant ended"
