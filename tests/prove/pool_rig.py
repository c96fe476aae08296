"""Executors in processes of their own that share the pools and rates of one store, and are watched."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from tests.prove.killing_rig import PATIENCE_S, Store, wait_for_all
from tests.prove.pool_counts import running_over_time

from hardpoint.executor.config.pool_policy import encode_live
from hardpoint.executor.config.settings import PoolSettings
from hardpoint.executor.journal.events import AttemptStarted
from hardpoint.executor.journal.protocol import ExecutionRow
from hardpoint.plugin_api.testing.jobservice import JobService

POOL = "jobservice:default"
LOOK_EVERY_S = 0.02

DRIVER = """
import json
import logging
import os
import time
from pathlib import Path

from hardpoint.core import workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api import PollPolicy, RateLimit, hookimpl
from hardpoint_jobservice import JobServicePlugin, JobTask

URL, SLOTS, WRITES_PER_S, BURST, NUMBER, LOADS = json.loads(os.environ["POOLS"])


class Plugin(JobServicePlugin):
    @hookimpl
    def rate_limits(self):
        return [RateLimit("jobservice:*", reads_per_s=1000.0, writes_per_s=WRITES_PER_S, burst=BURST)]


def flow_of(chains, duration_s, tenant, links):
    work = JobTask("work", url=URL, tenant=tenant, duration_s=duration_s)

    @workflow
    def flow() -> int:
        heads = list(range(chains))
        for _ in range(links):
            heads = [work(value=head) for head in heads]
        return heads[-1]

    return flow


def wait_for(name):
    while not Path(name).exists():
        time.sleep(0.01)


if __name__ == "__main__":
    logging.basicConfig(filename=f"log-{NUMBER}", format="%(name)s %(levelname)s %(message)s")
    logging.getLogger("hardpoint.rates").setLevel(logging.DEBUG)
    plugin = Plugin(slots=SLOTS, poll=PollPolicy(first_s=0.05, fraction=0.2, max_s=0.2))
    flows = [(project, flow_of(*terms)) for project, *terms in LOADS]
    for _, flow in flows:
        flow.compile()
    with Executor(plugins={"jobservice": plugin}, workers=1, lease_s=2.0) as executor:
        Path(f"up-{NUMBER}").touch()
        wait_for("go")
        for project, flow in flows:
            executor.submit_with(flow, {}, project=project)
        Path(f"submitted-{NUMBER}").touch()
        executor.adopt_abandoned()
        wait_for("leave")
"""


class Load(NamedTuple):
    """What one process submits for one tenant, as one run.

    Args:
        project: Who is charged for it.
        chains: Jobs at once.
        duration_s: Of each job.
        tenant: As whom the service is called; its pool is `jobservice:<tenant>`.
        links: Jobs one after the other.
    """

    project: str
    chains: int
    duration_s: float
    tenant: str = "default"
    links: int = 1


class Limits(NamedTuple):
    """What the plugin of every process declares."""

    slots: int = 100_000
    writes_per_s: float = 100_000.0
    burst: int = 1000


class Setting(NamedTuple):
    """A capacity, and what was held when it came to hold.

    Args:
        begins, ends: When it held for certain: from after it was set until before the next was.
        capacity: Units.
        held: Attempts that held a unit by then, by run and node: of these more may run than there are units.
    """

    begins: float
    ends: float
    capacity: int
    held: frozenset[tuple[str, str]]


class Sharing:
    """Processes at work; see `sharing`."""

    def __init__(self, store: Store, service: JobService, limits: Limits, loads: Sequence[Sequence[Load]]):
        self.store, self.service = store, service
        self.processes: list[subprocess.Popen[str]] = []
        self.settings = [Setting(0.0, math.inf, limits.slots, frozenset())]
        self._limits = limits
        (store.folder / "drive.py").write_text(DRIVER)
        for each in loads:
            self.start(each)

    def start(self, loads: Sequence[Load] = ()) -> None:
        """Start one more process."""
        told = [self.service.url, *self._limits, len(self.processes), loads]
        self.store.environ["POOLS"] = json.dumps(told)
        self.processes.append(self.store.python("drive.py", out=subprocess.DEVNULL))

    def go(self) -> None:
        """Let all submit at one time."""
        self.until_up()
        (self.store.folder / "go").touch()
        self._until_all("submitted")

    def until_up(self) -> None:
        """Wait until the executors of all processes have begun."""
        self._until_all("up")

    def _until_all(self, name: str) -> None:
        for number, _ in enumerate(self.processes):
            self.until(f"{name}-{number}", (self.store.folder / f"{name}-{number}").exists)

    def until(self, what: str, happened: Callable[[], bool]) -> None:
        """Wait for something.

        Raises:
            TimeoutError: It has not happened in `PATIENCE_S`.
        """
        end = time.monotonic() + PATIENCE_S
        while not happened():
            if time.monotonic() > end:
                raise TimeoutError(f"not in {PATIENCE_S:g} s: {what}: {self.complaints()}")
            time.sleep(LOOK_EVERY_S)

    def until_ended(self, jobs: int) -> None:
        """Wait until so many jobs have ended at the service."""
        self.until(f"{jobs} jobs", lambda: self.service.stats().total.succeeded >= jobs)

    def set_capacity(self, capacity: int | None) -> None:
        """Set the pool's capacity while everything goes on; None: as the plugin declares it."""
        pools, ends = self.store.journal.pools, time.time()
        pools.set(POOL, None if capacity is None else encode_live(PoolSettings(capacity=capacity)))
        held = frozenset((run, lease.node) for run, lease in pools.leases(POOL))
        self.settings[-1] = self.settings[-1]._replace(ends=ends)
        self.settings.append(
            Setting(time.time(), math.inf, self._limits.slots if capacity is None else capacity, held)
        )

    def kill(self, number: int) -> None:
        """End a process without a word."""
        self.processes[number].kill()
        self.processes[number].wait()

    def finish(self) -> list[ExecutionRow]:
        """Wait until all runs have ended and all processes have left; return the runs."""
        rows = wait_for_all(self.store, [row.execution for row in self.store.journal.rows(limit=1000)])
        (self.store.folder / "leave").touch()
        for process in self.processes:
            process.wait(PATIENCE_S)
        return rows

    def complaints(self) -> str:
        """What went wrong in the processes, as far as they said so."""
        logs = [path.read_text() for path in sorted(self.store.folder.glob("log-*"))]
        lines = [line for log in logs for line in log.splitlines() if " DEBUG " not in line]
        return "\n".join([*lines[-40:], self.store.complaints()])

    def leaked(self, pools: Sequence[str] = (POOL,)) -> list[str]:
        """What is still held of pools, by the journal."""
        journal = self.store.journal
        leases = [f"{run} holds {lease}" for pool in pools for run, lease in journal.pools.leases(pool)]
        return leases + [str(each) for each in journal.pools.rows().holdings if each.units]

    def attempts(self) -> dict[str, tuple[ExecutionRow, str]]:
        """Run and node of each attempt, by its token."""
        return {
            event.token: (row, event.node)
            for row in self.store.journal.rows(limit=1000)
            for event in self.store.journal.read(row.execution)
            if isinstance(event, AttemptStarted)
        }

    def over_admitted(self) -> list[str]:
        """Moments at which more jobs ran than the pool had, and jobs that were let in beyond it."""
        records, attempts = self.service.records(), self.attempts()
        running = running_over_time(records)
        nodes = {token: (row.execution, node) for token, (row, node) in attempts.items()}
        found = []
        for begins, ends, capacity, held in self.settings:
            within = [(at, jobs) for at, jobs in running if begins < at <= ends]
            most = max((jobs for _, jobs in within), default=0)
            if most > max(capacity, len(held)):
                found.append(f"{most} ran of {capacity}, {len(held)} were held when that was set")
            jobs_at = dict(within)
            found += [
                f"{each.id} was the {jobs_at[each.started]}th of {capacity}"
                for each in records
                if each.started in jobs_at and nodes[each.label or ""] not in held
                if jobs_at[each.started] > capacity
            ]
        return found

    def calls(self, kind: str) -> list[list[float]]:
        """When the gate of each process let calls pass."""
        logs = [path.read_text() for path in sorted(self.store.folder.glob("log-*"))]
        marked = f" {kind} at "
        return [
            [float(line.partition(marked)[2]) for line in log.splitlines() if marked in line] for log in logs
        ]


@contextlib.contextmanager
def sharing(
    store: Store, service: JobService, limits: Limits, loads: Sequence[Sequence[Load]]
) -> Iterator[Sharing]:
    """Start a process for each list of loads, and let them submit at one time; none is left afterwards."""
    started = Sharing(store, service, limits, loads)
    try:
        started.go()
        yield started
    finally:
        for process in started.processes:
            process.kill()
            process.wait()
