"""Why a node waits, in words: the limit that binds it, who holds what it wants, and what would help."""

from __future__ import annotations

import enum
import shlex
from typing import assert_never

import msgspec

from hardpoint.executor.engine.pool_policies import WORKERS, run_pool
from hardpoint.executor.engine.shared_pools import is_shared
from hardpoint.executor.throttle.explaining import Usage, Why
from hardpoint.executor.throttle.lots import Holder
from hardpoint.executor.throttle.pool import Limit


class Cause(enum.StrEnum):
    """What is in the way of a node: a limit of a pool, or something else."""

    TOO_LARGE = Limit.TOO_LARGE.value
    CAP = Limit.CAP.value
    CAPACITY = Limit.CAPACITY.value
    RESERVATION = Limit.RESERVATION.value
    LEND = Limit.LEND.value
    SHARE = Limit.SHARE.value
    MAX_PARALLELISM = "max_parallelism"
    WORKERS = "workers"
    MACHINE = "machine"
    CONCURRENCY = "concurrency"
    RATE = "rate"
    SERVICE = "service"
    PREPARING = "preparing"
    BACKOFF = "backoff"
    UPSTREAM = "upstream"
    QUEUE = "queue"
    NO_EXECUTOR = "no_executor"
    NOTHING = "nothing"


class HeldBy(msgspec.Struct, frozen=True):
    """Who holds what a node waits for."""

    execution: str
    node: str
    units: int


class Range(msgspec.Struct, frozen=True):
    """When something is expected; seconds from now."""

    earliest_s: float
    latest_s: float


class Waiting(msgspec.Struct, frozen=True):
    """A node that waits, or items of one.

    Args:
        node: Its id; empty: the whole run.
        cause: What is in the way.
        where: The pool, account, tenant, or upstream nodes, as the cause has it.
        words: The cause for people, in half a line.
        items: How many items of an array node wait; None for a plain node.
        holders: Who holds what it waits for, most units first.
        position: Place in the queue of its tenant, from 1; None where there is no queue.
        start: When it is expected to begin; None if that is not known.
        basis: What the expectation is taken from, or why there is none.
        helps: Commands and edits that would help.
    """

    node: str
    cause: Cause
    where: str
    words: str
    items: int | None = None
    holders: tuple[HeldBy, ...] = ()
    position: int | None = None
    start: Range | None = None
    basis: str = ""
    helps: tuple[str, ...] = ()


def of_pool(run: str, node: str, why: Why) -> Waiting:
    """A node that waits for units of a pool.

    Args:
        run: Its run.
        node: Its id.
        why: From a throttle.
    """
    if why.pool == run_pool(run):
        most = why.capacity or 0
        words = f"`max_parallelism` of its run: {why.held} of at most {most} in flight"
        hint = f"submit the run with `--max-parallelism` above {most}"
        return Waiting(node, Cause.MAX_PARALLELISM, why.pool, words, helps=(hint,))
    if why.limit is not Limit.TOO_LARGE and not is_shared(why.pool):
        return _of_machine(node, why)
    words, helps = _words(why), _helps(why)
    return Waiting(node, Cause(why.limit.value), why.pool, words, position=why.position, helps=helps)


def of_workers(node: str, busy: int) -> Waiting:
    """A node that waits for a worker process, while so many attempts have one."""
    attempts = "1 attempt is" if busy == 1 else f"{busy} attempts are"
    words = f"the worker processes of its executor are busy: {attempts} with them"
    return Waiting(node, Cause.WORKERS, WORKERS, words, helps=("give its executor more `--workers`",))


def _of_machine(node: str, why: Why) -> Waiting:
    what = why.pool.partition(":")[2]
    unit = 1000 if what == "cpu" else 1
    held, most, wanted = (f"{each / unit:g}" for each in (why.held, why.capacity or 0, why.units))
    words = f"{what} of its executor's machine: {held} of {most} held, and it wants {wanted}"
    helps = (f"lower `{what}=` of its task, or raise `{what}` in the table `[local]` of hardpoint.toml",)
    return Waiting(node, Cause.MACHINE, why.pool, words, helps=helps)


def _words(why: Why) -> str:
    pool, capacity = f"`{why.pool}`", "no limit" if why.capacity is None else why.capacity
    wants = "" if why.units == 1 else f", and it wants {why.units}"
    match why.limit:
        case Limit.CAPACITY:
            return f"{pool} is full: {why.held} of {capacity} held{wants}"
        case Limit.CAP:
            usage = _capped(why)
            return f"{_tenant(usage)} has its cap of {pool}: {usage.held} of {usage.cap} held{wants}"
        case Limit.SHARE:
            return f"others go first in {pool}: {why.held} of {capacity} held{wants}"
        case Limit.RESERVATION:
            return f"larger claims that waited longer collect what is free of {pool}: {why.set_aside} units"
        case Limit.LEND:
            return f"what is free of {pool} is kept for tenants that do not lend it: {why.free} units"
        case Limit.TOO_LARGE:
            return f"{pool} can never grant {why.units} units at once"
        case _:
            assert_never(why.limit)


def _capped(why: Why) -> Usage:
    """The one whose cap is in the way: the domain, or its project."""
    project, domain = why.own
    return domain if domain.cap is not None and domain.held + why.units > domain.cap else project


def _tenant(usage: Usage) -> str:
    if usage.domain is None:
        return f"project `{usage.project}`"
    return f"tenant `{usage.project}/{usage.domain}`"


def _helps(why: Why) -> tuple[str, ...]:
    command = f"`hardpoint pools set {shlex.quote(why.pool)}"
    own = f"--project {shlex.quote(why.tenant.project)}"
    match why.limit:
        case Limit.CAPACITY:
            more = max(why.held + why.units, (why.capacity or 0) + 1)
            return (f"{command} --capacity {more}`, if the service bears it",)
        case Limit.CAP:
            usage = _capped(why)
            whose = own if usage.domain is None else f"--domain {shlex.quote('/'.join(why.tenant))}"
            return (f"{command} {whose} --cap {usage.held + why.units}`",)
        case Limit.SHARE:
            return (
                f"{command} {own} --weight {2 * why.own[0].weight:g}`: a larger share for its project",
                "submit it with a higher `--priority`: before other runs of its tenant",
            )
        case Limit.RESERVATION:
            return (f"{command} --reserve-after never`, if large claims may wait longer",)
        case Limit.LEND:
            return (f"{command} --project OTHER --lend all`, for those that keep it",)
        case Limit.TOO_LARGE:
            return (f"claim less, or {command} --capacity {why.units}`",)
        case _:
            assert_never(why.limit)


def holders_of(held: list[tuple[Holder, int]], most: int = 5) -> tuple[HeldBy, ...]:
    """Who holds the most units of what is held; equal ones in their order."""
    ordered = sorted(held, key=lambda each: -each[1])
    return tuple(HeldBy(execution, node, units) for (execution, node), units in ordered[:most])
