"""One process's way to the journal that all share: slow, full, out of reach, or cut off by a kill."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.simulation.faults import Disk, Windows
from tests.simulation.virtual_time import VirtualTime

from hardpoint.executor.journal.protocol import (
    Append,
    Journal,
    JournalUnavailableError,
    JournalUnreachableError,
    Pools,
)
from hardpoint.executor.journal.shared import Shared
from hardpoint.executor.journal.sql import SqlJournal

_WRITES = frozenset({"create", "claim", "renew", "release", "send", "drop_damaged", "mark_observed"})
_READS = frozenset(
    {"read", "row", "rows", "abandoned", "owners", "commands", "workflow", "cached", "observed"}
)
_OF_POOLS = frozenset({"versions", "settings", "set", "leases", "change_rate"})


def _is_within(windows: Windows, now_s: float) -> bool:
    return any(begins_s <= now_s < ends_s for begins_s, ends_s in windows)


class SimJournal:
    """Passes everything on to a real journal, unless a fault is due.

    Args:
        inner: Where everything is kept.
        time, dice, disk: The world's.
        boundary: Called before and after each commit, and with whether pools are locked; may kill the
            process, or, if they are not, hold it up.
        committed: Told of what was committed, and whether it is durable.
        forgetting: Told of the commands that are about to be taken out of the inbox.
        alive: Raises if the process is gone.
        note: For the trace.
    """

    def __init__(
        self,
        inner: Journal,
        time: VirtualTime,
        dice: random.Random,
        disk: Disk,
        boundary: Callable[[str, bool], None],
        committed: Callable[[Sequence[Append], bool], None],
        forgetting: Callable[[Sequence[str]], None],
        alive: Callable[[], None],
        note: Callable[[str, str], None],
    ) -> None:
        self.inner = inner
        self._time, self._dice, self._disk = time, dice, disk
        self._boundary, self._committed, self._alive, self._note = boundary, committed, alive, note
        self._forgetting = forgetting
        self.pools = SimPools(self, inner.pools)

    def commit(self, appends: Sequence[Append], *, durable: bool) -> None:
        """Commit, with a boundary on either side."""
        reached = self._reaches("commit")
        deciding = self.pools.locked
        if not deciding and self._disk.slow and _is_within(self._disk.slow, self._time.now_s):
            slow_s = self._dice.random() * self._disk.slow_most_s
            self._note("fault", f"slow disk: {slow_s:.1f} s")
            self._time.pass_by(slow_s)
        self._boundary("before commit", deciding)
        self.pools.locked = False
        self.inner.commit(appends, durable=durable)
        self._committed(appends, durable)
        if not reached:
            self._note("fault", "commit: done, and the answer lost")
            raise _unreachable()
        self._boundary("after commit", False)

    def forget(self, commands: Sequence[str]) -> None:
        """Take commands out of the inbox, with a boundary on either side: they are nowhere else then."""
        self._reaches("forget")
        self._boundary("before forget", False)
        self._forgetting(commands)
        self.inner.forget(commands)
        self._boundary("after forget", False)

    def reaches(self, name: str) -> None:
        """For a call to a part of the journal."""
        self._reaches(name)

    def _reaches(self, name: str, *, writes: bool = True) -> bool:
        """Whether the answer will come back; raises if not even the question arrives."""
        self._alive()
        disk, now_s = self._disk, self._time.now_s
        if _is_within(disk.unreachable, now_s):
            if name == "commit" and self._dice.random() < 0.3:
                return False
            self._note("fault", f"{name}: journal out of reach")
            self.pools.break_off()
            raise _unreachable()
        if writes and _is_within(disk.full, now_s):
            self._note("fault", f"{name}: disk full")
            raise JournalUnavailableError("The store cannot be used: database or disk is full")
        return True

    def __getattr__(self, name: str) -> Any:
        if name in _WRITES or name in _READS:
            self._reaches(name, writes=name in _WRITES)
        return getattr(self.inner, name)


class SimPools:
    """What the process knows of shared pools: a lock on them ends with its process or its connection."""

    def __init__(self, journal: SimJournal, inner: Pools) -> None:
        self.locked = False
        self._journal = journal
        self._inner = inner

    def lock(self, known: Mapping[str, int], executor: str, now: float) -> Shared:
        """Lock pools, until the next commit."""
        self._journal.reaches("lock pools")
        shared = self._inner.lock(known, executor, now)
        self.locked = True
        return shared

    def unlock(self) -> None:
        """Nothing was granted."""
        self.locked = False
        self._inner.unlock()

    def break_off(self) -> None:
        """The connection is gone, and the transaction with it."""
        if self.locked and isinstance(self._journal.inner, SqlJournal):
            self._journal.inner._writer._drop()

    def __getattr__(self, name: str) -> Any:
        if name in _OF_POOLS:
            self._journal.reaches(f"pools {name}")
        return getattr(self._inner, name)


def _unreachable() -> JournalUnreachableError:
    return JournalUnreachableError("The store cannot be used: connection refused")
