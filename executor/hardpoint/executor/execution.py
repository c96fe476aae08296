"""The handle on one run."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from hardpoint.core.types.natural import natural_result
from hardpoint.executor.engine.run import Journaled, Listener, Outcome, Progress, Run
from hardpoint.executor.journal.events import RunPhase, fields_of
from hardpoint.executor.journal.protocol import Command
from hardpoint.plugin_api import ErrorInfo, HardpointError, JournaledEvent, Store, Wire

if TYPE_CHECKING:
    from hardpoint.executor.engine.loop import Engine


class ExecutionFailedError(HardpointError):
    """A run did not succeed; `outcome` says how it ended."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        error = outcome.error or ErrorInfo(outcome.phase.value, "it was let go before its end")
        where = f" at node `{outcome.node}`" if outcome.node else ""
        verb = "was aborted" if outcome.phase is RunPhase.ABORTED else "failed"
        message = f"Run `{outcome.execution}` {verb}{where}: {error.code}: {error.message}"
        if error.traceback:
            message = f"{message}\n\n{error.traceback.rstrip()}"
        look = f"`hardpoint executions show {outcome.execution}` shows its nodes, `… resume` tries them again"
        super().__init__(message, hint=error.hint or look)


class Execution:
    """One submitted run. Its methods may be called from any thread.

    Args:
        id: The run's id.
    """

    def __init__(self, engine: Engine, run: Run, decode: Callable[[dict[str, Wire]], Any]) -> None:
        self.id = run.id
        self._engine = engine
        self._run = run
        self._decode = decode

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end; say how it ended, as wire values.

        Raises:
            TimeoutError: It did not end in time; it goes on.
            HardpointError: The engine could not go on, for instance because the disk is full.
        """
        return self._run.future.result(timeout_s)

    def result(self, timeout_s: float | None = None) -> Any:
        """Wait for the end; return what the workflow returns.

        Raises:
            ExecutionFailedError: It failed or was aborted.
            TimeoutError: It did not end in time; it goes on.
        """
        outcome = self.outcome(timeout_s)
        if outcome.phase is not RunPhase.SUCCEEDED:
            raise ExecutionFailedError(outcome)
        return self._decode(outcome.outputs)

    @property
    def future(self) -> Future[Outcome]:
        """For code that waits on several runs; cancelling it does not abort the run."""
        return self._run.future

    @property
    def done(self) -> bool:
        """Whether it has ended, or was let go."""
        return self._run.future.done()

    @property
    def queued(self) -> bool:
        """Whether it waits until its tenant has room."""
        return self._run.row.phase is RunPhase.QUEUED

    def abort(self, reason: str = "aborted by its caller") -> None:
        """Ask for its end, also if another executor drives it by now.

        `outcome` tells when everything in flight has stopped.
        """
        if self._run.future.done() or self._run.row.owner != self._engine.owner:
            self._engine.journal.send(Command(uuid.uuid4().hex, self.id, "abort", {"reason": reason}))
        else:
            self._engine.post(lambda: self._engine.abort(self.id, reason))

    def listen(self, listener: Listener) -> bool:
        """Let the engine's thread call `listener` with news from now on; False if the run has ended.

        The last call is with None. What was journaled before is not told: read `history` afterwards, and
        leave out what both tell.
        """
        answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

        def add() -> None:
            live = not self._run.future.done()
            if live:
                self._run.listeners.append(listener)
            answers.put(live)

        self._engine.post(add)
        # The engine may end between the question and the answer: waiting for it would be for ever.
        while self._engine.alive:
            try:
                return answers.get(timeout=0.2)
            except queue.Empty:
                continue
        return False

    def forget(self, listener: Listener) -> None:
        """Call `listener` no more."""

        def remove() -> None:
            if listener in self._run.listeners:
                self._run.listeners.remove(listener)

        self._engine.post(remove)

    def history(self) -> Journaled:
        """Everything that is journaled by now."""
        return Journaled(1, self._engine.journal.read(self.id))

    def follow(self) -> Iterator[Journaled | Progress]:
        """Everything that is journaled, from the first event on, and progress, until the run ends."""
        news: queue.SimpleQueue[Journaled | Progress | None] = queue.SimpleQueue()
        live = self.listen(news.put)
        past = self.history()
        seen = len(past.events)
        yield past
        while live and (item := news.get()) is not None:
            fresh = item if isinstance(item, Progress) else item.after(seen)
            if isinstance(fresh, Journaled):
                seen = fresh.last_seq
            if fresh is not None:
                yield fresh

    def events(self) -> Iterator[JournaledEvent]:
        """Facts as they are journaled, from the first on, until the run ends."""
        for item in self.follow():
            if isinstance(item, Journaled):
                yield from described(self.id, item)


def outputs_decoder(run: Run, store: Store) -> Callable[[dict[str, Wire]], Any]:
    """Makes what `result` returns where the workflow's function is not at hand, only its interface."""
    return lambda outputs: natural_result(run.compiled.interface, outputs, store)


def described(execution: str, news: Journaled) -> Iterator[JournaledEvent]:
    """Events as observers and programs see them."""
    for seq, event in enumerate(news.events, news.first_seq):
        yield JournaledEvent(execution, seq, type(event).__name__, event.at, fields_of(event))
