"""Ctrl-C, SIGTERM, terminals, and several processes on one store."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOW = """
import time

from hardpoint.core import task, workflow


@task
def first(n: int) -> int:
    return n


@task
def wait(n: int) -> int:
    if n:
        time.sleep(60)
    return n


@workflow
def inner(n: int) -> int:
    return wait(n=n)


@workflow
def main(n: int = 1) -> int:
    return inner(n=first(n=n))
"""

TWICE = """
import signal
from hardpoint.executor.cli.interrupts import ctrl_c

with ctrl_c(once=lambda: print("once", flush=True), twice=lambda: print("twice", flush=True), leaving="Left"):
    signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    print("never")
"""

ESCAPE = "\x1b"


@pytest.fixture(scope="module", autouse=True)
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Processes find their modules compiled, as in an installation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("bytecode")))
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(FLOW)
    return tmp_path


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "HARDPOINT_HOME": str(folder / "home"), "TERM": "xterm", **more}


def command(line: str) -> list[str]:
    return [sys.executable, "-m", "hardpoint.executor.cli", *line.split()]


def start(folder: Path, line: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command(line), cwd=folder, env=environ(folder), stdout=pipe, stderr=pipe, text=True, bufsize=1
    )


def finish(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(line), cwd=folder, env=environ(folder), capture_output=True, text=True, timeout=60
    )


def until(process: subprocess.Popen[str], wanted: str) -> list[str]:
    """Lines of its stdout up to the first with `wanted` in it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return lines
    raise AssertionError(f"It ended without `{wanted}`: {lines}")


def test_ctrl_c_aborts_the_run_and_waits_for_its_end(folder: Path) -> None:
    process = start(folder, "run flow.py main")
    until(process, "inner.wait  STARTED")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    lines = [line[10:] for line in out.splitlines()]
    assert lines[0] == "Aborting the run; press Ctrl-C again to leave it as it is"
    assert lines[1].split() == ["ABORTING", "Ctrl-C"]
    assert lines[2].startswith("inner.wait  CANCELLED  after ")
    assert re.match(r"Run `\S+` was aborted: Aborted: Ctrl-C\n\nhint: ", err)
    assert process.returncode == 1
    (row,) = json.loads(finish(folder, "executions list --json").stdout)
    assert (row["phase"], row["error"]["message"]) == ("ABORTED", "Ctrl-C")


def test_a_second_ctrl_c_leaves_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == ("once\ntwice\n", "Left\n", 1)


def test_abort_and_follow_reach_a_run_of_another_process(folder: Path) -> None:
    process = start(folder, "run flow.py main")
    until(process, "inner.wait  STARTED")
    follower = start(folder, "executions events last --follow")
    until(follower, "AttemptStarted")
    aborted = finish(folder, "executions abort last --reason enough --json")
    summary = json.loads(aborted.stdout)
    assert (summary["phase"], summary["error"]["message"], aborted.returncode) == ("ABORTED", "enough", 0)
    _, err = process.communicate(timeout=60)
    assert "was aborted: Aborted: enough" in err
    assert process.returncode == 1
    out, err = follower.communicate(timeout=60)
    assert (out.splitlines()[-1].split()[2], err, follower.returncode) == ("Ended", "", 0)


def test_abort_ends_a_run_whose_process_was_killed(folder: Path) -> None:
    process = start(folder, "run flow.py main")
    until(process, "inner.wait  STARTED")
    process.kill()
    process.communicate()
    listed = finish(folder, "executions list").stdout
    assert "RUNNING" in listed and listed.endswith("interrupted: no executor drives it\n")
    aborted = finish(folder, "executions abort last --json")
    assert json.loads(aborted.stdout)["phase"] == "ABORTED"
    assert (aborted.stderr, aborted.returncode) == ("", 0)


def test_an_executor_takes_up_detached_runs_until_sigterm(folder: Path) -> None:
    ids = [finish(folder, f"run flow.py main --n {n} --detach").stdout.strip() for n in (0, 1)]
    process = start(folder, "executor start --workers 2")
    taken = until(process, f"Run `{ids[0]}` SUCCEEDED")
    assert taken[0][10:] == f"Executor on `{folder / 'home'}`; SIGTERM or Ctrl-C stops it\n"
    assert f"Run `{ids[1]}` taken up\n" in [line[10:] for line in taken]
    finish(folder, f"executions abort {ids[1]}")
    until(process, f"Run `{ids[1]}` ABORTED")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert out[10:] == "Executor stopped; unfinished runs wait for the next one\n"
    assert (err, process.returncode) == ("", 0)


def on_a_terminal(folder: Path, line: str, **more: str) -> tuple[str, int]:
    """What a command draws on a terminal of 100 by 30, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    process = subprocess.Popen(
        command(line), cwd=folder, env=environ(folder, **more), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    drawn = b"".join(_chunks(ours))
    os.close(ours)
    return drawn.decode(), process.wait(timeout=60)


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other end is closed
            return
        if not chunk:
            return
        yield chunk


def test_a_terminal_gets_a_live_tree(folder: Path) -> None:
    drawn, code = on_a_terminal(folder, "run flow.py main --n 0")
    assert ESCAPE in drawn
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "")
    last = plain[plain.rindex("first") :]
    assert [line.split()[:2] for line in last.splitlines()[:3]] == [
        ["first", "SUCCEEDED"],
        ["inner"],
        ["wait", "SUCCEEDED"],
    ]
    assert "2 of 2 nodes done, " in last
    assert "\nresult = 0\n" in last
    assert code == 0


def test_colour_can_be_switched_off_and_pipes_get_none(folder: Path) -> None:
    finish(folder, "run flow.py main --n 0")
    coloured, _ = on_a_terminal(folder, "executions list")
    plain, _ = on_a_terminal(folder, "executions list", NO_COLOR="1")
    piped = finish(folder, "executions list").stdout
    assert f"{ESCAPE}[32mSUCCEEDED" in coloured
    assert f"{ESCAPE}[3" not in plain
    assert ESCAPE not in piped
