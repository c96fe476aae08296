"""A store on a full disk, or with a damaged journal: nothing that was journaled is lost."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FLOW = """
from hardpoint.core import task, workflow


@task
def fill(n: int) -> str:
    return "x" * n


@task
def measure(texts: list[str]) -> int:
    return sum(len(text) for text in texts)


@workflow
def large() -> int:
    return measure(texts=[fill(n=300_000 + extra) for extra in range(8)])


@workflow
def small() -> int:
    return measure(texts=[fill(n=6)])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow.py").write_text(FLOW)
    return tmp_path


def hardpoint(
    folder: Path, line: str, limit: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hardpoint.executor.cli", *line.split()],
        cwd=folder,
        env={**os.environ, "HARDPOINT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit,
    )


def test_a_full_disk_interrupts_a_run_that_goes_on_later(folder: Path) -> None:
    def only_little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = hardpoint(folder, "run flow.py large --json", limit=only_little)
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    execution = answer["execution"]
    assert answer == {
        "execution": execution,
        "phase": "RUNNING",
        "outputs": {},
        "error": {
            "node": "",
            "code": "JournalUnavailableError",
            "message": answer["error"]["message"],
            "hint": answer["error"]["hint"],
        },
    }
    database = folder / "home" / "hardpoint.db"
    assert answer["error"]["message"].startswith(f"The store `{database}` cannot be used: ")
    assert answer["error"]["hint"].endswith(
        f"; then `hardpoint executions resume {execution}` goes on with it"
    )
    resumed = hardpoint(folder, "executions resume last --json")
    assert json.loads(resumed.stdout) == {
        "execution": execution,
        "phase": "SUCCEEDED",
        "outputs": {"result": 2_400_028},
        "error": None,
    }
    assert resumed.returncode == 0


def test_a_damaged_journal_tail_is_told_and_can_be_dropped(folder: Path) -> None:
    done = hardpoint(folder, "run flow.py small --json")
    assert done.returncode == 0, done.stderr
    execution = json.loads(done.stdout)["execution"]
    database = folder / "home" / "hardpoint.db"
    connection = sqlite3.connect(database)
    with connection:
        (last,) = connection.execute("SELECT max(first_seq) FROM groups").fetchone()
        connection.execute("UPDATE groups SET events = ? WHERE first_seq = ?", (b'[["end', last))
        connection.execute("UPDATE executions SET phase = 'RUNNING'")
    connection.close()
    message = (
        f"The journal of run `{execution}` is damaged from event {last} on: its checksum does not match\n\n"
        f"hint: The {last - 1} events before it are intact; "
        f"`hardpoint executions resume {execution} --drop-damaged` sets the rest aside "
        "and goes on from there\n"
    )
    for command in ("show last", "resume last"):
        refused = hardpoint(folder, f"executions {command}")
        assert (refused.stdout, refused.stderr, refused.returncode) == ("", message, 2)
    resumed = hardpoint(folder, "executions resume last --drop-damaged --json")
    assert json.loads(resumed.stdout)["outputs"] == {"result": 6}
    assert (resumed.stderr, resumed.returncode) == (f"Run `{execution}` goes on from event {last - 1}\n", 0)
