"""The workload W9: N external jobs of five seconds each, all at once, and one sum of what they return."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.workloads import total

from hardpoint.core import Workflow, map_task, workflow
from hardpoint.plugin_api import PollPolicy

PLUGIN_FOLDER = Path(__file__).resolve().parent.parent / "tests" / "jobservice_plugin"
if str(PLUGIN_FOLDER) not in sys.path:
    sys.path.append(str(PLUGIN_FOLDER))

from hardpoint_jobservice import JobTask  # noqa: E402 - found through the line above

JOB_S = 5.0
POLL = PollPolicy(first_s=0.4, fraction=0.08, max_s=2.0, batch_max=500)
"""What a plugin would declare for a service whose jobs take seconds and that answers for 500 at once."""

MIXED = 10
"""So many different durations."""

THREADS = 8
"""Calls to the service at a time: as many as the engine makes for one task type."""


def job(url: str) -> JobTask:
    """A task that returns its input after `JOB_S`."""
    return JobTask("remote", url=url, duration_s=JOB_S)


def remote(n: int) -> Workflow[[], Any]:
    """`n` independent jobs and their sum; the service's address comes from the environment."""
    leaf = job(os.environ["BENCH_W9_URL"])

    @workflow
    def remote_jobs() -> int:
        return total([leaf(value=i) for i in range(n)])

    return remote_jobs


def remote_mixed(n: int) -> Workflow[[], Any]:
    """The same with jobs that take half to one and a half times as long."""
    url = os.environ["BENCH_W9_URL"]
    leaves = [
        JobTask(f"remote_{part}", url=url, duration_s=JOB_S * (0.5 + part / (MIXED - 1)))
        for part in range(MIXED)
    ]

    @workflow
    def remote_jobs_mixed() -> int:
        return total([leaves[i % MIXED](value=i) for i in range(n)])

    return remote_jobs_mixed


def remote_map(n: int) -> Workflow[[], Any]:
    """The same as one node that maps the job over `n` numbers."""
    leaf = job(os.environ["BENCH_W9_URL"])

    @workflow
    def remote_mapped() -> int:
        return total(map_task(leaf)(value=list(range(n))))

    return remote_mapped
