"""Executors on one store that are killed at random moments, and what is counted about it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Event,
    RunPhase,
)
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import ExecutionRow, Journal, JournalUnreachableError

if TYPE_CHECKING:
    from postgres_server import PostgresServer

TESTS = Path(__file__).resolve().parents[1]
LOOK_EVERY_S = 0.005
PATIENCE_S = 90.0
STORES = ("sqlite", "postgresql")
SERVE = ("-m", "hardpoint.executor.cli", "executor", "start", "--workers", "2", "--json")


class Store:
    """A folder with flows, and a journal in it or on a PostgreSQL server of its own.

    Args:
        folder: Empty.
        kind: One of `STORES`.
        environ: More for the processes that use it.
    """

    def __init__(self, folder: Path, kind: str, **environ: str) -> None:
        self.folder = folder
        self.server: PostgresServer | None = None
        self.url = kind
        if kind == "postgresql":
            sys.path.append(str(TESTS / "postgres_server"))
            from postgres_server import PostgresServer

            self.server = PostgresServer()
            self.url = self.server.make_database()
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(TESTS / "jobservice_plugin"),
            "HARDPOINT_HOME": str(folder / "home"),
            "HARDPOINT_JOURNAL": self.url,
            **environ,
        }
        self.journal: Journal = open_journal(folder / "home", self.url)

    def python(self, *words: str, out: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start Python in the folder."""
        with (self.folder / "stderr").open("a") as errors:
            return subprocess.Popen(
                [sys.executable, *words],
                cwd=self.folder,
                env=self.environ,
                stdout=out,
                stderr=errors,
                text=True,
            )

    def queue(self, flow: str, **inputs: object) -> str:
        """Queue a run of `flow.py`; return its id."""
        words = [word for name, value in inputs.items() for word in (f"--{name}", str(value))]
        return self.answer("-m", "hardpoint.executor.cli", "run", "--detach", "flow.py", flow, *words)

    def answer(self, *words: str) -> str:
        """What Python prints."""
        process = self.python(*words)
        out, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(self.complaints())
        return out.strip()

    def complaints(self) -> str:
        """The end of what all processes wrote to stderr."""
        return (self.folder / "stderr").read_text()[-3000:]

    def unfinished(self) -> list[ExecutionRow]:
        """Runs that have not ended."""
        return self.journal.rows(limit=1000, phases=[phase for phase in RunPhase if not phase.terminal])

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()
        if self.server is not None:
            self.server.close()


class Fleet:
    """Executors that take up whatever nobody drives; a killed one is replaced.

    Args:
        store: What they share.
        size: How many.
        command: What Python runs.
    """

    def __init__(self, store: Store, size: int, command: Sequence[str]) -> None:
        self._store = store
        self._command = command
        self._processes: dict[int, subprocess.Popen[str]] = {}
        for _ in range(size):
            self._start()

    def _start(self) -> None:
        process = self._store.python(*self._command, out=subprocess.DEVNULL)
        self._processes[process.pid] = process

    def kill_owner_of(self, row: ExecutionRow, see: Callable[[list[str]], None]) -> bool:
        """Kill whoever drives a run, if one of these does.

        Args:
            row: The run.
            see: Called, before, with the runs it drives: it is stopped then, and changes nothing any more.
        """
        process = self._processes.get(pid_of(row.owner))
        if process is None or process.poll() is not None:
            return False
        process.send_signal(signal.SIGSTOP)
        see([each.execution for each in self._store.unfinished() if each.owner == row.owner])
        process.kill()
        process.wait()
        del self._processes[process.pid]
        self._start()
        return True

    def close(self) -> None:
        """Stop all; nothing is asked any more of what they drive."""
        for process in self._processes.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def fleet(store: Store, size: int, command: Sequence[str] = SERVE) -> Iterator[Fleet]:
    """Executors for the length of a block; see `Fleet`."""
    started = Fleet(store, size, command)
    try:
        yield started
    finally:
        started.close()


def pid_of(owner: str) -> int:
    """The process id in the name of an engine; 0 for nobody."""
    parts = owner.split("/")
    return int(parts[2]) if len(parts) == 5 else 0


class Watch:
    """What the journal promised by each kill, to be held against what it says in the end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._succeeded: set[tuple[str, str, int]] = set()
        self.in_flight = 0

    def see(self, executions: list[str]) -> None:
        """Remember what has succeeded and what is in flight, when nothing moves any more."""
        for execution in executions:
            events = self._store.journal.read(execution)
            starts = starts_of(events)
            self._succeeded |= {(execution, unit, starts[unit]) for unit in succeeded_of(events)}
            self.in_flight += len(in_flight_of(events))

    def repeated(self, executions: list[str]) -> list[str]:
        """What was started again although its success was journaled."""
        starts = {each: starts_of(self._store.journal.read(each)) for each in executions}
        again = [
            f"`{unit}` of `{run}` started again"
            for run, unit, count in self._succeeded
            if starts[run][unit] != count
        ]
        twice = [
            f"`{unit}` of `{run}` succeeded {count} times"
            for run in executions
            for unit, count in successes_of(self._store.journal.read(run)).items()
            if count > 1
        ]
        return again + twice


def starts_of(events: list[Event]) -> Counter[str]:
    """How often each node or item was started, by the journal."""
    return Counter(each.node for each in events if isinstance(each, AttemptStarted))


def successes_of(events: list[Event]) -> Counter[str]:
    """How often each node or item succeeded, by the journal."""
    return Counter(each.node for each in events if isinstance(each, AttemptSucceeded))


def succeeded_of(events: list[Event]) -> set[str]:
    """Nodes and items whose success is journaled."""
    return set(successes_of(events))


def in_flight_of(events: list[Event]) -> set[str]:
    """Nodes and items that were started and have not ended."""
    open_: set[str] = set()
    for event in events:
        match event:
            case AttemptStarted():
                open_.add(event.node)
            case AttemptSucceeded() | AttemptFailed() | AttemptCancelled():
                open_.discard(event.node)
            case _:
                pass
    return open_


def kill_again_and_again(
    store: Store, killers: Fleet, watch: Watch, kills: int, dice: random.Random, progress: Callable[[], int]
) -> int:
    """Kill owners of runs, each time after some progress and a moment; return how many were killed.

    Args:
        store, killers, watch: What is at stake.
        kills: At most so many; fewer if everything is done before.
        dice: For the moments.
        progress: Something that grows while the runs go on.
    """
    killed = 0
    while killed < kills and (rows := store.unfinished()):
        wanted = progress() + dice.randint(0, 8)
        deadline = time.monotonic() + dice.random() * 0.6
        while progress() < wanted and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        time.sleep(dice.random() * 0.05)
        killed += killers.kill_owner_of(store.journal.row(dice.choice(rows).execution), watch.see)
    return killed


def wait_for_all(store: Store, executions: list[str]) -> list[ExecutionRow]:
    """Wait until all runs have ended; return their summaries.

    Raises:
        TimeoutError: They have not, in `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with contextlib.suppress(JournalUnreachableError):
            rows = [store.journal.row(execution) for execution in executions]
            if all(row.phase.terminal for row in rows):
                return rows
        if time.monotonic() > deadline:
            raise TimeoutError(f"not done in {PATIENCE_S:g} s: {store.complaints()}")
        time.sleep(0.05)
