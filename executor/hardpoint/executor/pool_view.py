"""Pools and rates as an operator looks at them: who holds and wants how much, from the rows of the store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.executor.journal.shared import PoolRows
from hardpoint.executor.rates.ledger import CallKind
from hardpoint.executor.rates.rate_state import RateState
from hardpoint.executor.rates.rates import declared_limit
from hardpoint.executor.situation import PolicyOf, of_holdings, of_wanted, rebuild
from hardpoint.executor.throttle.explaining import Usage
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.plugin_api import RateLimit


class PoolReport(msgspec.Struct, frozen=True):
    """A pool.

    Args:
        pool: Name; with a `*` at its end, what is declared for each that begins so.
        capacity: Units; None for no limit.
        held: Units, in all executors.
        free: Units that nobody holds; None for no limit.
        waiting: Claims, in all executors as far as they have told.
        tenants: Each project, followed by its domains; those that hold, want, or are named in its policy.
    """

    pool: str
    capacity: int | None
    held: int
    free: int | None
    waiting: int
    tenants: tuple[Usage, ...] = ()


class RateReport(msgspec.Struct, frozen=True):
    """A rate of an account.

    Args:
        account: `<task type>:<account>`; with a `*` at its end, what is declared for each that begins so.
        kind: `read` or `write`.
        per_s: Calls per second that are let through now.
        declared_per_s: As declared; None if nobody did.
        closed_until: No call goes before; seconds since the epoch. None if it is open.
        next_at: When the next call may go that nobody has asked for yet; None if at once.
    """

    account: str
    kind: str
    per_s: float
    declared_per_s: float | None
    closed_until: float | None = None
    next_at: float | None = None


def pool_reports(
    names: Iterable[str], rows: PoolRows, running: Sequence[ExecutionRow], policy: PolicyOf, now: float
) -> list[PoolReport]:
    """How pools stand.

    Args:
        names: Which.
        rows: From the store.
        running: Runs that have begun.
        policy: What holds for each pool.
        now: Seconds since the epoch.
    """
    situation = of_holdings(rows, now).joined(of_wanted(rows, running, now))
    throttle = rebuild(situation, policy, now).throttle
    found = []
    for name in sorted(names):
        limits = policy(name)
        usage = throttle.usage(name, now)
        projects = [each for each in usage if each.domain is None]
        held = sum(each.held for each in projects)
        capacity = limits.capacity
        found.append(
            PoolReport(
                name,
                capacity,
                held,
                None if capacity is None else capacity - held,
                sum(each.waiting for each in projects),
                _with_named(usage, limits),
            )
        )
    return found


def _with_named(usage: Iterable[Usage], policy: PoolPolicy) -> tuple[Usage, ...]:
    """Beside those that hold or want something, those that are named though they do neither."""
    shown = {(each.project, each.domain or ""): each for each in usage}
    named: list[tuple[str, str, TenantPolicy]] = [
        *((name, "", each) for name, each in policy.projects.items()),
        *((tenant.project, "", policy.of_project(tenant.project)) for tenant in policy.domains),
        *((*tenant, each) for tenant, each in policy.domains.items()),
    ]
    for project, domain, each in named:
        idle = Usage(project, domain or None, each.guarantee, each.cap, each.weight, 0, 0, 0, 0.0)
        shown.setdefault((project, domain), idle)
    held = (each for each in shown.values() if each.held or each.waiting or _is_named(each, policy))
    return tuple(sorted(held, key=lambda each: (each.project, each.domain or "")))


def _is_named(usage: Usage, policy: PoolPolicy) -> bool:
    if usage.domain is not None:
        return Tenant(usage.project, usage.domain) in policy.domains
    return usage.project in policy.projects or any(each.project == usage.project for each in policy.domains)


def rate_reports(rows: PoolRows, declared: Sequence[RateLimit], now: float) -> list[RateReport]:
    """Rates that were used, and those that are declared.

    Args:
        rows: From the store.
        declared: By plugins and the operator's file.
        now: Seconds since the epoch.
    """
    found = {}
    for each in declared:
        for kind in CallKind:
            limit = declared_limit(declared, each.name, kind)
            per_s = each.reads_per_s if kind is CallKind.READ else each.writes_per_s
            of_name = limit.per_s if limit is not None else per_s
            found[each.name, kind.value] = RateReport(each.name, kind.value, of_name, of_name)
    for row in rows.rates:
        limit = declared_limit(declared, row.account, CallKind(row.kind))
        if not row.body:
            continue
        state = msgspec.msgpack.decode(row.body, type=RateState)
        if limit is None:
            per_s, next_at = state.per_s, state.closed_until
        else:
            per_s, next_at = state.limit(limit).per_s, max(state.tat - limit.tolerance_s, state.closed_until)
        found[row.account, row.kind] = RateReport(
            row.account,
            row.kind,
            per_s,
            None if limit is None else limit.per_s,
            state.closed_until if state.closed_until > now else None,
            next_at if next_at > now else None,
        )
    shown = (each for each in found.values() if not math.isinf(each.per_s) or each.closed_until is not None)
    return sorted(shown, key=lambda each: (each.account, each.kind))
