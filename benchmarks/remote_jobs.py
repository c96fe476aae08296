"""W9 as a whole: a job service, one or two engine processes, and what the service and the journal say of it.

| variant | |
| --- | --- |
| `sqlite` | no faults; every answer takes 20 ms |
| `map` | the same as one node that maps the job over N numbers |
| `faults` | of all answers 1 % are lost after their effect, 1 % are errors before any |
| `killed` | the engine and its workers are killed when half of the jobs have ended; a second engine goes on |
| `rate`, `slots`, `flood` | the service limits calls or jobs, see `remote_limits.py` |
| `bare` | the same calls by the same client in a loop, without an engine: the floor |

The line that comes of it has, besides the usual keys: `ideal_s`, `calls_per_job`, `throttled`, `created`,
`double_submits`, `orphans`, `max_running`, `max_unfinished` (jobs that ran or waited at the service),
`notice_s` (median from a job's end to its event in the journal), `done_s` (to its outputs in the journal);
of `flood` also `light_wait_s`, `light_wait_most_s`. `cpu_s` is that of the engine and its workers alone.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.remote_limits import LATENCY_S, ideal_s, jobs_in, service_for
from benchmarks.workloads import is_right

from hardpoint.executor.journal.events import AttemptSucceeded, Event, JobCreated, JobMoved
from hardpoint.executor.journal.opening import open_journal
from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.jobservice import JobService

ENGINE = Path(__file__).resolve().parent / "remote_engine.py"
VARIANTS = ("sqlite", "map", "faults", "killed", "rate", "slots", "flood", "bare")
LOOK_S = 0.1


def measure(n: int, variant: str) -> dict[str, Any]:
    """Run the workload once; return the line to print."""
    given = os.environ.get("BENCH_STATE")
    with (
        nullcontext(given) if given else tempfile.TemporaryDirectory(prefix="hardpoint-bench-") as folder,
        JobService(latency_s=LATENCY_S, **service_for(variant, n)) as service,
    ):
        home = Path(folder) / "home"
        os.environ.update(BENCH_W9_URL=service.url, BENCH_W9_HOME=str(home))
        began_s, cpu_s = time.perf_counter(), _ended_cpu_s()
        killed = variant == "killed"
        if killed:
            _killed_at_half(n, service)
        found = _finished(n, variant)
        makespan_s = time.perf_counter() - began_s if killed else found["wall_s"]
        # A killed engine can say nothing of its own CPU: then it is that of both whole processes.
        found["cpu_s"] = _ended_cpu_s() - cpu_s if killed else found["cpu_s"]
        return {
            **_figures(n, variant, found, makespan_s),
            **_of_service(n, service),
            **_delays(home, found["execution"], service),
            **_waits(found),
        } | _verdict(n, variant, found, service)


def _figures(n: int, variant: str, found: dict[str, Any], makespan_s: float) -> dict[str, Any]:
    return {
        "workload": "W9",
        "n": n,
        "build_s": 0.0,
        "run_s": round(makespan_s, 3),
        "cpu_s": round(found["cpu_s"], 3),
        "rss_mb": round(found["rss_mb"], 1),
        "base_mb": round(found["base_mb"], 1),
        "variant": variant,
        "nodes": n + 1,
        "ideal_s": round(ideal_s(variant, n), 3),
        "cpu_ms_per_job": round(found["cpu_s"] / n * 1000, 3),
    }


def _of_service(n: int, service: JobService) -> dict[str, Any]:
    stats = service.stats()
    total = stats.total
    return {
        "calls_per_job": round(total.requests / n, 3),
        "calls": total.calls,
        "throttled": total.throttled,
        "faults": total.faults,
        "created": total.created,
        "double_submits": total.double_submits,
        "orphans": total.orphans,
        "max_running": total.max_running,
        "max_unfinished": total.max_unfinished,
        "connections": stats.max_connections,
    }


def _waits(found: dict[str, Any]) -> dict[str, Any]:
    waits_s = found.get("light_waits_s")
    if not waits_s:
        return {}
    return {
        "light_wait_s": round(statistics.median(waits_s), 3),
        "light_wait_most_s": round(max(waits_s), 3),
    }


def _verdict(n: int, variant: str, found: dict[str, Any], service: JobService) -> dict[str, Any]:
    total = service.stats().total
    once = (total.created, total.double_submits, total.orphans) == (jobs_in(variant, n), 0, 0)
    return {"ok": once and is_right("W9", n, found["result"])}


def _delays(home: Path, execution: str, service: JobService) -> dict[str, Any]:
    """How long after a job's end the journal knew of it, and had what it returned."""
    if not execution:
        return {}
    journal = open_journal(home)
    try:
        noticed, done = _known_at(journal.read(execution))
    finally:
        journal.close()
    ended = {record.id: record.ended for record in service.records()}
    late = sorted(noticed[job] - at for job, at in ended.items() if at is not None and job in noticed)
    read = sorted(done[job] - at for job, at in ended.items() if at is not None and job in done)
    return {
        "notice_s": round(statistics.median(late), 3),
        "notice_p95_s": round(late[int(0.95 * len(late))], 3),
        "done_s": round(statistics.median(read), 3),
    }


def _known_at(events: Iterable[Event]) -> tuple[dict[str, float], dict[str, float]]:
    """By job: when its success was journaled, and when its outputs were."""
    job_of: dict[str, str] = {}
    noticed: dict[str, float] = {}
    done: dict[str, float] = {}
    for event in events:
        match event:
            case JobCreated():
                job_of[event.node] = event.job.id
            case JobMoved(phase=Phase.SUCCEEDED):
                noticed[job_of[event.node]] = event.at
            case AttemptSucceeded() if event.node in job_of:
                done[job_of[event.node]] = event.at
                noticed.setdefault(job_of[event.node], event.at)  # outputs that came with the status
            case _:
                pass
    return noticed, done


@contextmanager
def _engine(n: int, variant: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ENGINE), str(n), variant]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def _finished(n: int, variant: str) -> dict[str, Any]:
    with _engine(n, variant) as process:
        out, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the engine exited with code {process.returncode}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def _killed_at_half(n: int, service: JobService) -> None:
    """Run an engine until half of the jobs have ended, and end it without a word."""
    with _engine(n, "killed") as process:
        while process.poll() is None and service.stats().total.succeeded < n // 2:
            time.sleep(LOOK_S)
        if process.poll() is not None:
            raise SystemExit("the engine ended before half of the jobs had")


def _ended_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
