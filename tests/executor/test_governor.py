"""What an engine grants of pools that it shares: only what it has locked, and what nobody holds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint.core import task, workflow
from hardpoint.core.flatten import flatten
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.config.settings import Settings
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.governor import Governor
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.patience import Patience
from hardpoint.executor.engine.pool_policies import PoolPolicies
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import AttemptStarted, AttemptSucceeded, RunPhase, Submitted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import LEASE_S, ExecutionRow, Journal
from hardpoint.plugin_api import ResourceClaim, ResourcePool


@task
def one(number: int) -> int:
    return number


@workflow
def two() -> int:
    one(number=1)
    return one(number=2)


class Room:
    """A governor on a journal, with pools of one unit each."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.desk = Desk(SystemClock(), random.Random(0))
        self.begun: list[tuple[str, str]] = []
        policies = PoolPolicies(lambda: [ResourcePool("*", 1)], Settings(), self.desk.runs)
        patience = Patience(self.desk.clock)
        self.governor = Governor(
            self.desk, journal.pools, policies, patience, "me", lambda run, node: False, self._begin
        )

    def _begin(self, run: Run, node: NodeRun) -> None:
        self.begun.append((run.id, node.id))
        self.desk.emit(run, AttemptStarted(self.desk.clock.now(), node.id, 1))

    def run(self, name: str) -> tuple[Run, NodeRun, NodeRun]:
        """A run of this engine, and its two nodes."""
        compiled = two.compile()
        submitted = Submitted(1.0, "two", "d", {}, "", "p", "dev")
        until = self.desk.clock.now() + LEASE_S
        row = ExecutionRow(name, "two", "d", "p", "dev", RunPhase.RUNNING, 1.0, None, None, "me", 1, until)
        self.journal.create(row, b"{}", [submitted])
        run = self.desk.runs[name] = Run(row, compiled, flatten(compiled), [submitted])
        first, second = (run.state.find(id) for id in run.graph.nodes)
        assert first is not None and second is not None
        return run, first, second

    def ask(self, run: Run, node: NodeRun, pool: str) -> list[tuple[str, str]]:
        """Claim a unit; return what has begun so far."""
        self.governor.ask(run, node, (ResourceClaim(pool),))
        self.governor.decide()
        return self.begun

    def commit(self) -> None:
        changed, durable = self.desk.take_changed()
        appends = [each for run in changed.values() if (each := run.take_append(self.desk.clock.now()))]
        self.journal.commit(appends, durable=durable)
        self.governor.committed(appends)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    journal = open_journal(tmp_path)
    yield Room(journal)
    journal.close()


def test_a_pool_that_is_first_wanted_after_others_were_locked_waits_for_the_commit(room: Room) -> None:
    run, first, second = room.run("e1")
    assert room.ask(run, first, "x") == [("e1", first.id)]
    assert room.ask(run, second, "y") == [("e1", first.id)]
    room.commit()
    room.governor.decide()
    assert room.begun == [("e1", first.id), ("e1", second.id)]
    room.commit()


def test_what_a_lost_run_had_given_back_but_not_journaled_is_still_held(room: Room) -> None:
    lost, first, _ = room.run("e1")
    room.ask(lost, first, "x")
    room.commit()
    room.desk.emit(lost, AttemptSucceeded(2.0, first.id, 1, {"result": 1}))
    room.governor.release(lost, first)
    assert lost.take_append(2.0) is not None  # and its commit is refused: the run is another engine's
    room.desk.take_changed()
    room.governor.leave(lost)
    room.desk.forget(lost)
    run, second, _ = room.run("e2")
    assert room.ask(run, second, "x") == [("e1", first.id)]
    assert [execution for execution, _ in room.journal.pools.leases("x")] == ["e1"]
