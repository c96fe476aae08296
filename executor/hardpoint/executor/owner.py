"""Who holds a lease: a name that tells whether that process still lives.

On the same machine a dead owner is recognised at once, so a run that was killed is resumed without
waiting for its lease to lapse; on another machine only the lapse tells.
"""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

from hardpoint.executor.journal.protocol import ExecutionRow, Journal

_engines = itertools.count(1)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "-"


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    fields = stat[stat.rindex(b")") + 2 :].split()
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def owner_name() -> str:
    """A name for one engine of this process: host/boot/pid/start/number."""
    pid = os.getpid()
    return "/".join((socket.gethostname(), _boot_id(), str(pid), _started(pid), str(next(_engines))))


def is_dead(owner: str) -> bool:
    """Whether the owner is known to be gone: same machine, and no such process since.

    >>> is_dead(owner_name()), is_dead("elsewhere/0/1/1/1")
    (False, False)
    """
    parts = owner.split("/")
    if len(parts) != 5 or parts[0] != socket.gethostname():
        return False
    host_boot, pid, started = parts[1], parts[2], parts[3]
    if host_boot != _boot_id():
        return True
    if host_boot == "-" or not started:
        return False
    return _started(int(pid)) != started


def is_driven(row: ExecutionRow, now: float) -> bool:
    """Whether an executor that may be alive holds the run's lease."""
    return bool(row.owner) and row.lease_until > now and not is_dead(row.owner)


def undriven(journal: Journal, now: float, limit: int) -> list[ExecutionRow]:
    """Runs begun and not ended that no executor drives which may be alive; see `Journal.abandoned`."""
    dead = [owner for owner in journal.owners() if is_dead(owner)]
    return journal.abandoned(now, limit, dead=dead)


def claim(
    journal: Journal, row: ExecutionRow, owner: str, now: float, max_running: int | None = None
) -> ExecutionRow | None:
    """Take the lease of a run that nobody drives; None if somebody does, or was quicker.

    Args:
        journal: Where it is kept.
        row: As it was seen.
        owner: For whom.
        now: Seconds since the epoch.
        max_running: See `Journal.claim`.
    """
    force = is_dead(row.owner)
    return journal.claim(row.execution, owner, now, force=force, fence=row.fence, max_running=max_running)
