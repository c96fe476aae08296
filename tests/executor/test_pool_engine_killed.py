"""An engine that is killed: its workers and all they started die, and what they left is swept."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.pool import WorkerPool

TASKS = """
import os, pathlib, subprocess, sys, time
from hardpoint.core import task

@task
def hang(mark: str) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    pathlib.Path(mark).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
"""


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pids: list[int]) -> None:
    end_s = time.monotonic() + 20
    while not all(map(is_gone, pids)):
        assert time.monotonic() < end_s, [pid for pid in pids if not is_gone(pid)]
        os.sched_yield()


ENGINE = """
import sys, time
from pathlib import Path
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.executor.pool.messages import FunctionCall
from hardpoint.plugin_api import *

home, folder = Path(sys.argv[1]), sys.argv[2]
pool = WorkerPool(home=home, store_url=str(home), size=2, clock=SystemClock())
face = Interface((Variable("mark", SimpleType(SimpleKind.STR)),), ())
config = {"module": "engine_killed_tasks", "qualname": "hang"}
pool.register("hang", TaskSpec("x:hang", "python", "1", face, config), "")
pool.submit([FunctionCall(n, "e1", "n", 1, "hang", {"mark": f"{folder}/mark{n}"}) for n in (1, 2)])
while True:
    pool.wait(60)
"""


def test_workers_die_with_a_killed_engine(tmp_path: Path) -> None:
    (tmp_path / "engine_killed_tasks.py").write_text(TASKS)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", ENGINE, str(tmp_path / "home"), str(tmp_path)]
    engine = subprocess.Popen(command, env=environ)
    marks = [tmp_path / "mark1", tmp_path / "mark2"]
    end_s = time.monotonic() + 30
    while not all(mark.exists() and mark.read_text() for mark in marks):
        assert time.monotonic() < end_s and engine.poll() is None
        os.sched_yield()
    pids = [int(pid) for mark in marks for pid in mark.read_text().split()]
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    wait_until_gone(pids)


def test_folders_of_dead_engines_are_swept_and_those_in_use_are_not(tmp_path: Path) -> None:
    old_s = time.time() - 3600
    for name in ("dead", "alive"):
        (tmp_path / "tmp" / name / "data").mkdir(parents=True)
        os.utime(tmp_path / "tmp" / name, (old_s, old_s))
    (tmp_path / "tmp/starting").mkdir()
    descriptor = os.open(tmp_path / "tmp/alive", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    WorkerPool(home=tmp_path, store_url=str(tmp_path), size=1, clock=SystemClock()).close(0)
    os.close(descriptor)
    assert sorted(each.name for each in (tmp_path / "tmp").iterdir()) == ["alive", "starting"]
