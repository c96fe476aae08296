"""CPU and memory of this process and of every process below it. Linux only."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children_of(pid: int) -> Iterator[int]:
    """Direct children that live, or wait to be reaped."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, listed.read_text().split())


def descendants_of(pid: int) -> Iterator[int]:
    """Children, and theirs."""
    for child in children_of(pid):
        yield child
        yield from descendants_of(child)


def _own_cpu_s(pid: int) -> float:
    # The clock that Linux derives from a process id counts nanoseconds; /proc/PID/stat only ticks of 10 ms.
    return time.clock_gettime((~pid << 3) | 2)


def _reaped_cpu_s(pid: int) -> float:
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    fields = stat[stat.rindex(b")") + 2 :].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS_PER_S


def others_cpu_s() -> float:
    """User and system time of all descendants, also of those that have ended and were reaped."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    total = usage.ru_utime + usage.ru_stime
    for pid in descendants_of(os.getpid()):
        with suppress(OSError):
            total += _own_cpu_s(pid) + _reaped_cpu_s(pid)
    return total


class Span:
    """One measured stretch: wall, and CPU of the whole process tree."""

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Measure what happens inside."""
        others_s = others_cpu_s()
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        yield
        self.wall_s += time.perf_counter() - wall_s
        own_s = time.process_time() - cpu_s
        self.cpu_s += own_s + max(0.0, others_cpu_s() - others_s)
