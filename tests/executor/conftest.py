"""A project in a folder, and a real pool of worker processes that runs its tasks."""

from __future__ import annotations

import itertools
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardpoint.core.identity import spec_of
from hardpoint.core.loading import load_module
from hardpoint.executor.archive.archive import build_archive, save_archive
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.pool.messages import (
    CallDone,
    CallFailed,
    CallProgress,
    CallReturned,
    FunctionCall,
    LogSpan,
    PoolEvent,
)
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.plugin_api import TaskSpec

PATIENCE_S = 30.0
"""Far longer than anything here takes on a busy machine; then a test fails instead of hanging."""

HEAD = "from __future__ import annotations\nfrom hardpoint.core import *\n"


class Lab:
    """Writes project files, registers their tasks with a pool, submits calls and collects events.

    Args:
        folder: Gets `project` and `home`.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.root.mkdir()
        (self.root / "pyproject.toml").touch()
        self.home = folder / "home"
        self.events: list[PoolEvent] = []
        self.sizes = 0
        self._tickets = itertools.count(1)
        self._pool: WorkerPool | None = None

    def write(self, name: str, source: str) -> Path:
        """A file of the project; Python files begin with the imports tasks need."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(source))
        return path

    def open_pool(self, size: int = 1) -> WorkerPool:
        """The pool under test."""
        assert self._pool is None
        self._pool = WorkerPool(
            home=self.home, store_url=str(self.home / "blobs"), size=size, clock=SystemClock()
        )
        return self._pool

    @property
    def pool(self) -> WorkerPool:
        """That pool; of one worker unless `open_pool` was called."""
        return self._pool or self.open_pool()

    def register(self, file: Path, *names: str, **changes: Any) -> str:
        """Archive a file and make its tasks known, under their names; return the archive's digest."""
        module = load_module(file)
        archive = build_archive([file], self.root)
        save_archive(archive, self.home)
        for name in names:
            task = getattr(module, name)
            spec = msgspec.structs.replace(spec_of(task, task.options, self.root), **changes)
            self.pool.register(name, spec, archive.digest)
        return archive.digest

    def add(self, key: str, spec: TaskSpec) -> None:
        """Make a spec known that needs no archive."""
        self.pool.register(key, spec, "")

    def submit(self, spec: str, **inputs: Any) -> int:
        """Submit one call; return its ticket."""
        return self.submit_many(spec, [inputs])[0]

    def submit_many(self, spec: str, inputs: list[dict[str, Any]]) -> list[int]:
        """Submit calls together."""
        return self.submit_mixed([(spec, each) for each in inputs])

    def submit_mixed(self, wanted: list[tuple[str, dict[str, Any]]]) -> list[int]:
        """Submit calls of several specs together."""
        calls = [FunctionCall(next(self._tickets), "e1", spec, 1, spec, inputs) for spec, inputs in wanted]
        self.pool.submit(calls)
        return [call.ticket for call in calls]

    def until(self, count: int = 1, kind: type | tuple[type, ...] = (CallDone, CallFailed)) -> list[Any]:
        """Wait for so many more events of a kind; return them in order of arrival."""
        seen = len(self.events)
        end_s = time.monotonic() + PATIENCE_S
        while len(found := [each for each in self.events[seen:] if isinstance(each, kind)]) < count:
            assert time.monotonic() < end_s, f"only {self.events[seen:]} in {PATIENCE_S} s"
            self.events += self.pool.wait(1.0)
        return found

    def run(self, spec: str, **inputs: Any) -> Any:
        """Run one call to its end."""
        ticket = self.submit(spec, **inputs)
        (event,) = self.until()
        assert event.ticket == ticket
        return event

    def result(self, spec: str, **inputs: Any) -> Any:
        """The result of a call that succeeds."""
        event = self.run(spec, **inputs)
        assert isinstance(event, CallDone), event
        return event.outputs["result"]

    def failure(self, spec: str, **inputs: Any) -> Any:
        """The error of a call that fails."""
        event = self.run(spec, **inputs)
        assert isinstance(event, CallFailed), event
        return event.error

    def until_progress(self) -> CallProgress:
        """Wait until a running call told how far it is: proof that it runs."""
        progress: CallProgress = self.until(1, CallProgress)[0]
        return progress

    def until_file(self, path: Path) -> str:
        """Wait until user code has written a file; return its text."""
        end_s = time.monotonic() + PATIENCE_S
        while not path.exists() or not (text := path.read_text()):
            assert time.monotonic() < end_s, f"no `{path}` in {PATIENCE_S} s"
            self.events += self.pool.wait(0.005)
        return text

    def returned(self) -> list[int]:
        """Tickets given back so far."""
        given = [each.tickets for each in self.events if isinstance(each, CallReturned)]
        return [ticket for tickets in given for ticket in tickets]

    def until_told_of(self, tickets: list[int]) -> None:
        """Wait until each of these calls is done, or was given back."""
        done = {each.ticket for each in self.events if isinstance(each, CallDone)}
        while not done.issuperset(set(tickets) - set(self.returned())):
            done |= {each.ticket for each in self.until(1, CallDone)}

    def text(self, log: LogSpan | None) -> tuple[str, str]:
        """What an attempt wrote to stdout and stderr."""
        assert log is not None
        spans = ((log.out, "out"), (log.err, "err"))
        files = [(self.home / "logs" / f"{log.worker}.{end}", span) for span, end in spans]
        out, err = (path.read_bytes()[begin:end].decode() for path, (begin, end) in files)
        return out, err

    def close(self) -> None:
        """End the pool."""
        if self._pool is not None:
            self._pool.close(5.0)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """An empty project, and a pool that is closed afterwards."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()
