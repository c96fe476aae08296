"""`hardpoint executions replay`: a past moment of a run, and what would be decided differently today."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.cli.wording import day_and_time
from hardpoint.executor.journal.events import AttemptSucceeded, Ended, Event
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.view import read_run

JOURNALS = Path(__file__).parents[1] / "fixtures" / "journals"


class Said(NamedTuple):
    out: str
    err: str
    code: int


Cli = Callable[[str], Said]


@pytest.fixture(params=["format_1", "format_2"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of an older and of this hardpoint."""
    packed = (JOURNALS / request.param / "store.db.gz").read_bytes()
    (tmp_path / "hardpoint.db").write_bytes(gzip.decompress(packed))
    monkeypatch.setenv("HARDPOINT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def cli(home: Path, capfd: pytest.CaptureFixture[str]) -> Cli:
    def run(line: str) -> Said:
        code = run_command_line(line.split())
        return Said(*capfd.readouterr(), code)

    return run


@pytest.fixture
def altered(home: Path) -> Iterator[None]:
    """A copy of the run `chain` whose journal was written by somebody who counts differently."""
    journal = open_journal(home)
    row = journal.row("run-chain")
    _, events = read_run(journal, row)
    for index, event in enumerate(events):
        if isinstance(event, AttemptSucceeded | Ended) and event.outputs == {"result": 6}:
            events[index] = msgspec.structs.replace(event, outputs={"result": 7})
    events[-2], last = msgspec.structs.replace(events[-2], attempt=2), events[-2]
    assert isinstance(last, AttemptSucceeded)
    copy = msgspec.structs.replace(row, execution="run-altered", submitted_at=9e9, outputs={"result": 6})
    journal.create(copy, journal.workflow(row.digest), events)
    yield
    journal.close()


def events_of(home: Path, execution: str) -> list[Event]:
    journal = open_journal(home)
    try:
        return journal.read(execution)
    finally:
        journal.close()


def test_a_whole_run_is_shown_and_checked(cli: Cli, home: Path) -> None:
    said = cli("executions replay run-chain")
    events = events_of(home, "run-chain")
    assert said.out.splitlines()[0] == "Run       run-chain"
    assert said.out.splitlines()[-8:] == [
        "Inputs",
        "  n = 4",
        "",
        "Outputs",
        "  result = 6",
        "",
        f"After event {len(events)} of {len(events)}: Ended, {day_and_time(events[-1].at)}",
        f"This hardpoint decides the same: {len(events)} events checked",
    ]
    assert (said.err, said.code) == ("", 0)


def test_a_past_moment_knows_nothing_of_what_came_later(cli: Cli, home: Path) -> None:
    said = cli("executions replay run-chain --at 4")
    at = events_of(home, "run-chain")[3].at
    lines = said.out.splitlines()
    assert (lines[2], lines[3]) == ("Phase     RUNNING", "Tenant    journals/tests")
    assert [line.split() for line in lines[6:9]] == [
        ["NODE", "TASK", "STATE", "ATTEMPTS", "TOOK", "REMARK"],
        ["numbers", "journal_flows.py:numbers", "SUCCEEDED", "1", *lines[7].split()[4:6]],
        ["total", "journal_flows.py:total", "READY"],
    ]
    assert lines[-3:] == [
        f"After event 4 of 7: AttemptSucceeded of `numbers`, {day_and_time(at)}",
        "It made possible: to start `total`",
        "This hardpoint decides the same: 4 events checked",
    ]


def test_a_replay_for_programs(cli: Cli) -> None:
    said = cli("executions replay run-failing --at 3 --json")
    told = json.loads(said.out)
    run = told.pop("run")
    assert told == {
        "execution": "run-failing",
        "events": 9,
        "at": 3,
        "differences": [],
        "possible": [],
    }
    assert [(node["node"], node["state"]) for node in run["nodes"]] == [
        ("never", "STARTED"),
        ("square", "READY"),
        ("total", "WAITING"),
    ]
    assert (run["phase"], run["outputs"], run["error"], run["driven"]) == ("RUNNING", {}, None, False)


@pytest.mark.usefixtures("altered")
def test_differences_are_listed_and_told_by_the_exit_code(cli: Cli) -> None:
    said = cli("executions replay run-altered")
    assert said.out.splitlines()[-4:] == [
        "This hardpoint decides differently, 1 time",
        "",
        "EVENT  KIND              NODE   WHAT     JOURNAL  NOW",
        "6      AttemptSucceeded  total  attempt  2        1",
    ]
    assert (said.err, said.code) == ("", 1)
    said = cli("executions replay run-altered --json")
    assert json.loads(said.out)["differences"] == [
        {
            "seq": 6,
            "event": "AttemptSucceeded",
            "node": "total",
            "what": "attempt",
            "journal": 2,
            "today": 1,
        }
    ]
    assert said.code == 1
    assert cli("executions replay run-altered --at 5").code == 0


@pytest.mark.parametrize("seq", [0, 8, -1])
def test_an_event_that_is_not_there_is_refused(cli: Cli, seq: int) -> None:
    assert cli(f"executions replay run-chain --at {seq}") == Said(
        "",
        f"Run `run-chain` has 7 events, and none is number {seq}\n\n"
        "hint: Write `--at N` with N from 1 to 7; `hardpoint executions events run-chain` lists them\n",
        2,
    )


def test_a_run_that_is_not_there_is_refused(cli: Cli) -> None:
    said = cli("executions replay nothing --json")
    assert (said.out, said.code) == ("", 2)
    assert [each["code"] for each in json.loads(said.err)] == ["ExecutionNotFoundError"]


def test_a_damaged_journal_is_refused(cli: Cli, home: Path) -> None:
    connection = sqlite3.connect(home / "hardpoint.db")
    with connection:
        connection.execute("UPDATE groups SET crc = 0 WHERE execution = 'run-chain' AND first_seq = 2")
    connection.close()
    assert cli("executions replay run-chain --at 1") == Said(
        "",
        "The journal of run `run-chain` is damaged from event 2 on: its checksum does not match\n\n"
        "hint: The 1 events before it are intact; `hardpoint executions resume run-chain "
        "--drop-damaged` sets the rest aside and goes on from there\n",
        2,
    )
