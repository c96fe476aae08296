"""What users of a world do: submit runs, abort one, correct what is broken and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.book import Book
from tests.simulation.plans import expected_outputs
from tests.simulation.virtual_time import EPOCH_S

from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.protocol import LEASE_S, Command, ExecutionRow, JournalUnavailableError

if TYPE_CHECKING:
    from tests.simulation.world import World

FIRST = "run-1"
AGAIN_S = 1.0


def submit(world: World, execution: str) -> None:
    """Put a run into the journal, by an engine that lives, or for whoever comes."""
    start = 1000 + len(world.audit.books)
    alive = [process for process in world.processes if process.alive]
    # Engines that learn of each other by the database compete for the same pools.
    process = (alive[-1] if world.faults.sql and world.audit.books else alive[0]) if alive else None
    now = EPOCH_S + world.time.now_s
    owner = process.name if process is not None else ""
    submitted = Submitted(now, "flow", world.compiled.digest, {"start": start}, "", "p", "d")
    row = ExecutionRow(
        execution,
        "flow",
        world.compiled.digest,
        "p",
        "d",
        RunPhase.RUNNING if owner else RunPhase.QUEUED,
        now,
        owner=owner,
        fence=1 if owner else 0,
        lease_until=now + LEASE_S if owner else 0.0,
        detached=not owner,
    )
    world.note("user", f"submits {execution} to {owner or 'nobody'}")
    world.journal.create(row, world.compiled.to_json(), [submitted])
    expected = expected_outputs(world.plan, start)
    world.audit.books[execution] = Book(execution, world.compiled, world.graph, expected, [submitted])
    world.keeper.committed(durable=True)
    if process is not None:
        run = Run(row, world.compiled, world.graph, [submitted])
        engine = process.engine
        engine.post(lambda: engine.adopt(run))


def abort(world: World) -> None:
    """Ask for the end of the first run."""
    if not world.audit.books[FIRST].state.phase.terminal:
        world.note("user", "aborts run-1")
        world.aborted = True
        world.journal.send(Command("abort-1", FIRST, "abort", {"reason": "enough"}))


def repair(world: World, execution: str) -> None:
    """Correct the broken functions, and resume a run that failed; again until somebody can."""
    world.repaired = True
    if not _resumes(world, execution):
        world.time.after(AGAIN_S, lambda: repair(world, execution))


def _resumes(world: World, execution: str) -> bool:
    process = next((process for process in world.processes if process.is_free), None)
    if process is None:
        return False
    world.note("user", f"resumes {execution}")
    try:
        return process.resume(process.journal.row(execution))
    except JournalUnavailableError:
        return False
