"""The simulated world itself: what it claims to do to the engine, it does."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.simulation.faults import Disk
from tests.simulation.keepers import MemoryKeeper, SqlKeeper
from tests.simulation.plans import End
from tests.simulation.seeded_draw import example
from tests.simulation.sim_journal import SimJournal
from tests.simulation.sim_network import HungUpError, SimNetwork, Weather
from tests.simulation.sim_service import Job, NameTakenError, SimService
from tests.simulation.sim_stream import Stream
from tests.simulation.virtual_time import EPOCH_S, Machine, MachineClock, VirtualTime

from hardpoint.executor.journal.events import AbortRequested, Adopted, RunPhase
from hardpoint.executor.journal.protocol import (
    Append,
    ExecutionRow,
    JournalDamagedError,
    JournalUnreachableError,
)
from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    Phase,
    Resources,
    TaskSpec,
    ThrottledError,
    TransientError,
)

EVER = 1e9
SPEC = TaskSpec("f.py:t", "sim_token", "v1", Interface(), {"salt": 1, "pool": "sim:two", "units": 2})


def request(token: str) -> CreateRequest:
    return CreateRequest("run", "n0", 1, token, SPEC, {"numbers": [1], "item": 0}, "", Resources(), "p", "d")


class Town:
    """A time, a service and a network in a weather."""

    def __init__(self, end: End = End.DONE, **weather: Any) -> None:
        self.time = VirtualTime()
        self.dice = random.Random(1)
        self.made: list[Job] = []
        self.service = SimService(
            self.time, self.dice, lambda run, unit: (end, 5.0), lambda run, node: [], self.made.append
        )
        self.weather = Weather(until_s=EVER, **weather)
        self.network = SimNetwork(self.time, self.dice, self.weather, lambda kind, text: None)

    def create(self, token: str = "t", alive: bool = True) -> Job:
        return self.network.call(
            "create",
            lambda: self.service.create_once(request(token), [request(token).inputs], 0.0),
            lambda: alive,
            latest_s=2.0,
        )

    def wait(self, seconds: float) -> None:
        self.time.after(seconds, lambda: None)
        while self.time.now_s < seconds:
            self.time.step()


def test_what_is_due_while_somebody_waits_happens_meanwhile() -> None:
    time = VirtualTime()
    done: list[tuple[str, float]] = []

    def wait() -> None:
        time.pass_by(5.0)
        done.append(("waited", time.now_s))

    time.after(1.0, wait)
    time.after(2.0, lambda: done.append(("meanwhile", time.now_s)))
    time.after(9.0, lambda: done.append(("later", time.now_s)))
    while time.step():
        pass
    assert done == [("meanwhile", 2.0), ("waited", 6.0), ("later", 9.0)]


def test_only_the_wall_clock_jumps() -> None:
    machine = Machine(VirtualTime(), 0.5)
    clock = MachineClock(machine, lambda: None)
    before = clock.monotonic()
    machine.jump(-100.0)
    assert clock.now() == EPOCH_S - 99.5
    assert 0 < clock.monotonic() - before < 1e-6


@pytest.mark.parametrize(
    ("weather", "error", "jobs_then", "jobs_later"),
    [
        ({"lost": 1.0}, TransientError, 0, 0),
        ({"reply_lost": 1.0}, TransientError, 1, 1),
        ({"throttled": 1.0}, ThrottledError, 0, 0),
        ({"late": 1.0}, TransientError, 0, 1),
        ({"outages": ((0.0, 9.0),)}, TransientError, 0, 0),
    ],
)
def test_a_call_that_fails_may_have_done_something(
    weather: dict[str, Any], error: type[Exception], jobs_then: int, jobs_later: int
) -> None:
    town = Town(**weather)
    with pytest.raises(error):
        town.create()
    assert len(town.made) == jobs_then
    town.wait(2.0)
    assert len(town.made) == jobs_later


def test_a_slow_call_arrives_even_if_its_caller_is_gone() -> None:
    town = Town(slow=1.0, slow_most_s=3.0)
    with pytest.raises(HungUpError):
        town.create(alive=False)
    assert len(town.made) == 1
    assert town.time.now_s > 0


def test_the_service_keeps_its_own_promises() -> None:
    town = Town()
    first = town.create()
    assert town.create() is first
    with pytest.raises(NameTakenError):
        town.service.create_named(request("t"), [{}], 0.0)
    lagging = town.service.create(request("s"), [{}], 4.0)
    assert town.service.listed("s") == []
    assert (first.phase(0.0), first.phase(3.0), first.phase(7.0)) == (
        Phase.QUEUED,
        Phase.RUNNING,
        Phase.SUCCEEDED,
    )
    assert town.service.units_held("sim:two") == 4
    town.service.cancel(first.id)
    town.wait(4.5)
    assert first.phase(town.time.now_s) is Phase.CANCELLED
    assert town.service.listed("s") == [lagging]
    assert town.service.units_held("sim:two") == 2


def test_items_of_one_job_end_each_for_itself() -> None:
    town = Town()
    job = town.service.create(request("t"), [{}, {}, {}], 0.0)
    for item, (end, ends_s) in zip(
        job.items, [(End.DONE, 2.0), (End.USER, 3.0), (End.DONE, 9.0)], strict=True
    ):
        item.end, item.ends_s = end, ends_s
    assert [job.letters(now_s) for now_s in (1.5, 2.5, 3.5, 9.5)] == ["RRR", "SRR", "SFR", "SFS"]
    job.cancelled_s = 5.0
    assert (job.letters(6.0), job.letters(9.5), job.units_held(6.0)) == ("SFC", "SFC", 0)


def test_a_stream_tells_what_becomes_of_jobs_until_it_is_cut_off() -> None:
    town, told = Town(), []
    ended: list[bool] = []
    calm = Weather()
    stream = Stream(
        town.service, town.time, town.dice, calm, lambda job: True, lambda job: told.append(job.id)
    )
    stream.when_ended(lambda: ended.append(True))
    town.create()
    town.wait(7.0)
    assert told == ["j1", "j1"]
    stream.end()
    assert (ended, town.service.told) == ([True], [])


def row(execution: str = "run") -> ExecutionRow:
    return ExecutionRow(execution, "flow", "d", "p", "d", RunPhase.RUNNING, 1.0, owner="me", fence=1)


def events(number: int) -> list[Any]:
    return [AbortRequested(float(number), "enough")]


@pytest.mark.parametrize("keeper_of", [MemoryKeeper, SqlKeeper])
def test_a_power_cut_takes_nothing_that_was_durable(keeper_of: Any) -> None:
    kept = set()
    for seed in range(12):
        keeper = keeper_of(remembers=True)
        journal = keeper.open()
        journal.create(row(), b"{}", [Adopted(0.0, "me", 1)])
        for number, durable in enumerate([True, True, False, False], start=2):
            journal.commit([Append("run", 1, number, events(number))], durable=durable)
            keeper.committed(durable)
        keeper.power_cut(random.Random(seed), torn=False)
        kept.add(len(keeper.open().read("run")))
        keeper.close()
    assert min(kept) == 3 and max(kept) <= 5 and len(kept) > 1


def test_a_torn_end_is_damaged_and_the_rest_is_not() -> None:
    keeper = SqlKeeper(remembers=True)
    journal = keeper.open()
    journal.create(row(), b"{}", [Adopted(0.0, "me", 1)])
    for number, durable in ((2, True), (3, False)):
        journal.commit([Append("run", 1, number, events(number))], durable=durable)
        keeper.committed(durable)
    keeper.power_cut(random.Random(0), torn=True)  # these dice keep the file
    journal = keeper.open()
    with pytest.raises(JournalDamagedError):
        journal.read("run")
    assert journal.drop_damaged("run") == 2
    keeper.close()


def test_a_journal_out_of_reach_may_have_committed() -> None:
    outcomes = set()
    for seed in range(20):
        inner = MemoryKeeper(remembers=False).open()
        inner.create(row(), b"{}", [Adopted(0.0, "me", 1)])
        disk = Disk(unreachable=((0.0, 1.0),))
        journal = SimJournal(
            inner,
            VirtualTime(),
            random.Random(seed),
            disk,
            lambda name, deciding: None,
            lambda appends, durable: None,
            lambda commands: None,
            lambda: None,
            lambda kind, text: None,
        )
        with pytest.raises(JournalUnreachableError):
            journal.commit([Append("run", 1, 2, events(2))], durable=True)
        outcomes.add(len(inner.read("run")))
    assert outcomes == {1, 2}


def test_a_draw_depends_on_its_dice_alone() -> None:
    strategy = st.lists(st.integers(0, 99), min_size=3, max_size=3)
    assert example(strategy, random.Random(7)) == example(strategy, random.Random(7))
    assert example(strategy, random.Random(8)) != example(strategy, random.Random(7))
