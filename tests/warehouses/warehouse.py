"""What a run of many queries needs of a warehouse, and what the warehouse saw of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hardpoint.plugin_api import RateLimit
from hardpoint.plugin_api.definition import TaskDefinition
from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, HttpDialect

TENANTS = tuple(f"t{number}" for number in range(8))
BEFORE = "before"
"""A ninth tenant, whose queries hold all slots when the others come."""
SLOTS = 20


class Query(NamedTuple):
    """A query as the service saw it.

    Args:
        key: The id of its job; where there are none, what the query returns.
        started, ended: In seconds since the epoch.
    """

    key: str
    started: float
    ended: float


class ServedCall(NamedTuple):
    """A call of its API.

    Args:
        at: When it arrived, in seconds since the epoch.
        name: Which.
        writes: Whether it may change something.
    """

    at: float
    name: str
    writes: bool


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A service that runs, and how it is asked.

    Args:
        name: The task type.
        settings: The operator's file: the pool of the account has `SLOTS` slots.
        query: A task with the input `n`, an int, whose query takes so many seconds and returns `n`.
        seen: Every query that has ended.
        calls: Every call of the API; empty where there is none to count.
        rate: What the plugin declares.
        environment: Variables with its secrets.
        workers: Processes for function tasks.
    """

    name: str
    settings: str
    query: Callable[[float], TaskDefinition]
    seen: Callable[[], list[Query]]
    calls: Callable[[], list[ServedCall]] = list
    rate: RateLimit | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1


class Counted(HttpDialect):
    """The dialect of a service, which notes when calls arrive."""

    def __init__(self, dialect: HttpDialect) -> None:
        self._dialect = dialect
        self._served: list[ServedCall] = []
        self.spared = dialect.spared

    def served(self) -> list[ServedCall]:
        """All calls up to now."""
        return list(self._served)

    def name(self, call: Call) -> str:
        """See `HttpDialect`."""
        return self._dialect.name(call)

    def writes(self, call: Call) -> bool:
        """See `HttpDialect`."""
        return self._dialect.writes(call)

    def refusal(self, fault: Fault) -> Answer:
        """See `HttpDialect`."""
        return self._dialect.refusal(fault)

    def own_answer(self, call: Call) -> Answer | None:
        """See `HttpDialect`."""
        return self._dialect.own_answer(call)

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        """See `HttpDialect`."""
        self._served.append(ServedCall(time.time(), self.name(call), self.writes(call)))
        return self._dialect.carry_out(call, forward)


def declared_rate(plugin: Any) -> RateLimit:
    """The only rate limit that a plugin declares."""
    [rate] = plugin.rate_limits()
    assert isinstance(rate, RateLimit)
    return rate


def pool_of(name: str) -> str:
    """An operator's file that gives every account of a task type `SLOTS` slots."""
    return f'[pools."{name}:*"]\ncapacity = {SLOTS}\n'
