"""What several processes do at once to one journal; importable by the processes that tests spawn."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

from hardpoint.executor.journal.events import AttemptStarted, RunPhase, Submitted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import Append, ExecutionRow, Journal, LeaseLostError

RACERS = 3
PATIENCE_S = 60.0
SUBMITTED = Submitted(1.0, "flow", "d1", {"x": 1}, "", "p", "dev")

_start: Barrier


def race_track() -> ProcessPoolExecutor:
    """Processes that begin together whatever is submitted to each of them."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(RACERS)
    return ProcessPoolExecutor(RACERS, mp_context=spawn, initializer=_remember, initargs=(barrier,))


def _remember(barrier: Barrier) -> None:
    global _start
    _start = barrier


def opened(home: Path, url: str) -> Journal:
    """The journal, opened when all others are about to open it."""
    _start.wait(PATIENCE_S)
    return open_journal(home, url)


def make_runs(journal: Journal, names: list[str]) -> None:
    """New runs that nobody owns."""
    for name in names:
        row = ExecutionRow(name, "flow", "d1", "p", "dev", RunPhase.QUEUED, 1.0)
        journal.create(row, b"{}", [SUBMITTED])


def create_own(home: Path, url: str, me: str) -> list[str]:
    """Make a run in a database that may be empty as yet; return all that are there then."""
    journal = opened(home, url)
    make_runs(journal, [me])
    _start.wait(PATIENCE_S)
    found = sorted(row.execution for row in journal.rows())
    journal.close()
    return found


def claim_all(home: Path, url: str, me: str, names: list[str]) -> list[tuple[str, int]]:
    """Claim each run; return those that were won, with their fencing numbers."""
    journal = opened(home, url)
    _start.wait(PATIENCE_S)
    claims = [journal.claim(name, me, now=2.0) for name in names]
    journal.close()
    return [(row.execution, row.fence) for row in claims if row is not None]


def seize_and_write(home: Path, url: str, me: str, seizures: int) -> int:
    """Take the run `e1` from whoever has it and write until somebody else has; return what was confirmed."""
    journal = opened(home, url)
    _start.wait(PATIENCE_S)
    confirmed = 0
    for _ in range(seizures):
        row = journal.claim("e1", me, now=2.0, force=True)
        assert row is not None
        seq = len(journal.read("e1")) + 1
        try:
            for number in range(40):
                event = AttemptStarted(2.0, f"{row.fence}", number)
                journal.commit([Append("e1", row.fence, seq, [event])], durable=False)
                seq, confirmed = seq + 1, confirmed + 1
        except LeaseLostError:
            continue
    journal.close()
    return confirmed
