"""The face for programs: an executor that lives inside any process.

>>> from hardpoint.executor import Executor
>>> with Executor(journal="memory") as executor:
...     executor.home.exists()
True
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from hardpoint.core.compiled import from_json
from hardpoint.core.flatten import flatten
from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.core.workflow import Workflow
from hardpoint.executor.admission import check_tasks
from hardpoint.executor.archive.submit import archive_code
from hardpoint.executor.archive.unpack import changed_files
from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.observers import Observers
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import StepThreads
from hardpoint.executor.execution import Execution
from hardpoint.executor.home import JOURNAL_FILE, home_path, make_home
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.memory import MemoryJournal
from hardpoint.executor.journal.protocol import (
    LEASE_S,
    ExecutionRow,
    Journal,
    JournalDamagedError,
)
from hardpoint.executor.owner import is_dead, is_driven, owner_name
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.executor.worker.importing import refuse_at_import
from hardpoint.plugin_api import SINGLE_OUTPUT, UsageError, Wire
from hardpoint.registry import load_registry

logger = logging.getLogger("hardpoint.executor")

DEFAULT_PROJECT = "default"
DEFAULT_DOMAIN = "development"
RECENT = 1_000
"""Runs that `recover` looks at for observers that were told too little."""
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


class ExecutionOwnedError(UsageError):
    """Another executor that is still alive drives the run."""


class ExecutorClosedError(UsageError):
    """The executor takes nothing more."""


def new_execution_id(now: float, dice: random.Random) -> str:
    """An id that sorts by time and is short enough to type.

    >>> new_execution_id(0.0, random.Random(1))
    '19700101-000000-e52hs'
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{''.join(dice.choices(_ALPHABET, k=5))}"


def open_journal(home: Path) -> Journal:
    """The journal of a store on disk."""
    from hardpoint.executor.journal.sql import SqlJournal  # costs 0.1 s, which `--help` need not pay

    return SqlJournal.at(home / JOURNAL_FILE)


class Executor:
    """Runs workflows; safe to embed: no signal handlers, no forks, any number of runs at once.

    As a context manager it waits for its runs at the end of the block, like the executors of
    `concurrent.futures`. A service that must stop calls `drain()` instead: what is in flight ends, the
    rest stays in the journal, and `recover()` in the next process goes on.

    Args:
        home: The store's folder; default `$HARDPOINT_HOME`, else `./.hardpoint`.
        journal: `"sqlite"` in the store's folder, `"memory"` for runs that need not survive, or a `Journal`.
        workers: Processes for Python tasks; default: the number of cores, at least 2.
        project, domain: The tenant that runs are accounted to unless `submit_with` says otherwise.
        plugins: Plugin objects by task type, besides those that are installed. Function-shaped task types
            must be installed: worker processes find them by their entry points.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        journal: Literal["sqlite", "memory"] | Journal = "sqlite",
        workers: int | None = None,
        project: str = DEFAULT_PROJECT,
        domain: str = DEFAULT_DOMAIN,
        plugins: Mapping[str, object] | None = None,
    ) -> None:
        refuse_at_import()
        self._temporary = home is None and journal == "memory"
        self.home = make_home(
            Path(tempfile.mkdtemp(prefix="hardpoint-")) if self._temporary else home_path(home, os.environ)
        )
        self.project, self.domain = project, domain
        self.clock = SystemClock()
        self.store = BlobStore(str(self.home / "blobs"))
        self.registry = load_registry({"python": python_plugin, **(plugins or {})})
        self.journal = _journal(journal, self.home)
        self._dice = random.Random()  # noqa: S311 - jitter and readable ids, not secrets
        size = workers or max(2, os.cpu_count() or 1)
        self._pool = WorkerPool(
            home=self.home, store_url=str(self.home / "blobs"), size=size, clock=self.clock
        )
        self._observers = Observers(self.registry, self.journal)
        self._engine = Engine(
            journal=self.journal,
            registry=self.registry,
            pool=self._pool,
            steps=StepThreads(self._pool.wake),
            store=self.store,
            outputs_uri=str(self.home / "outputs"),
            clock=self.clock,
            dice=self._dice,
            owner=owner_name(),
            adopted=self._observers.attach,
        )
        self._thread = threading.Thread(target=self._engine.loop, name="hardpoint-engine", daemon=True)
        self._thread.start()
        self._closed = False

    def submit(self, workflow: Workflow[..., Any], /, **inputs: Any) -> Execution:
        """Start a run with Python values as inputs; returns at once.

        Raises:
            CompileErrors: The workflow does not compile.
            InputError: The inputs do not fit its interface.
        """
        return self.submit_with(workflow, inputs)

    def submit_with(
        self,
        workflow: Workflow[..., Any],
        inputs: Mapping[str, Any],
        *,
        project: str = "",
        domain: str = "",
        execution_id: str = "",
    ) -> Execution:
        """Start a run under a tenant and an id of the caller's choice; else like `submit`."""
        wires = workflow.encode_inputs(inputs, self.store)
        return self.submit_wires(workflow, wires, project=project, domain=domain, execution_id=execution_id)

    def submit_wires(
        self,
        workflow: Workflow[..., Any],
        wires: dict[str, Wire],
        *,
        project: str = "",
        domain: str = "",
        execution_id: str = "",
    ) -> Execution:
        """Start a run with inputs that are encoded already, as the command line has them."""
        owner = self._engine.owner
        run = self.enqueue(
            workflow, wires, project=project, domain=domain, execution_id=execution_id, owner=owner
        )
        self._engine.post(lambda: self._engine.adopt(run))
        return Execution(self._engine, run, lambda outputs: workflow.decode_outputs(outputs, self.store))

    def enqueue(
        self,
        workflow: Workflow[..., Any],
        wires: dict[str, Wire],
        *,
        project: str = "",
        domain: str = "",
        execution_id: str = "",
        owner: str = "",
    ) -> Run:
        """Journal a run with encoded inputs; without an owner, any executor of this store may take it up."""
        self._check_open()
        compiled = workflow.compile()
        check_tasks(self.registry, compiled)
        code, root = archive_code(workflow.file, workflow.definitions, self.home)
        now = self.clock.now()
        row = ExecutionRow(
            execution=execution_id or new_execution_id(now, self._dice),
            workflow=compiled.body.name,
            digest=compiled.digest,
            project=project or self.project,
            domain=domain or self.domain,
            phase=RunPhase.RUNNING if owner else RunPhase.QUEUED,
            submitted_at=now,
            owner=owner,
            fence=1 if owner else 0,
            lease_until=now + LEASE_S if owner else 0.0,
            detached=not owner,
        )
        submitted = Submitted(now, row.workflow, row.digest, wires, code, row.project, row.domain, str(root))
        self.journal.create(row, compiled.to_json(), [submitted])
        return Run(row, compiled, flatten(compiled), [submitted])

    def resume(self, execution: str) -> Execution:
        """Go on with a run: one whose engine died, or one that failed or was aborted.

        What succeeded is kept; of a failed run, everything else is tried again with fresh budgets.

        Raises:
            ExecutionNotFoundError: There is no such run.
            ExecutionOwnedError: Another live executor drives it.
            JournalDamagedError: Part of its journal cannot be read.
        """
        self._check_open()
        row = self.journal.row(execution)
        now = self.clock.now()
        if row.phase is RunPhase.SUCCEEDED:
            run = self._load(row)
            run.future.set_result(run.outcome())
            return self._handle(run)
        claimed = self.journal.claim(execution, self._engine.owner, now, force=is_dead(row.owner))
        if claimed is None:
            raise ExecutionOwnedError(
                f"Run `{execution}` is driven by `{row.owner}`, "
                f"whose lease has {row.lease_until - now:.0f} s to go",
                hint=f"`hardpoint executions abort {execution}` ends it; "
                f"the lease of a dead owner lapses by itself within {LEASE_S:g} s",
            )
        try:
            run = self._load(claimed)
        except Exception:
            self.journal.release({execution: claimed.fence})
            raise
        self._engine.post(lambda: self._engine.adopt(run, resume=True))
        return self._handle(run)

    def changed_files(self, execution: str) -> list[str]:
        """Project files that were edited or removed since the run was submitted; it does not see that.

        Raises:
            ExecutionNotFoundError: There is no such run.
        """
        submitted = self.journal.read(execution)[0]
        if not isinstance(submitted, Submitted) or not submitted.code:
            return []
        return changed_files(submitted.code, self.home, Path(submitted.root))

    def recover(self) -> list[Execution]:
        """Take up every unfinished run of this store that no live executor drives.

        A run whose journal is damaged is left alone, with a line in the log. Observers are told what they
        may have missed of recent runs, also of those that have ended.
        """
        self._observers.catch_up(row.execution for row in self.journal.rows(limit=RECENT))
        unfinished = [phase for phase in RunPhase if not phase.terminal]
        now = self.clock.now()
        handles = []
        for row in reversed(self.journal.rows(limit=10_000, phases=unfinished)):
            if not is_driven(row, now):
                try:
                    handles.append(self.resume(row.execution))
                except ExecutionOwnedError:
                    continue  # another executor of this store was quicker
                except JournalDamagedError as error:
                    logger.warning("run %s is left alone: %s", row.execution, error)
        return handles

    def _load(self, row: ExecutionRow) -> Run:
        compiled = from_json(self.journal.workflow(row.digest))
        return Run(row, compiled, flatten(compiled), self.journal.read(row.execution))

    def _handle(self, run: Run) -> Execution:
        values = LiteralValues(self.store)

        def decode(outputs: dict[str, Any]) -> Any:
            types = {variable.name: variable.type for variable in run.compiled.interface.outputs}
            decoded = {name: values.decode(types[name], wire) for name, wire in outputs.items()}
            return decoded.get(SINGLE_OUTPUT, decoded) if len(decoded) == 1 else decoded

        return Execution(self._engine, run, decode)

    def _check_open(self) -> None:
        if self._engine.failure is not None:
            raise self._engine.failure
        if self._closed:
            raise ExecutorClosedError("This executor is closed", hint="Make a new `Executor`")

    def drain(self, grace_s: float = 30.0) -> None:
        """Start nothing more, let attempts in flight end for at most `grace_s`, then close.

        Runs that are not finished stay in the journal, free for the next executor.
        """
        self._engine.post(self._engine.begin_drain)
        deadline = self.clock.monotonic() + grace_s
        while self._engine.alive and self._engine.busy and self.clock.monotonic() < deadline:
            time.sleep(0.02)
        self._shut_down()

    def close(self) -> None:
        """Wait for all runs of this executor, then let go of everything."""
        while self._engine.alive and self._engine.runs and not self._closed:
            for run in list(self._engine.runs.values()):
                try:
                    run.future.result()
                except Exception:  # noqa: S112 - whoever holds the handle is told
                    continue
        self._shut_down()

    def _shut_down(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._engine.post(self._engine.stop)
        self._thread.join()
        self._pool.close(grace_s=0.0)
        self._observers.close()
        self.journal.close()
        if self._temporary:
            shutil.rmtree(self.home, ignore_errors=True)

    def __enter__(self) -> Executor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self.drain(grace_s=0.0)


def _journal(journal: Literal["sqlite", "memory"] | Journal, home: Path) -> Journal:
    match journal:
        case "sqlite":
            return open_journal(home)
        case "memory":
            return MemoryJournal()
        case given:
            return given


def run(workflow: Workflow[..., Any], /, **inputs: Any) -> Any:
    """Run a workflow in the default store, wait, and return what it returns.

    Raises:
        ExecutionFailedError: It failed; the message names the node and shows the author's traceback.
    """
    with Executor() as executor:
        return executor.submit(workflow, **inputs).result()
