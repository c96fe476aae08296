"""Pools of a journal that ends with its process: there is nobody to share them with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from hardpoint.executor.journal.shared import NOTHING_SHARED, Lease, PoolRows, RateRow, Shared, Wanted


class MemoryPools:
    """See `Pools`. What the only executor holds, it knows by itself."""

    are_shared = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rates: dict[tuple[str, str], bytes] = {}
        self._settings: dict[str, bytes] = {}
        self._changes = 0

    def versions(self, pools: Sequence[str]) -> dict[str, int]:
        """See `Pools.versions`."""
        return dict.fromkeys(pools, self._changes)

    def lock(self, known: Mapping[str, int], executor: str, now: float) -> Shared:
        """See `Pools.lock`."""
        settings = {pool: self._settings.get(pool) for pool in known if known[pool] < self._changes}
        return NOTHING_SHARED._replace(versions=dict.fromkeys(known, self._changes), settings=settings)

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Nobody else is to know."""

    def unlock(self) -> None:
        """Nothing is locked."""

    def settings(self) -> dict[str, bytes]:
        """See `Pools.settings`."""
        return dict(self._settings)

    def set(self, pool: str, settings: bytes | None) -> None:
        """See `Pools.set`."""
        kept = {name: each for name, each in self._settings.items() if name != pool}
        self._settings = kept if settings is None else {**kept, pool: settings}
        self._changes += 1

    def leases(self, pool: str) -> list[tuple[str, Lease]]:
        """None: see the executor itself."""
        return []

    def rows(self) -> PoolRows:
        """See `Pools.rows`; what is held and wanted only the executor itself knows."""
        rates = (RateRow(*key, body) for key, body in list(self._rates.items()))
        return PoolRows(settings=dict(self._settings), rates=tuple(rates))

    def change_rate(self, account: str, kind: str, change: Callable[[bytes], bytes]) -> None:
        """See `Pools.change_rate`."""
        with self._lock:
            self._rates[account, kind] = change(self._rates.get((account, kind), b""))
