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
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Unpack

from hardpoint.core.runnable import Runnable
from hardpoint.core.store import BlobStore
from hardpoint.core.workflow import Workflow
from hardpoint.executor.adoption import MAX_RUNS, Adoption
from hardpoint.executor.archive.unpack import changed_files
from hardpoint.executor.builtin import python_plugin
from hardpoint.executor.clock import SystemClock
from hardpoint.executor.config.finding import find_settings
from hardpoint.executor.driving import EngineThread
from hardpoint.executor.engine.loop import Engine
from hardpoint.executor.engine.observers import Observers
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import StepThreads
from hardpoint.executor.execution import Execution, outputs_decoder
from hardpoint.executor.home import home_path, journal_url, make_home
from hardpoint.executor.journal.events import RunPhase, Submitted
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.protocol import LEASE_S, Command, Journal, JournalUnavailableError
from hardpoint.executor.loading import RunLoader
from hardpoint.executor.owner import owner_name, undriven
from hardpoint.executor.permits import permits_of
from hardpoint.executor.pool.pool import WorkerPool
from hardpoint.executor.resuming import ExecutionOwnedError, taken_over
from hardpoint.executor.submission import Reception, Terms
from hardpoint.executor.waiting import WaitingRoom
from hardpoint.executor.worker.importing import refuse_at_import
from hardpoint.plugin_api import HardpointError, UsageError, Wire
from hardpoint.registry import load_registry

logger = logging.getLogger("hardpoint.executor")

DEFAULT_PROJECT = "default"
DEFAULT_DOMAIN = "development"
SWEEP_GRACE_S = 10.0
"""How long `close` waits for the end of jobs that are nobody's."""
MANY = 10_000
"""Runs that `recover` takes up at most, of those that have begun and of those that are queued."""
RECENT = 1_000
"""Runs that `recover` looks at for observers that were told too little."""


class ExecutorClosedError(UsageError):
    """The executor takes nothing more."""


class AdoptingError(UsageError):
    """The executor was told twice to take up what others left."""


class Executor:
    """Runs workflows; safe to embed: no signal handlers, no forks, any number of runs at once.

    As a context manager it waits for its runs at the end of the block, like the executors of
    `concurrent.futures`. A service that must stop calls `drain()` instead: what is in flight ends, the
    rest stays in the journal, and `recover()` in the next process goes on.

    Any number of executors may share a store, in one process, on one machine, or, with a journal in
    PostgreSQL, on many that see the same folder. `adopt_abandoned()` makes an executor go on with what
    another left.

    Args:
        home: The store's folder; default `$HARDPOINT_HOME`, else `./.hardpoint`. Values and archived code lie
            in it, so executors on several machines need one that all of them see.
        journal: `"sqlite"` in the store's folder, `"memory"` for runs that need not survive, the URL of a
            PostgreSQL database, or a `Journal`; default `$HARDPOINT_JOURNAL`, else `"sqlite"`.
        workers: Processes for Python tasks; default: as the operator's file says, else the number of
            cores, at least 2.
        project, domain: The tenant that runs are accounted to unless `submit_with` says otherwise.
        plugins: Plugin objects by task type, besides those that are installed. Function-shaped task types
            must be installed: worker processes find them by their entry points.
        lease_s: Seconds after which others may take up the runs of this executor if it gives no sign of life;
            a given `Journal` has its own. Clocks of machines that share a store must differ by less than a
            third of it.
        config: The operator's file; default `$HARDPOINT_CONFIG`, else `hardpoint.toml` in the store's folder,
            else in the project of the working directory. What it says is in `settings`.

    Raises:
        SettingsError: Something in that file does not fit.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        journal: str | Journal = "",
        workers: int | None = None,
        project: str = DEFAULT_PROJECT,
        domain: str = DEFAULT_DOMAIN,
        plugins: Mapping[str, object] | None = None,
        lease_s: float = LEASE_S,
        config: str | Path | None = None,
    ) -> None:
        refuse_at_import()
        self._temporary = home is None and _is_in_memory(journal)
        self.home = make_home(
            Path(tempfile.mkdtemp(prefix="hardpoint-")) if self._temporary else home_path(home, os.environ)
        )
        self.project, self.domain = project, domain
        self.settings = find_settings(config, self.home, os.environ, Path.cwd())
        self.clock = SystemClock()
        self.store = BlobStore(str(self.home / "blobs"))
        permits = permits_of(self.settings.plugins, os.environ)
        self.registry = load_registry({"python": python_plugin, **(plugins or {})}, permits=permits)
        self.journal = (
            open_journal(self.home, journal, lease_s=lease_s) if isinstance(journal, str) else journal
        )
        self._dice = random.Random()  # noqa: S311 - jitter and readable ids, not secrets
        size = workers or self.settings.local.workers or max(2, os.cpu_count() or 1)
        self._pool = WorkerPool(
            home=self.home,
            store_url=str(self.home / "blobs"),
            size=size,
            clock=self.clock,
            plugins=self.settings.plugins,
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
            settings=self.settings,
        )
        self._loader = RunLoader(self.journal, self.registry)
        self._adoption: Adoption | None = None
        self._thread = EngineThread(self._engine)
        limits = self.settings.limits
        self._reception = Reception(
            self.journal, self.home, self.registry, self.clock, self._dice, project, domain, limits
        )
        self._waiting = WaitingRoom(self._thread, self.journal, self.clock, limits)
        self._closed = False

    def submit(self, workflow: Workflow[..., Any], /, **inputs: Any) -> Execution:
        """Start a run with Python values as inputs; returns at once.

        If its tenant has as many runs as it may, it is queued, and begins when there is room.

        Raises:
            CompileErrors: The workflow does not compile.
            InputError: The inputs do not fit its interface.
            ExecutionRefusedError: A plugin is against it.
            AdmissionRefusedError: The tenant's queue is full, too.
        """
        return self.submit_with(workflow, inputs)

    def submit_with(
        self, workflow: Workflow[..., Any], inputs: Mapping[str, Any], **terms: Unpack[Terms]
    ) -> Execution:
        """Start a run on terms of the caller's choice, such as a tenant or a priority; else like `submit`."""
        return self.submit_wires(workflow, workflow.encode_inputs(inputs, self.store), **terms)

    def submit_wires(self, workflow: Runnable, wires: dict[str, Wire], **terms: Unpack[Terms]) -> Execution:
        """Start a run with inputs that are encoded already, as the command line has them."""
        self._check_open()
        run = self._reception.accept(workflow, wires, terms, self._engine.owner)
        if run.row.phase is RunPhase.QUEUED:
            self._waiting.add(run)
        else:
            run.future.add_done_callback(lambda future: self._waiting.made_room())
            self._thread.give_new(run)
        return Execution(self._engine, run, lambda outputs: workflow.decode_outputs(outputs, self.store))

    def enqueue(self, workflow: Runnable, wires: dict[str, Wire], **terms: Unpack[Terms]) -> str:
        """Journal a run with encoded inputs, for any executor of this store that adopts; return its id."""
        self._check_open()
        return self._reception.accept(workflow, wires, terms).id

    def resume(self, execution: str) -> Execution:
        """Go on with a run: one whose engine died, or one that failed or was aborted.

        What succeeded is kept; of a failed run, everything else is tried again with fresh budgets. A queued
        run begins when its tenant has room.

        Raises:
            ExecutionNotFoundError: There is no such run.
            ExecutionOwnedError: Another live executor drives it.
            JournalDamagedError: Part of its journal cannot be read.
        """
        self._check_open()
        row = self.journal.row(execution)
        if row.phase is RunPhase.QUEUED:
            self._loader.check(row)
            run = self._loader.load(row)
            self._waiting.add(run)
        elif row.phase is RunPhase.SUCCEEDED:
            run = self._loader.load(row)
            run.future.set_result(run.outcome())
        else:
            run = taken_over(self.journal, self._loader, row, self._engine.owner, self.clock.now())
            self._thread.give(run)
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
        """Take up, once, every unfinished run of this store that no live executor drives.

        A run whose journal is damaged, or whose plugin is not installed here, is left alone, with a line in
        the log. Observers are told what they may have missed of recent runs, also of those that have ended.
        """
        self._catch_up()
        handles = []
        queued = self.journal.rows(limit=MANY, phases=[RunPhase.QUEUED])
        for row in (*undriven(self.journal, self.clock.now(), MANY), *reversed(queued)):
            try:
                handles.append(self.resume(row.execution))
            except ExecutionOwnedError:
                continue  # another executor of this store was quicker
            except JournalUnavailableError:
                raise
            except HardpointError as error:
                self._check_open()
                logger.warning("run %s is left alone: %s", row.execution, error)
        return handles

    def adopt_abandoned(
        self,
        *,
        max_runs: int = MAX_RUNS,
        taken: Callable[[Execution], None] = lambda execution: None,
        refused: Callable[[HardpointError], None] = lambda error: logger.warning("%s", error),
    ) -> None:
        """From now on, until it is closed, take up queued runs and those that other executors left.

        A run of an executor that was killed is taken up within its lease's time, on the same machine
        within about a second. Of several executors that see it, one gets it.

        Args:
            max_runs: With so many runs it takes no more, unless all of them wait for something outside.
            taken: Called with each run that was taken up, on another thread.
            refused: Called with what keeps a run from being taken up here; it is tried again later.
        """
        self._check_open()
        if self._adoption is not None:
            raise AdoptingError("This executor takes up abandoned runs already")
        self._catch_up()
        self._adoption = Adoption(
            self._thread,
            self.journal,
            self._loader,
            self.clock,
            waiting=self._waiting,
            limits=self.settings.limits,
            max_runs=max_runs,
            taken=lambda run: taken(self._handle(run)),
            refused=refused,
        )
        self._adoption.begin()

    def abort(self, execution: str, reason: str = "aborted by its caller") -> None:
        """Ask for the end of a run, whichever executor drives it; one that has ended is left as it is.

        Its owner obeys within about half a second; if it has none, whoever takes it up does first of all.

        Raises:
            ExecutionNotFoundError: There is no such run.
        """
        self.journal.send(Command(uuid.uuid4().hex, execution, "abort", {"reason": reason}))

    def _catch_up(self) -> None:
        self._observers.catch_up(row.execution for row in self.journal.rows(limit=RECENT))

    def _handle(self, run: Run) -> Execution:
        return Execution(self._engine, run, outputs_decoder(run, self.store))

    def _check_open(self) -> None:
        if self._engine.failure is not None:
            raise self._engine.failure
        if self._closed:
            raise ExecutorClosedError("This executor is closed", hint="Make a new `Executor`")

    @property
    def failure(self) -> HardpointError | None:
        """Why its engine stopped by itself, for instance because the disk is full; None while all is well."""
        return self._engine.failure

    def drain(self, grace_s: float = 30.0) -> None:
        """Start nothing more, let attempts in flight end for at most `grace_s`, then close.

        Runs that are not finished stay in the journal, free for the next executor.
        """
        self._stop_adopting()
        self._waiting.end()
        self._engine.post(self._engine.begin_drain)
        self._wait_while_busy(grace_s)
        self._shut_down()

    def _wait_while_busy(self, grace_s: float) -> None:
        deadline = self.clock.monotonic() + grace_s
        while self._engine.alive and self._engine.busy and self.clock.monotonic() < deadline:
            time.sleep(0.02)

    def close(self) -> None:
        """Wait for all runs of this executor, then let go of everything."""
        self._stop_adopting()
        while self._engine.alive and not self._closed and (unfinished := self._unfinished):
            for run in unfinished:
                try:
                    run.future.result()
                except Exception:  # noqa: S112 - whoever holds the handle is told
                    continue
        self._wait_while_busy(SWEEP_GRACE_S)
        self._shut_down()

    @property
    def _unfinished(self) -> tuple[Run, ...]:
        # What waits first: a run on its way from there to the engine is in one of the two at any time.
        return (*self._waiting.unfinished, *self._thread.unfinished)

    def _stop_adopting(self) -> None:
        if self._adoption is not None:
            self._adoption.end()
            self._adoption = None

    def _shut_down(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._waiting.end()
        self._engine.hurry()
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


def _is_in_memory(journal: str | Journal) -> bool:
    return isinstance(journal, str) and journal_url(journal, os.environ) == "memory"


def run(workflow: Workflow[..., Any], /, **inputs: Any) -> Any:
    """Run a workflow in the default store, wait, and return what it returns.

    Raises:
        ExecutionFailedError: It failed; the message names the node and shows the author's traceback.
    """
    with Executor() as executor:
        return executor.submit(workflow, **inputs).result()
