"""Calls through real worker processes: batches, results, logs, what an attempt leaves behind."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.messages import CallDone
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.executor.conftest import Lab


def test_a_thousand_calls_give_their_results(lab: Lab) -> None:
    lab.open_pool(2)
    lab.register(lab.write("flow.py", "@task\ndef double(x: int) -> int:\n    return x * 2\n"), "double")
    expected: dict[int, int] = {}
    left = list(range(1000))
    while left or len(lab.events) < 1000:
        now, left = left[: lab.pool.room()], left[lab.pool.room() :]
        tickets = lab.submit_many("double", [{"x": x} for x in now])
        expected |= {ticket: x * 2 for ticket, x in zip(tickets, now, strict=True)}
        lab.events += lab.pool.wait(30)
    found = {each.ticket: each.outputs["result"] for each in lab.events if isinstance(each, CallDone)}
    assert found == expected
    assert lab.pool.room() == 128


def test_big_inputs_and_outputs(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        @task
        def echo(text: str) -> str:
            return text + "!"
        """,
    )
    lab.register(file, "echo")
    text = "ü" * 10_000_000
    tickets = lab.submit_many("echo", [{"text": text}] * 3)
    done = lab.until(3)
    assert [each.ticket for each in done] == tickets
    assert all(each.outputs == {"result": text + "!"} for each in done)


def test_kinds_of_outputs(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        from typing import NamedTuple

        class Split(NamedTuple):
            low: int
            high: str

        @task
        def split(n: int = 7) -> Split:
            return Split(n, "x" * n)

        @task
        def nothing() -> None:
            return None

        @task
        def wrong() -> int:
            return "text"

        @task
        def short() -> Split:
            return 3
        """,
    )
    lab.register(file, "split", "nothing", "wrong", "short")
    assert lab.run("split", n=2).outputs == {"low": 2, "high": "xx"}
    assert lab.run("split").outputs == {"low": 7, "high": "xxxxxxx"}
    assert lab.run("nothing").outputs == {}
    wrong = lab.failure("wrong")
    assert (wrong.code, wrong.traceback) == ("EncodeError", "")
    assert wrong.message.startswith("Its result does not fit `int`: ")
    assert lab.failure("short").message == ("Task `flow.py:short` returned `3`, not a tuple of `low`, `high`")


def test_output_of_an_attempt_is_its_own_also_from_c_and_from_programs(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        import ctypes, os, subprocess, sys

        print("at import")

        @task
        def speak(word: str) -> int:
            print(word)
            print(word, file=sys.stderr)
            ctypes.CDLL(None).puts(f"c {word}".encode())
            os.write(1, f"raw {word}\\n".encode())
            return subprocess.run(["sh", "-c", f"echo program {word}; echo problem >&2"]).returncode

        @task
        def silent() -> int:
            return 1

        @task
        def vandal() -> int:
            sys.stdout.close()
            os.close(2)
            open("/dev/null", "w")
            sys.stderr = None
            return 1
        """,
    )
    lab.register(file, "speak", "silent", "vandal")
    first, second = lab.run("speak", word="one"), lab.run("speak", word="zwö")
    for event, word, extra in ((first, "one", {"at import"}), (second, "zwö", set())):
        out, err = lab.text(event.log)
        assert set(out.splitlines()) == {word, f"c {word}", f"raw {word}", f"program {word}"} | extra
        assert err == f"{word}\nproblem\n"
    assert lab.run("silent").log is None
    lab.run("vandal")
    out, err = lab.text(lab.run("speak", word="again").log)
    assert out.startswith("again\n")
    assert err == "again\nproblem\n"


def test_an_attempt_finds_its_surroundings_unchanged(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        import os, shutil, sys

        os.environ["SET_AT_IMPORT"] = "kept"
        sys.path.append("/kept")

        def state() -> list[str]:
            variables = [str(os.environ.get(name)) for name in ("ADDED", "HOME", "SET_AT_IMPORT")]
            return [os.getcwd(), *variables, str("/added" in sys.path), str("/kept" in sys.path)]

        @task
        def change() -> list[str]:
            before = state()
            os.environ["ADDED"] = "1"
            os.environ["HOME"] = "/elsewhere"
            os.environ.pop("SET_AT_IMPORT")
            sys.path.insert(0, "/added")
            folder = os.getcwd()
            os.chdir("/")
            shutil.rmtree(folder)
            return before
        """,
    )
    lab.register(file, "change")
    first = lab.result("change")
    assert first[1:] == ["None", os.environ["HOME"], "kept", "False", "True"]
    assert first[0].startswith(str(lab.home / "tmp"))
    assert lab.result("change") == first


def test_code_comes_from_the_archive_not_from_the_project(lab: Lab) -> None:
    file = lab.write("flow.py", "import helper\n@task\ndef f() -> str:\n    return helper.WORD\n")
    lab.write("helper.py", "WORD = 'archived'\n")
    lab.register(file, "f")
    lab.write("helper.py", "WORD = 'changed since'\n")
    assert lab.result("f") == "archived"


def test_two_archives_of_one_project_run_side_by_side_and_in_turn(lab: Lab, tmp_path: Path) -> None:
    lab.open_pool(1)
    keys = []
    for number in range(3):
        file = lab.write(
            f"flow{number}.py",
            f"import helper{number} as h\n@task\ndef f{number}() -> int:\n    return h.N\n",
        )
        lab.write(f"helper{number}.py", f"N = {number}\n")
        lab.register(file, f"f{number}")
        keys.append(f"f{number}")
    for key in keys * 2:
        lab.submit(key)
    done = lab.until(6)
    assert sorted(each.outputs["result"] for each in done) == [0, 0, 1, 1, 2, 2]


def test_files_named_like_modules_of_python(lab: Lab) -> None:
    file = lab.write("logging.py", "@task\ndef f() -> str:\n    return __file__\n")
    digest = lab.register(file, "f")
    assert lab.result("f") == str(lab.home / "code" / digest / "logging.py")


def test_installed_functions_need_no_archive(lab: Lab) -> None:
    from hardpoint.plugin_api import Interface, SimpleKind, SimpleType, TaskSpec, Variable

    number = SimpleType(SimpleKind.INT)
    face = Interface((Variable("digest", SimpleType(SimpleKind.STR)),), (Variable("result", number),))
    config = {"module": "hardpoint.executor.secrets", "qualname": "variable_of"}
    lab.add("v", TaskSpec("x:variable_of", "python", "1", face, config))
    assert lab.result("v", name="a-b") == "HARDPOINT_SECRET_A_B"


def test_a_short_call_does_not_wait_behind_a_long_one(lab: Lab) -> None:
    gate = lab.home / "gate"
    file = lab.write(
        "flow.py",
        f"""
        import pathlib, time

        @task
        def maybe(wait: bool) -> int:
            while wait and not pathlib.Path({str(gate)!r}).exists():
                time.sleep(0.01)
            return 1
        """,
    )
    lab.open_pool(2)
    lab.register(file, "maybe")
    for _ in range(20):
        lab.result("maybe", wait=False)
    long, *short = lab.submit_many("maybe", [{"wait": True}, *[{"wait": False}] * 10])
    first = lab.until(10)
    assert {each.ticket for each in first} == set(short)
    gate.touch()
    assert lab.until()[0].ticket == long


def test_unknown_work_is_spread_and_known_short_work_is_not(lab: Lab) -> None:
    file = lab.write("flow.py", "import os\n@task\ndef f(x: int) -> int:\n    return os.getpid()\n")
    lab.open_pool(2)
    lab.register(file, "f")
    lab.submit_many("f", [{"x": 1}] * 4)
    assert len({each.outputs["result"] for each in lab.until(4)}) == 2


def test_wake_ends_a_wait(lab: Lab) -> None:
    pool = lab.open_pool()
    waker = threading.Timer(0.05, pool.wake)
    waker.start()
    assert pool.wait(60.0) == []
    pool.close(0.0)
    pool.wake()


def test_wait_returns_when_its_time_is_over(lab: Lab) -> None:
    clock = SystemClock()
    began_s = clock.monotonic()
    assert lab.open_pool().wait(0.05) == []
    assert clock.monotonic() - began_s >= 0.05


def test_close_lets_the_running_call_end_and_gives_back_the_rest(lab: Lab) -> None:
    file = lab.write(
        "flow.py",
        """
        import pathlib, time

        @task
        def slow(mark: str) -> int:
            pathlib.Path(mark).write_text("started")
            time.sleep(0.2)
            return 1
        """,
    )
    lab.register(file, "slow")
    mark = lab.root / "mark"
    tickets = lab.submit_many("slow", [{"mark": str(mark)}] * 5)
    lab.until_file(mark)
    lab.events = lab.pool.close(30.0)
    assert [each.ticket for each in lab.events if isinstance(each, CallDone)] == tickets[:1]
    assert sorted(lab.returned()) == tickets[1:]
    assert list((lab.home / "tmp").iterdir()) == []


def test_a_pool_needs_a_worker(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        WorkerPool(home=tmp_path, store_url=str(tmp_path), size=0, clock=SystemClock())
    assert str(caught.value) == "A pool of 0 workers runs nothing\n\nhint: Give it at least 1 worker"
