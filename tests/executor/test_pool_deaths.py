"""Workers that crash, hang, are killed or lose their engine: who is told what, and that nothing is left."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.messages import CallDone, CallFailed, CallReturned, FunctionCall
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import ErrorKind, Resources

if TYPE_CHECKING:
    from tests.executor.conftest import Lab

DEADLY = """
import ctypes, multiprocessing, os, pathlib, signal, subprocess, sys, time

@task
def die(how: str) -> int:
    print("last words", file=sys.stderr)
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(3)
    elif how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return 1

@task
def hang(mark: str) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    grandchild = subprocess.Popen(["sh", "-c", "sleep 600 & echo $! && wait"], stdout=subprocess.PIPE)
    number = grandchild.stdout.readline().decode().strip()
    pathlib.Path(mark).write_text(f"{os.getpid()} {child.pid} {grandchild.pid} {number}")
    time.sleep(600)
    return 1

@task
def fork_and_die() -> int:
    if os.fork() == 0:
        time.sleep(600)
    os._exit(4)

@task
def fork_and_return(x: int) -> int:
    os.fork()
    return x

@task
def close_all(mark: str) -> int:
    os.closerange(3, 1000)
    return 1

@task
def eat(mib: int) -> int:
    return len(bytearray(mib << 20)) >> 20

@task
def fine(x: int) -> int:
    return x
"""
NAMES = ("die", "hang", "fork_and_die", "fork_and_return", "close_all", "eat", "fine")


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


def lose(lab: Lab, how: str) -> CallFailed:
    """Lose a worker with three calls queued behind the deadly one; they are given back, or done before."""
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    for x in range(10):
        lab.result("fine", x=x)
    calls: list[tuple[str, dict[str, Any]]]
    calls = [("fine", {"x": 1}), ("fine", {"x": 2}), ("die", {"how": how}), *[("fine", {"x": 3})] * 3]
    *before, deadly, one, two, three = lab.submit_mixed(calls)
    done = lab.until(3)
    assert [each.ticket for each in done] == [*before, deadly]
    assert all(isinstance(each, CallDone) for each in done[:2])
    # On a slow machine some of them wait in the pool for its next worker.
    lab.until_told_of([one, two, three])
    assert {one, two, three}.issuperset(lab.returned())
    assert lab.result("fine", x=5) == 5
    failed = done[-1]
    assert isinstance(failed, CallFailed)
    assert failed.error.code == "WorkerDied"
    assert lab.text(failed.log)[1].startswith("last words\n")
    return failed


def test_a_crash_in_c_fails_the_call_that_ran(lab: Lab) -> None:
    error = lose(lab, "segfault").error
    assert error.kind is ErrorKind.USER
    assert error.message.startswith(
        "Node `die` took its worker process with it, which was ended by SIGSEGV; "
        "its last lines on stderr:\nlast words\nFatal Python error: Segmentation fault\n"
    )
    assert "flow.py" in error.message
    assert error.hint == "A library written in C crashed: run the task's function alone, with the same inputs"


def test_os_exit_fails_the_call_that_ran(lab: Lab) -> None:
    error = lose(lab, "exit").error
    assert error.kind is ErrorKind.USER
    assert error.message == (
        "Node `die` took its worker process with it, which exited with code 3; "
        "its last lines on stderr:\nlast words"
    )
    assert error.hint == "Return from the task, or raise an exception, instead of ending the process"


def test_sigkill_is_not_the_authors_fault(lab: Lab) -> None:
    error = lose(lab, "killed").error
    assert error.kind is ErrorKind.TRANSIENT
    assert "which was ended by SIGKILL" in error.message


def test_children_that_hold_the_pipe_do_not_hide_a_death(lab: Lab) -> None:
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    began_s = time.monotonic()
    assert "exited with code 4" in lab.failure("fork_and_die").message
    assert time.monotonic() - began_s < 15
    assert lab.result("fine", x=1) == 1


def test_a_child_that_comes_back_does_not_answer(lab: Lab) -> None:
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    lab.submit_many("fork_and_return", [{"x": x} for x in range(5)])
    assert [each.outputs["result"] for each in lab.until(5)] == [0, 1, 2, 3, 4]
    assert lab.result("fine", x=6) == 6
    assert len([each for each in lab.events if isinstance(each, CallDone)]) == 6


def test_closing_all_descriptors_is_told(lab: Lab) -> None:
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    error = lab.failure("close_all", mark="")
    assert "exited with code 1; its last lines on stderr:\nhardpoint: the connection" in error.message


def test_a_timeout_kills_the_whole_group(lab: Lab) -> None:
    mark = lab.root / "mark"
    lab.register(lab.write("flow.py", DEADLY), "fine")
    lab.register(lab.root / "flow.py", "hang", timeout_s=0.5)
    lab.result("fine", x=1)
    ticket, behind = lab.submit_mixed([("hang", {"mark": str(mark)}), ("fine", {"x": 1})])
    (failed,) = lab.until()
    wait_until_gone([int(pid) for pid in mark.read_text().split()])
    assert (failed.ticket, failed.error.code, failed.error.kind) == (ticket, "TimeoutExpired", ErrorKind.USER)
    assert str(failed.error.message) == "Node `hang` ran longer than its timeout of 0.5 s and was killed"
    assert failed.error.hint == "Raise `timeout=` of its task above 0.5 seconds, or let it do less"
    assert 0.5 <= failed.duration_s < 10
    lab.until_told_of([behind])


def test_waiting_in_the_queue_is_no_part_of_the_timeout(lab: Lab) -> None:
    file = lab.write("flow.py", "import time\n@task\ndef nap() -> int:\n    time.sleep(0.3)\n    return 1\n")
    lab.register(file, "nap", timeout_s=0.6)
    lab.submit_many("nap", [{}] * 4)
    assert all(isinstance(each, CallDone) for each in lab.until(4))


def test_importing_the_code_is_no_part_of_the_timeout(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        import os, time

        if "code" in __file__:
            time.sleep(0.6)

        @task
        def quick() -> int:
            return 1
        """,
    )
    lab.register(file, "quick", timeout_s=0.3)
    assert lab.result("quick") == 1


def test_cancelling_kills_what_runs_and_gives_back_what_waits(lab: Lab) -> None:
    mark = lab.root / "mark"
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    running = lab.submit("hang", mark=str(mark))
    waiting = lab.submit_many("fine", [{"x": 1}] * 4)
    pids = [int(pid) for pid in lab.until_file(mark).split()]
    lab.pool.cancel([*waiting, 999], "not wanted any more")
    while sorted(lab.returned()) != waiting:
        lab.until(1, CallReturned)
    lab.pool.cancel([running], "not wanted any more")
    (failed,) = lab.until()
    wait_until_gone(pids)
    assert (failed.ticket, failed.error.code) == (running, "Cancelled")
    assert failed.error.message == "Node `hang` was killed: not wanted any more"
    assert lab.result("fine", x=1) == 1
    assert sorted(lab.returned()) == waiting


def test_calls_cancelled_one_by_one_on_a_worker_that_starts_up_do_not_come_back(lab: Lab) -> None:
    mark = lab.root / "mark"
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    for _ in range(8):
        both = {lab.submit("hang", mark=str(mark)), lab.submit("hang", mark=str(mark))}
        # Two recalls are on their way to a worker that has not spoken yet: it answers both.
        for ticket in both:
            lab.pool.cancel([ticket], "no")
        end_s = time.monotonic() + 20
        while both:
            assert time.monotonic() < end_s, f"calls {both} came back"
            lab.events += lab.pool.wait(0.05)
            both -= set(lab.returned())
            both -= {each.ticket for each in lab.events if isinstance(each, CallFailed)}
    assert lab.result("fine", x=1) == 1


def test_a_call_that_ended_before_its_cancel_is_done(lab: Lab) -> None:
    lab.register(lab.write("flow.py", DEADLY), *NAMES)
    lab.result("fine", x=1)
    ticket = lab.submit("fine", x=2)
    (worker,) = lab.pool._staff
    assert select.select([worker.sock], [], [], 30)[0], "the reply is in the pipe, and nobody has read it"
    lab.pool.cancel([ticket], "too late")
    (done,) = lab.until()
    assert (done.ticket, done.outputs) == (ticket, {"result": 2})


def test_memory_is_limited_for_the_attempt_only(lab: Lab) -> None:
    file = lab.write("flow.py", DEADLY)
    lab.register(file, "eat", resources=Resources(memory_bytes=64 << 20))
    error = lab.failure("eat", mib=80)
    assert error.code == "MemoryExceeded"
    assert error.bases == ("MemoryError", "Exception", "BaseException")
    assert error.message == (
        "Node `eat` needed more than its limit of 67108864 bytes of memory (MemoryError without a message)"
    )
    assert error.hint == (
        "Raise `memory_bytes` in the task's `resources=Resources(...)`, or work on the data in parts"
    )
    assert 'File "flow.py"' in error.traceback
    assert lab.result("eat", mib=40) == 40
    lab.register(file, "fine")
    assert lab.result("fine", x=1) == 1


def test_a_worker_that_cannot_start_is_a_fault_of_the_system(lab: Lab, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 7\n")
    broken.chmod(0o755)
    lab.register(lab.write("flow.py", DEADLY), "fine")
    spec = lab.pool._specs["fine"][1]
    pool = WorkerPool(home=lab.home, store_url=str(lab.home), size=1, clock=SystemClock(), python=str(broken))
    pool.register("fine", spec, "")
    pool.submit([FunctionCall(1, "e1", "n", 1, "fine", {"x": 1})])
    (failed,) = pool.wait(30)
    pool.close(0)
    assert isinstance(failed, CallFailed)
    assert failed.error.kind is ErrorKind.SYSTEM
    assert failed.error.message == (
        "The worker process for node `n` exited with code 7 before it was ready; "
        "its last lines on stderr:\nno such library"
    )
