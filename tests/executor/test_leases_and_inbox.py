"""Who has a run and for how long, what is in the inbox, and what happens to both while the store is away."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hardpoint.core import task, workflow
from hardpoint.core.flatten import flatten
from hardpoint.executor.driving import EngineThread
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.observers import Observers
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.upkeep import INBOX_EVERY_S, Upkeep
from hardpoint.executor.journal.events import AttemptStarted, RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import (
    Append,
    Command,
    ExecutionRow,
    Journal,
    JournalUnavailableError,
    JournalUnreachableError,
    LeaseLostError,
)
from hardpoint.plugin_api import JournaledEvent, hookimpl
from hardpoint.registry import load_registry

LEASE_S = 6.0
PATIENCE_S = 30.0
SUBMITTED = Submitted(1.0, "flow", "d1", {}, "", "p", "dev")
ABORT = Command("c1", "e1", "abort", {"reason": "enough"})


def row(execution: str = "e1", owner: str = "me", at: float = 0.0) -> ExecutionRow:
    lease = {"owner": owner, "fence": 1, "lease_until": at + LEASE_S} if owner else {}
    made = ExecutionRow(execution, "flow", "d1", "p", "dev", RunPhase.RUNNING, at)
    return msgspec.structs.replace(made, **lease)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    kind = str(request.param)
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    made = open_journal(tmp_path, url, lease_s=LEASE_S)
    made.create(row(), b"{}", [SUBMITTED])
    yield made
    made.close()


def test_a_lease_is_as_long_as_its_journal_says(journal: Journal) -> None:
    claimed = journal.claim("e1", "other", now=LEASE_S)
    assert claimed is not None
    assert claimed.lease_until == 2 * LEASE_S
    assert journal.renew({"e1": claimed.fence}, now=LEASE_S + 1) == set()
    assert journal.row("e1").lease_until == 2 * LEASE_S + 1


def test_of_several_that_know_of_a_death_one_gets_the_run(journal: Journal) -> None:
    seen = journal.row("e1")
    won = journal.claim("e1", "quick", now=1.0, force=True, fence=seen.fence)
    lost = journal.claim("e1", "slow", now=1.0, force=True, fence=seen.fence)
    assert (won is not None, lost) == (True, None)
    assert journal.row("e1").owner == "quick"


def test_owners_of_unfinished_runs_are_known_and_the_dead_leave_theirs(journal: Journal) -> None:
    for name, owner, at in (("e2", "dead", 2.0), ("e3", "", 1.0), ("e4", "dead", 3.0)):
        journal.create(row(name, owner, at), b"{}", [SUBMITTED])
    ended = msgspec.structs.replace(row("e4", "dead", 3.0), phase=RunPhase.FAILED)
    journal.commit([Append("e4", 1, 2, [AttemptStarted(3.0, "a", 1)], ended)], durable=False)
    assert sorted(journal.owners()) == ["dead", "me"]
    assert [each.execution for each in journal.abandoned(4.0, 9)] == ["e3"]
    assert [each.execution for each in journal.abandoned(4.0, 9, dead=["dead"])] == ["e3", "e2"]


def test_commands_stay_until_they_are_forgotten(journal: Journal) -> None:
    journal.create(row("e2"), b"{}", [SUBMITTED])
    others = [Command("c0", "e2", "abort"), Command("c2", "e1", "abort")]
    for command in (ABORT, ABORT, *others):
        journal.send(command)
    assert journal.commands(["e1", "e3"]) == journal.commands(["e1"]) == [ABORT, others[1]]
    journal.forget(["c1", "c9"])
    journal.forget([])
    assert journal.commands(["e1", "e2"]) == [others[0], others[1]]


def test_the_end_of_a_run_empties_its_inbox(journal: Journal) -> None:
    journal.create(row("e2"), b"{}", [SUBMITTED])
    journal.send(ABORT)
    journal.send(Command("c2", "e2", "abort"))
    ended = msgspec.structs.replace(row(), phase=RunPhase.SUCCEEDED)
    journal.commit([Append("e1", 1, 2, [AttemptStarted(2.0, "a", 1)], ended)], durable=False)
    journal.send(Command("c3", "e1", "abort"))
    assert [each.id for each in journal.commands(["e1", "e2"])] == ["c2"]


class Hands:
    """A clock whose two faces are moved by hand."""

    def __init__(self) -> None:
        self.wall = self.steady = 100.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class Flaky(MemoryJournal):
    """A journal in memory that is out of reach at times."""

    def __init__(self) -> None:
        super().__init__(LEASE_S)
        self.away = False

    def _reach(self) -> None:
        if self.away:
            raise JournalUnreachableError("The journal cannot be reached: it is away")

    def renew(self, executions: Mapping[str, int], now: float) -> set[str]:
        self._reach()
        return super().renew(executions, now)

    def commands(self, executions: Sequence[str]) -> list[Command]:
        self._reach()
        return super().commands(executions)

    def forget(self, commands: Sequence[str]) -> None:
        self._reach()
        super().forget(commands)

    def observed(self, observer: str, execution: str) -> int:
        self._reach()
        return super().observed(observer, execution)

    def mark_observed(self, observer: str, execution: str, seq: int) -> None:
        self._reach()
        super().mark_observed(observer, execution, seq)


@task
def one(x: int) -> int:
    return x


@workflow
def flow(x: int) -> int:
    return one(x=x)


def run_of(owned: ExecutionRow) -> Run:
    compiled = flow.compile()
    return Run(owned, compiled, flatten(compiled), [SUBMITTED])


class Office:
    """An engine's upkeep without the rest of it."""

    def __init__(self) -> None:
        self.clock, self.journal = Hands(), Flaky()
        self.desk = Desk(self.clock, random.Random(1))
        self.aborted: list[tuple[str, str]] = []
        self.lost: list[str] = []
        self.upkeep = Upkeep(self.desk, self.journal, self._abort, self._lose, self.desk.forget)
        owned = row(at=self.clock.wall)
        self.journal.create(owned, b"{}", [SUBMITTED])
        self.desk.runs["e1"] = run_of(owned)
        self.upkeep.begin()

    def _abort(self, execution: str, reason: str) -> None:
        self.aborted.append((execution, reason))

    def _lose(self, run: Run, error: LeaseLostError) -> None:
        self.lost.append(error.message)
        self.desk.forget(run)

    def pass_by(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.desk.timers.run_due(self.clock.wall)
        self.desk.act()

    @property
    def lease_until(self) -> float:
        return self.journal.row("e1").lease_until


def test_leases_are_renewed_in_time() -> None:
    office = Office()
    for _ in range(20):
        office.pass_by(0.5)
        assert office.lease_until - office.clock.wall >= LEASE_S / 2
        assert office.upkeep.owns_safely()


def test_nothing_is_changed_outside_long_before_others_may_take_a_run() -> None:
    office = Office()
    office.clock.sleep(LEASE_S * 0.6)
    assert office.upkeep.owns_safely()
    office.clock.sleep(LEASE_S * 0.1)
    assert not office.upkeep.owns_safely()
    office.clock.wall -= 3600.0
    assert not office.upkeep.owns_safely()


def test_a_lease_that_another_engine_took_is_noticed() -> None:
    office = Office()
    office.journal.claim("e1", "other", now=0.0, force=True)
    office.pass_by(LEASE_S / 2)
    assert office.lost == ["Run `e1` belongs to `other` now; this engine stops writing to it"]


def test_upkeep_waits_for_a_store_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    office = Office()
    office.journal.send(ABORT)
    office.journal.away = True
    for _ in range(20):
        office.pass_by(0.5)
    assert not office.upkeep.owns_safely()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [
        "leases and inbox wait until the store answers: The journal cannot be reached: it is away"
    ]
    office.journal.away = False
    office.pass_by(1.0)
    assert office.upkeep.owns_safely()
    assert office.lease_until == office.clock.wall + LEASE_S
    assert office.aborted == [("e1", "enough")]


def test_a_command_is_forgotten_only_after_what_it_led_to() -> None:
    office = Office()
    office.journal.send(ABORT)
    office.clock.sleep(INBOX_EVERY_S)
    office.desk.timers.run_due(office.clock.wall)
    assert office.aborted == [("e1", "enough")]
    assert office.journal.commands(["e1"]) == [ABORT]
    office.desk.act()
    assert office.journal.commands(["e1"]) == []


def test_a_command_for_a_run_that_is_lost_stays_for_its_new_owner() -> None:
    office = Office()
    office.journal.send(ABORT)
    office.clock.sleep(INBOX_EVERY_S)
    office.desk.timers.run_due(office.clock.wall)
    office.desk.forget(office.desk.runs["e1"])
    office.desk.act()
    assert office.journal.commands(["e1"]) == [ABORT]


class Witness:
    """An observer that says when it was told something."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.told = threading.Event()

    @hookimpl
    def events_journaled(self, events: list[JournaledEvent]) -> None:
        self.seen += [event.id for event in events]
        self.told.set()


def test_observers_are_told_when_the_store_is_back() -> None:
    journal, witness = Flaky(), Witness()
    journal.create(row(), b"{}", [SUBMITTED])
    observers = Observers(load_registry({"witness": witness}), journal)
    journal.away = True
    observers.catch_up(["nowhere", "e1"])
    assert not witness.told.wait(0.1)
    journal.away = False
    assert witness.told.wait(PATIENCE_S)
    observers.close()
    assert witness.seen == ["e1/1"]
    assert journal.observed("witness", "e1") == 1


class EndedEngine:
    """An engine whose thread ends at once, because its disk is full."""

    failure = JournalUnavailableError("The store cannot be used: disk full")

    def __init__(self) -> None:
        self.journal = MemoryJournal()

    def loop(self) -> None:
        """Nothing turns."""

    def post(self, message: Any) -> None:
        """Nobody will read it."""


def test_whoever_waits_for_a_run_is_told_that_its_engine_has_ended() -> None:
    thread = EngineThread(cast(Engine, EndedEngine()))
    given = run_of(row())
    thread.give(given)
    thread.join()
    late = run_of(row("e2"))
    thread.give_new(late)
    for run in (given, late):
        with pytest.raises(JournalUnavailableError, match="disk full"):
            run.future.result(PATIENCE_S)
