"""`hardpoint pools`, `explain` and `show`, asked while an executor in another process has nodes that wait."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hardpoint.executor.cli.entry import run_command_line
from hardpoint.plugin_api.testing.jobservice import JobService

PATIENCE_S = 60.0
POOL = "jobservice:default"

FLOWS = """
import os
import time

from hardpoint.core import map_task, task, workflow
from hardpoint_jobservice import JobTask

slow = JobTask("slow", url=os.environ["JOBS_URL"], duration_s=600.0)
quick = JobTask("quick", url=os.environ["JOBS_URL"], duration_s=0.4)


@task
def held(place: str) -> int:
    while not os.path.exists(place):
        time.sleep(0.02)
    return 1


@workflow
def five() -> list[int]:
    return [slow(value=number) for number in range(5)]


@workflow
def eight() -> list[int]:
    return [quick(value=number) for number in range(8)]


@workflow
def local(place: str) -> list[int]:
    return [held(place=place), held(place=place), slow(value=held(place=place))]
"""

CONFIG = f"""
[pools."{POOL}"]
capacity = 2
[pools."{POOL}".projects.ads]
cap = 3
[tenants."late/development"]
max_running = 0
"""


class Said(NamedTuple):
    out: str
    err: str
    code: int


class Shop:
    """A folder with a store, a job service, and executors that are processes of their own."""

    def __init__(self, folder: Path, run: Callable[[str], Said]) -> None:
        self.folder = folder
        self.run = run
        self.started: list[subprocess.Popen[bytes]] = []

    def executor(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "hardpoint.executor.cli", "executor", "start", *words]
        with (self.folder / "executor.log").open("wb") as log:
            self.started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))
        return self.started[-1]

    def submit(self, words: str) -> str:
        said = self.run(f"run --detach --json {words}")
        assert said.code == 0, said
        return str(json.loads(said.out)["execution"])

    def json(self, words: str) -> Any:
        said = self.run(f"{words} --json")
        assert said.code == 0, said
        return json.loads(said.out)

    def pool(self) -> dict[str, Any]:
        found: dict[str, Any] = next(each for each in self.json("pools")["pools"] if each["pool"] == POOL)
        return found

    def until(self, is_so: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not is_so():
            log = (self.folder / "executor.log").read_text()
            assert time.monotonic() < end_s, (self.pool(), log)
            time.sleep(0.05)

    def until_held(self, units: int, waiting: int) -> None:
        self.until(lambda: (self.pool()["held"], self.pool()["waiting"]) == (units, waiting))


@pytest.fixture
def shop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    (tmp_path / "flow.py").write_text(FLOWS)
    (tmp_path / "hardpoint.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARDPOINT_HOME", "home")

    def run(line: str) -> Said:
        code = run_command_line(line.split())
        return Said(*capfd.readouterr(), code)

    made = Shop(tmp_path, run)
    with JobService() as service:
        monkeypatch.setenv("JOBS_URL", service.url)
        try:
            yield made
        finally:
            for process in made.started:
                process.send_signal(signal.SIGKILL)
                process.wait()


@pytest.fixture(params=["sqlite", "postgresql"])
def everywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which journal the executor and the commands share."""
    if request.param == "postgresql":
        monkeypatch.setenv("HARDPOINT_JOURNAL", str(request.getfixturevalue("postgres_url")))
    return str(request.param)


def told(text: str, *ids: str) -> str:
    """Without what differs each time."""
    for number, id in enumerate(ids, 1):
        text = text.replace(id, f"R{number}")
    return re.sub(r"\b\d+(\.\d+)? m?s\b", "T", text)


@pytest.mark.usefixtures("everywhere")
def test_a_pool_that_is_raised_is_used_at_once_and_one_that_is_lowered_drains(shop: Shop) -> None:
    run = shop.submit("flow.py five")
    shop.executor()
    shop.until_held(2, 3)
    said = shop.run(f"pools set {POOL} --capacity 4")
    assert said == Said(f"Pool `{POOL}`\n  capacity: 2 → 4\n", "", 0)
    shop.until_held(4, 1)
    said = shop.run(f"pools set {POOL} --capacity 1")
    assert said.out == (
        f"Pool `{POOL}`\n  capacity: 4 → 1\n"
        "  the pool holds 4, 3 units too many: nothing more is granted there until they come back\n"
    )
    shop.run(f"pools set {POOL} --capacity unlimited")
    shop.until_held(5, 0)
    shop.run(f"pools set {POOL} --unset")
    assert (shop.pool()["capacity"], shop.pool()["free"]) == (2, -3)
    heading = f"{POOL}  capacity 2, held 5, free 0, 3 too many, waiting 0"
    assert heading in shop.run("pools").out.splitlines()
    assert shop.run(f"executions abort {run}").code == 0
    shop.until_held(0, 0)


def test_after_a_pool_is_lowered_no_more_begin_than_there_are_units(shop: Shop) -> None:
    run = shop.submit("flow.py eight")
    shop.run(f"pools set {POOL} --capacity 4")
    shop.executor()
    shop.until(lambda: shop.pool()["held"] == 4)
    shop.run(f"pools set {POOL} --capacity 1")
    shop.until(lambda: shop.pool()["held"] <= 1)
    most = 0
    while shop.json(f"executions show {run}")["phase"] == "RUNNING":
        most = max(most, shop.pool()["held"])
    assert (most, shop.json(f"executions show {run}")["phase"]) == (1, "SUCCEEDED")


@pytest.mark.usefixtures("everywhere")
def test_explain_tells_the_limit_the_holders_the_place_and_what_helps(shop: Shop) -> None:
    first = shop.submit("-p ads flow.py five")
    shop.executor()
    shop.until_held(2, 3)
    shop.run(f"pools set {POOL} --capacity 9")
    shop.until_held(3, 2)
    second = shop.submit("-p search flow.py five")
    shop.until_held(8, 2)
    shop.run(f"pools set {POOL} --capacity 5")
    third = shop.submit("-p search flow.py five")
    shop.until_held(8, 7)

    said = shop.run(f"explain {first} slow_4")
    assert told(said.out, first, second) == (
        f"slow_4: project `ads` has its cap of `{POOL}`: 3 of 3 held\n"
        "  held by   R1 slow, R1 slow_2, R1 slow_3, R2 slow, R2 slow_2\n"
        "  position  1 of its tenant\n"
        "  starts    not known: no history of `flow.py:slow`\n"
        f"  hint: `hardpoint pools set {POOL} --project ads --cap 4`\n"
    )
    (waiting,) = shop.json(f"explain {third} slow_2")["waiting"]
    assert (waiting["cause"], waiting["where"], waiting["position"]) == ("capacity", POOL, 2)
    assert waiting["words"] == f"`{POOL}` is full: 8 of 5 held"
    assert {each["execution"] for each in waiting["holders"]} == {first, second}

    said = shop.run(f"pools explain {POOL}")
    assert re.sub(r" +", " ", told(said.out, first, second, third)) == (
        f"{POOL} capacity 5, held 8, free 0, 3 too many, waiting 7\n\n"
        "RUN NODE TENANT UNITS FOR\n"
        + "".join(f"R1 slow{each} ads/development 1 T\n" for each in ("", "_2", "_3"))
        + "".join(f"R2 slow{each} search/development 1 T\n" for each in ("", "_2", "_3", "_4", "_5"))
        + "\nNEXT RUN TENANT WAITING UNITS WHY\n"
        f"1 R3 search/development 5 1 `{POOL}` is full: 8 of 5 held\n"
        f" R1 ads/development 2 1 project `ads` has its cap of `{POOL}`: 3 of 3 held\n"
    )
    shown = shop.run(f"executions show {first}").out
    assert re.search(rf"^slow_4 .* READY +project `ads` has its cap of `{POOL}`: 3 of 3 held$", shown, re.M)

    table = [line.split() for line in shop.run("pools").out.splitlines() if line.startswith("  ")]
    assert table[:5] == [
        ["PROJECT", "DOMAIN", "GUARANTEE", "CAP", "WEIGHT", "HELD", "WAITING", "BORROWED"],
        ["ads", "3", "1", "3", "2"],
        ["development", "1", "3", "2"],
        ["search", "1", "5", "5", "2"],
        ["development", "1", "5", "5"],
    ]


def test_explain_tells_of_workers_parallelism_and_upstream(shop: Shop) -> None:
    gate = shop.folder / "gate"
    run = shop.submit(f"--max-parallelism 2 flow.py local --place {gate}")
    shop.executor("--workers", "4")
    shop.until(lambda: len(shop.json(f"explain {run}")["waiting"]) == 2)
    assert told(shop.run(f"explain {run}").out, run) == (
        "held_3: `max_parallelism` of its run: 2 of at most 2 in flight\n"
        "  held by   R1 held, R1 held_2\n"
        "  starts    not known: no history of `flow.py:held`, `flow.py:slow`\n"
        "  hint: submit the run with `--max-parallelism` above 2\n"
        "\n"
        "slow: waits for `held_3`\n"
        "  starts    not known: no history of `flow.py:held`, `flow.py:slow`\n"
        "  hint: `hardpoint explain R1 held_3`\n"
    )
    assert shop.run(f"explain {run} held").out == (
        f"Node `held` of run `{run}` does not wait: it is STARTED\n"
    )
    gate.touch()
    shop.until(lambda: not shop.json(f"explain {run}")["waiting"])


def test_a_start_is_predicted_from_earlier_attempts(shop: Shop) -> None:
    earlier = shop.submit("flow.py eight")
    shop.run(f"pools set {POOL} --capacity 1")
    shop.executor()
    shop.until(lambda: bool(shop.json(f"executions show {earlier}")["nodes"][4]["ended"]))
    waits = shop.json(f"explain {earlier}")["waiting"]
    known = [each["start"] for each in waits if each["start"] is not None]
    assert known
    assert all(0.0 <= each["earliest_s"] <= each["latest_s"] < 30.0 for each in known)
    assert known == sorted(known, key=lambda each: each["earliest_s"])
    assert re.fullmatch(r"as \d+ earlier attempts took", waits[0]["basis"])


def test_what_nobody_drives_and_what_is_queued_says_so(shop: Shop) -> None:
    run = shop.submit("flow.py five")
    assert told(shop.run(f"explain {run}").out, run) == (
        "Run R1: no executor has taken it up\n"
        "  starts    not known: nobody is there\n"
        "  hint: `hardpoint executor start`, which takes up all such runs\n"
    )
    queued = shop.submit("-p late flow.py five")
    assert told(shop.run("explain last").out, queued) == (
        "Run R1: tenant `late/development` has 0 of at most 0 runs, and it is number 1 in the queue\n"
        "  starts    not known: too few runs of its tenant have ended\n"
        '  hint: raise `max_running` in the table `[tenants."late/development"]` of hardpoint.toml\n'
        "  hint: submit it with a higher `--priority`\n"
    )
    process = shop.executor()
    shop.until_held(2, 3)
    process.kill()
    process.wait()
    (waiting,) = shop.json(f"explain {run}")["waiting"]
    assert (waiting["cause"], waiting["words"]) == ("no_executor", "no executor drives it")


def test_live_reasons_stand_beside_waiting_nodes_in_the_tree(shop: Shop) -> None:
    command = [sys.executable, "-c", _ON_A_TERMINAL, "run", "flow.py", "five"]
    done = subprocess.run(command, cwd=shop.folder, capture_output=True, timeout=PATIENCE_S, check=True)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stdout.decode())
    assert re.search(rf"slow_3 +READY +`{POOL}` is full: 2 of 2 held", plain), plain[-2000:]


_ON_A_TERMINAL = """
import os, pty, select, signal, sys, time

from hardpoint.executor.cli import main

pid, master = pty.fork()
if not pid:
    os.environ["TERM"], os.environ["COLUMNS"], os.environ["LINES"] = "xterm", "120", "40"
    main(sys.argv[1:])
end_s = time.monotonic() + 30.0
seen = b""
while time.monotonic() < end_s and b"is full" not in seen:
    if select.select([master], [], [], 0.1)[0]:
        seen += os.read(master, 65536)
os.kill(pid, signal.SIGKILL)
os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
"""
