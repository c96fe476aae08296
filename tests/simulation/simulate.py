"""From a seed to its verdict: run a world until its runs are over, and check what came of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import msgspec
from tests.simulation.book import Book
from tests.simulation.faults import TROUBLE_S, Faults, draw_faults
from tests.simulation.plan_strategy import plans
from tests.simulation.plans import Plan
from tests.simulation.seeded_draw import example
from tests.simulation.state_dump import difference
from tests.simulation.users import FIRST, repair
from tests.simulation.violation import Violation, require
from tests.simulation.world import Note, World

from hardpoint.executor.engine import upkeep
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import RunPhase
from hardpoint.executor.journal.protocol import LEASE_S

PATIENCE_S = 3 * 3600.0
"""How long after the last planned fault a run may take: far longer than any does."""
MOST_STEPS = 400_000
REAL_LIMIT_S = 120.0
"""How long the wait for one thing may really take: most worlds are over in some hundredths."""
REPAIRS = 2
"""How often users resume a run that failed: where time is short, it may fail each time."""
AFTERMATH_S = 15.0
"""How long a world goes on after its last run, so that what is still on its way arrives."""

INBOX_EVERY_S = 2.5

PLANS = plans()


class Ending(msgspec.Struct, frozen=True):
    """What became of one world.

    Args:
        seed: Its seed.
        problem: The promise that was broken; empty if none was.
        digest: Of everything journaled and every job made: the same for the same seed.
        virtual_s: How long it lasted.
        steps: How many things happened in it.
    """

    seed: int
    problem: str
    digest: str
    virtual_s: float
    steps: int


def scenario(seed: int) -> tuple[Plan, Faults]:
    """The workflow and the faults of a seed."""
    return example(PLANS, random.Random(seed)), draw_faults(random.Random(~seed))


def _silent(now_s: float, kind: str, text: str) -> None:
    pass


def simulate(seed: int, note: Note = _silent, engine: Callable[..., Engine] = Engine) -> Ending:
    """Run the world of a seed."""
    plan, faults = scenario(seed)
    return simulate_world(seed, plan, faults, note, engine)


def simulate_world(
    seed: int, plan: Plan, faults: Faults, note: Note = _silent, engine: Callable[..., Engine] = Engine
) -> Ending:
    """Run a world of a given workflow with given faults."""
    problem = ""
    world = World(seed, plan, faults, note, engine)
    try:
        with _rarer_looks_at_the_inbox():
            _run(world)
    except Violation as violation:
        problem = str(violation)
        world.note("broken", problem)
    finally:
        world.close()
    return Ending(seed, problem, _digest(world), world.time.now_s, world.time.steps)


@contextmanager
def _rarer_looks_at_the_inbox() -> Iterator[None]:
    """Most turns of an engine are only for its inbox, and most time of a simulation would go into them."""
    usual_s, upkeep.INBOX_EVERY_S = upkeep.INBOX_EVERY_S, INBOX_EVERY_S
    try:
        yield
    finally:
        upkeep.INBOX_EVERY_S = usual_s


def _run(world: World) -> None:
    limit_s = _last_fault_s(world.faults) + PATIENCE_S
    runs = 1 if world.faults.wishes.second_at_s is None else 2
    _until_over(world, runs, limit_s)
    _check_phases(world)
    for _ in range(REPAIRS if world.faults.wishes.repair else 0):
        _repair(world, runs, limit_s)
        _check_phases(world)
    while True:
        _go_on(world, AFTERMATH_S, lambda: False)
        if all(book.state.phase.terminal for book in world.audit.books.values()):
            break
        _until_over(world, runs, limit_s)  # a power cut took the end of a run back
        _check_phases(world)
    for book in world.audit.books.values():
        check_journal(world, book)


def _repair(world: World, runs: int, limit_s: float) -> None:
    """Resume what failed, until it is over again.

    Whoever is asked to may die first, or lose it in a power cut: then it is asked for once more.
    """
    failed = _failed(world)
    before = {book.execution: book.resumed for book in failed}
    while not _all_resumed(world, before):
        for book in failed:
            repair(world, book.execution)
        _go_on(world, LEASE_S * 3, lambda: _all_resumed(world, before))
        _until_over(world, runs, limit_s)


def _all_resumed(world: World, before: dict[str, int]) -> bool:
    return all(world.audit.books[execution].resumed > count for execution, count in before.items())


def _failed(world: World) -> list[Book]:
    return [book for book in world.audit.books.values() if book.state.phase is not RunPhase.SUCCEEDED]


def _check_phases(world: World) -> None:
    for book in world.audit.books.values():
        check_phase(world, book)


def _last_fault_s(faults: Faults) -> float:
    windows = (
        *faults.weather.outages,
        *faults.disk.full,
        *faults.disk.unreachable,
        *faults.engines.pauses,
        *faults.engines.cut_off,
    )
    last_s = max([2 * TROUBLE_S, *(until_s for _, until_s in windows)])
    # Leases and waits are kept in wall clock time: where that is set back, they last so much longer.
    return last_s + sum(max(0.0, -seconds) for _, seconds in faults.engines.jumps)


def _until_over(world: World, runs: int, limit_s: float) -> None:
    books = world.audit.books

    def is_over() -> bool:
        return len(books) == runs and all(book.state.phase.terminal for book in books.values())

    _until(world, is_over, limit_s)


def _until(world: World, is_reached: Callable[[], bool], limit_s: float) -> None:
    """Let things happen until something is reached that follows from the journal."""
    time, audit = world.time, world.audit
    patience_ends_s = monotonic() + REAL_LIMIT_S
    seen = -1
    while True:
        if audit.commits != seen:
            seen = audit.commits
            if is_reached():
                return
        time.step()
        if time.now_s > limit_s or time.steps > MOST_STEPS:
            raise Violation(f"not over after {time.now_s:.0f} s and {time.steps} steps: {_stuck(world)}")
        if monotonic() > patience_ends_s:
            # Nobody else is there: whoever waits for the store waits for itself.
            raise Violation(f"not over after {REAL_LIMIT_S:.0f} real seconds: {_stuck(world)}")


def _stuck(world: World) -> str:
    """What may still move."""
    return ", ".join(
        f"{node.id} {node.state.name}"
        for book in world.audit.books.values()
        for node in book.state.nodes.values()
        if not node.state.terminal
    )


def _go_on(world: World, seconds: float, is_enough: Callable[[], bool]) -> None:
    """Let things happen for a while, or until it is enough."""
    end_s = world.time.now_s + seconds
    while world.time.now_s < end_s and not is_enough():
        world.time.step()


def check_phase(world: World, book: Book) -> None:
    """A run ended as it may: without the author's errors it succeeds, whatever else goes wrong."""
    phase, error = book.state.phase, book.state.error
    codes = _codes(world)
    match phase:
        case RunPhase.SUCCEEDED:
            wrong = world.plan.is_broken and not world.repaired
        case RunPhase.FAILED:
            wrong = error is None or error.code not in codes
        case _:
            wrong = not (world.aborted and book.execution == FIRST)
    require(not wrong, f"{book.execution} ended as {phase.name}: {error}")


def _codes(world: World) -> set[str]:
    """Errors that may end a run of this world."""
    plan, faults = world.plan, world.faults
    found = set()
    if plan.is_broken and not world.repaired:
        found.add("ValueError")
    if plan.may_wait_too_long:
        found.add("QueueTimeoutExpired")
    if plan.may_take_too_long:
        # Of an attempt that would start too late, it is the error before that ends the node.
        found |= {
            "DeadlineExpired",
            "TimeoutExpired",
            "ValueError",
            "WorkerDied",
            "Preempted",
            "JobAbsent",
            "Throttled",
            "ThrottledError",
        }
    if plan.is_tight and (plan.may_be_lost_too_long or not faults.are_none):
        # What faults make slow runs out of time, and leaves fewer attempts for planned errors.
        found |= {"TimeoutExpired", "ValueError"}
    if faults.roughness:
        found |= {"KeyError", "TypeError", "PluginOutputError", "ContractViolation"}
    return found


def check_journal(world: World, book: Book) -> None:
    """What the journal kept is what was committed, and replays to the state that its owner had."""
    replayed = RunState(book.execution, book.graph)
    for event in world.journal.read(book.execution):
        replayed.apply(event)
    wrong = difference(book.state, replayed)
    require(not wrong, f"{book.execution}: the journal replays to another state: {wrong}")
    row = world.journal.row(book.execution)
    require(row.phase is book.state.phase, f"{book.execution} is listed as {row.phase.name}")


def _digest(world: World) -> str:
    digest = hashlib.sha256()
    for book in world.audit.books.values():
        digest.update(book.digest.digest())
    for job in world.service.jobs.values():
        digest.update(f"{job.id} {job.token} {job.created_s!r} {job.ends_s!r} {job.cancelled_s!r}\n".encode())
    return digest.hexdigest()
