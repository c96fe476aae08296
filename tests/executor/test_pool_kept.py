"""Results that outlive their engine: kept by workers, found by whoever goes on, removed when journaled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.kept import FOLDER, SLOT_BYTES, SLOTS, STALE_S, KeptResults, ResultKeeper
from hardpoint.executor.pool.messages import CallDone, CallFailed, FunctionCall, frame
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import ErrorInfo

if TYPE_CHECKING:
    from tests.executor.conftest import Lab

TASKS = """
from hardpoint.core import task

@task
def double(x: int) -> int:
    return 2 * x
"""

ENGINE = """
import sys, time
from pathlib import Path
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.executor.pool.messages import FunctionCall
from hardpoint.plugin_api import *

home = Path(sys.argv[1])
pool = WorkerPool(home=home, store_url=str(home), size=1, clock=SystemClock())
number = SimpleType(SimpleKind.INT)
face = Interface((Variable("x", number),), (Variable("result", number),))
config = {"module": "kept_tasks", "qualname": "double"}
pool.register("double", TaskSpec("x:double", "python", "1", face, config), "")
pool.submit([FunctionCall(n, "e1", f"double[{n}]", 1, "double", {"x": n}) for n in range(2)])
time.sleep(600)
"""


def call_of(n: int, execution: str = "e1") -> FunctionCall:
    return FunctionCall(n, execution, f"node-{n}", 1, "spec", {})


def keep(keeper: ResultKeeper, n: int, output: object) -> None:
    keeper.keep(call_of(n), frame(CallDone(n, {"result": output}, 0.1)))


def test_the_latest_results_are_kept(tmp_path: Path) -> None:
    keeper = ResultKeeper(tmp_path / FOLDER / "w1")
    for n in range(SLOTS + 1):
        keep(keeper, n, n)
    kept = KeptResults(tmp_path)
    assert kept.find("e1", "node-0", 1) is None
    assert kept.find("e1", "node-1", 1) == CallDone(1, {"result": 1}, 0.1)
    assert kept.find("e1", f"node-{SLOTS}", 1) == CallDone(SLOTS, {"result": SLOTS}, 0.1)
    assert kept.find("e1", "node-1", 2) is None
    assert kept.find("e2", "node-1", 1) is None


def test_a_failure_is_a_result(tmp_path: Path) -> None:
    failed = CallFailed(1, ErrorInfo("ValueError", "no"), 0.1)
    ResultKeeper(tmp_path / FOLDER / "w1").keep(call_of(1), frame(failed))
    assert KeptResults(tmp_path).find("e1", "node-1", 1) == failed


def test_what_is_too_long_is_not_kept(tmp_path: Path) -> None:
    keeper = ResultKeeper(tmp_path / FOLDER / "w1")
    keep(keeper, 1, "x" * SLOT_BYTES)
    longest = SLOT_BYTES - len(frame(CallDone(2, {"result": ""}, 0.1))) - len("e1 1 node-2") - 12
    keep(keeper, 2, "x" * longest)
    keep(keeper, 3, "x" * (longest + 1))
    kept = KeptResults(tmp_path)
    assert [kept.find("e1", f"node-{n}", 1) is not None for n in (1, 2, 3)] == [False, True, False]


def test_a_slot_that_was_being_written_is_left_out(tmp_path: Path) -> None:
    keeper = ResultKeeper(tmp_path / FOLDER / "w1")
    keep(keeper, 1, 1)
    keep(keeper, 2, 2)
    with (tmp_path / FOLDER / "w1").open("r+b") as file:
        file.seek(20)
        file.write(b"#")
    kept = KeptResults(tmp_path)
    assert kept.find("e1", "node-1", 1) is None
    assert kept.find("e1", "node-2", 1) is not None


def test_nothing_is_kept_where_there_is_no_room(tmp_path: Path) -> None:
    (tmp_path / FOLDER).touch()
    keep(ResultKeeper(tmp_path / FOLDER / "w1"), 1, 1)
    assert KeptResults(tmp_path).find("e1", "node-1", 1) is None


def test_old_ones_are_swept(tmp_path: Path) -> None:
    for name in ("old", "young"):
        keep(ResultKeeper(tmp_path / FOLDER / name), 1, 1)
    long_ago_s = time.time() - STALE_S - 60
    os.utime(tmp_path / FOLDER / "old", (long_ago_s, long_ago_s))
    KeptResults(tmp_path).sweep()
    assert [each.name for each in (tmp_path / FOLDER).iterdir()] == ["young"]


def test_results_that_a_killed_engine_never_read_are_found(tmp_path: Path) -> None:
    (tmp_path / "kept_tasks.py").write_text(TASKS)
    home = tmp_path / "home"
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    engine = subprocess.Popen([sys.executable, "-c", ENGINE, str(home)], env=environ)
    end_s = time.monotonic() + 30
    while (found := KeptResults(home).find("e1", "double[1]", 1)) is None:
        assert time.monotonic() < end_s and engine.poll() is None
        os.sched_yield()
    engine.send_signal(signal.SIGKILL)
    engine.wait()
    assert isinstance(found, CallDone)
    pool = WorkerPool(home=home, store_url=str(home), size=1, clock=SystemClock())
    kept = [pool.kept("e1", f"double[{n}]", 1) for n in range(3)]
    pool.close(0)
    assert [isinstance(each, CallDone) and each.outputs for each in kept] == [
        {"result": 0},
        {"result": 2},
        False,
    ]


def test_nothing_is_left_of_workers_whose_results_are_journaled(lab: Lab) -> None:
    lab.register(lab.write("flow.py", "@task\ndef f(x: int) -> int:\n    return x\n"), "f")
    assert lab.result("f", x=1) == 1
    assert len(list((lab.home / FOLDER).iterdir())) == 1
    lab.pool.close(0)
    assert list((lab.home / FOLDER).iterdir()) == []


def test_nothing_is_left_of_a_worker_that_died(lab: Lab) -> None:
    lab.register(lab.write("flow.py", "import os\n@task\ndef f() -> None:\n    os._exit(3)\n"), "f")
    assert lab.failure("f").code == "WorkerDied"
    lab.pool.wait(0.0)
    assert list((lab.home / FOLDER).iterdir()) == []
