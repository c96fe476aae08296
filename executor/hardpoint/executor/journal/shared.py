"""What executors tell each other of the pools that they share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

ALIVE_S = 3.0
"""How long after its last sign of life an executor's wishes count."""


class Lease(NamedTuple):
    """Units of a pool that an attempt holds."""

    node: str
    pool: str
    units: int
    project: str
    domain: str


class Holding(NamedTuple):
    """What a tenant holds of a pool, in all executors.

    Args:
        slot_s: Units times seconds, up to `since`.
        since: When that last changed; seconds since the epoch.
    """

    pool: str
    project: str
    domain: str
    units: int
    slot_s: float
    since: float


class Wanted(NamedTuple):
    """What a tenant's nodes in one executor wait for.

    Args:
        demands: As JSON that executors understand.
    """

    pool: str
    executor: str
    project: str
    domain: str
    demands: bytes


class Shared(NamedTuple):
    """What has changed in pools since the versions that the asker knew.

    Args:
        versions: Of each pool that anybody has used, now.
        holdings: Of all executors together.
        wanted: Of other executors.
        living: Executors that gave a sign of life lately: what the others wanted does not count.
        settings: Of each pool that an operator has set; None: no longer.
    """

    versions: dict[str, int]
    holdings: list[Holding]
    wanted: list[Wanted]
    living: frozenset[str]
    settings: dict[str, bytes | None]


class RateRow(NamedTuple):
    """What is kept of a rate; see `rates.shared_ledger`."""

    account: str
    kind: str
    body: bytes


class PoolRows(NamedTuple):
    """All that a store keeps of pools and rates, for somebody who only looks.

    Args:
        settings: Of each pool that was ever used or set; None: nothing is set.
        holdings: Of all executors together.
        wanted: Of each executor.
        seen: When each executor gave its last sign of life; seconds since the epoch.
        rates: By account and kind.
    """

    settings: Mapping[str, bytes | None] = MappingProxyType({})
    holdings: tuple[Holding, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    seen: Mapping[str, float] = MappingProxyType({})
    rates: tuple[RateRow, ...] = ()


NOTHING_SHARED = Shared({}, [], [], frozenset(), {})
