"""When workers are started, shared between archives and let go."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hardpoint.executor.archive.archive import unpack
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.messages import CallDone, FunctionCall
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.executor.pool.staff import IDLE_MAX_S

if TYPE_CHECKING:
    from tests.executor.conftest import Lab

ONE = "@task\ndef f{n}(x: int) -> int:\n    return x\n"

HEAVY = (
    "asyncio",
    "fsspec",
    "hardpoint.registry",
    "importlib.metadata",
    "multiprocessing",
    "numpy",
    "pandas",
    "rich",
    "sqlalchemy",
    "stevedore",
    "typer",
    "zipfile",
)


class LateClock(SystemClock):
    """Real time, and some more."""

    __slots__ = ("more_s",)

    def __init__(self) -> None:
        self.more_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.more_s


def test_a_worker_imports_only_what_it_needs(lab: Lab) -> None:
    file = lab.write("flow.py", "import sys\n@task\ndef f() -> list[str]:\n    return sorted(sys.modules)\n")
    digest = lab.register(file, "f")
    # Most workers find the archive unpacked.
    unpack(digest, lab.home)
    assert set(lab.result("f")).isdisjoint(HEAVY)


def test_no_archive_starves(lab: Lab) -> None:
    for n in (0, 1):
        lab.register(lab.write(f"flow{n}.py", ONE.format(n=n)), f"f{n}")
    lab.result("f0", x=0)
    end_s = time.monotonic() + 30
    other = 10**6
    lab.pool.submit([FunctionCall(other, "e", "n", 1, "f1", {"x": 1})])
    while not any(isinstance(each, CallDone) and each.ticket == other for each in lab.events):
        assert time.monotonic() < end_s
        lab.submit_many("f0", [{"x": 1}] * lab.pool.room())
        lab.events += lab.pool.wait(1.0)


def test_a_worker_without_work_is_let_go(lab: Lab) -> None:
    lab.register(lab.write("flow.py", ONE.format(n="")), "f")
    clock = LateClock()
    pool = WorkerPool(home=lab.home, store_url=str(lab.home), size=1, clock=clock)
    code, spec, _ = lab.pool._specs["f"]
    pool.register("f", spec, code)
    pool.submit([FunctionCall(1, "e", "n", 1, "f", {"x": 1})])
    assert len(pool.wait(30)) == 1
    clock.more_s = IDLE_MAX_S + 1
    pool.wait(0.0)
    (worker,) = pool._staff
    worker.process.wait(30)
    clock.more_s = 0.0
    while list(pool._staff):
        pool.wait(0.02)
    assert worker.process.returncode == 0
    pool.submit([FunctionCall(2, "e", "n", 1, "f", {"x": 2})])
    (done,) = pool.wait(30)
    pool.close(0)
    assert isinstance(done, CallDone)
