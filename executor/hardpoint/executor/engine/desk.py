"""What the lanes share with the loop: the runs, this turn's events, and what is to be done after them."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.possible import Possible
from hardpoint.executor.engine.retry import budget_of, next_attempt_in_s, seconds_left
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.timers import Timers
from hardpoint.executor.journal.events import Artifact, AttemptFailed, Event
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import Clock, ErrorInfo, HardpointError, Wire

Action = Callable[[], None]


class Desk:
    """Owned by the engine's thread. Lanes put events on it; the loop clears it, turn by turn.

    Args:
        clock, dice: Time and randomness.
    """

    def __init__(self, clock: Clock, dice: random.Random) -> None:
        self.clock = clock
        self.dice = dice
        self.timers = Timers()
        self.runs: dict[str, Run] = {}
        self.draining = False
        self.possible: deque[tuple[Run, Possible]] = deque()
        self._changed: dict[str, Run] = {}
        self._actions: list[tuple[Run | None, Action]] = []
        self._durable = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits for a commit or for what follows one."""
        return not self._changed and not self._actions

    def owns(self, run: Run) -> bool:
        """Whether the run is still this engine's, and this very adoption of it."""
        return self.runs.get(run.id) is run

    def emit(self, run: Run, event: Event, *, durable: bool = False) -> None:
        """Take an event in: it is committed with this turn, before anything acts on it.

        Args:
            run: Whose event it is.
            event: What happened, or is about to.
            durable: It must survive a power loss, since something outside will be changed because of it.
        """
        run.pending.append(event)
        self._changed[run.id] = run
        self._durable = self._durable or durable
        for possible in run.state.apply(event):
            self.possible.append((run, possible))

    def after_commit(self, action: Action, run: Run | None = None) -> None:
        """Do something that leaves the process, once this turn's events are journaled.

        Args:
            action: What to do.
            run: Not done if this run was lost in the commit: then its intent is not in the journal.
        """
        self._actions.append((run, action))

    def fail(
        self,
        run: Run,
        node: NodeRun,
        error: ErrorInfo,
        log: LogSpan | None = None,
        artifacts: tuple[Artifact, ...] = (),
        usage: dict[str, float] | None = None,
    ) -> None:
        """End an attempt with an error: by its class another follows, or the run fails."""
        now, spec = self.clock.now(), run.spec(node.id)
        wait_s = next_attempt_in_s(
            error,
            spec.retry,
            user_failures=node.user_failures,
            system_failures=node.system_failures,
            jitter=self.dice.random(),
            attempt=node.attempt,
            left_s=seconds_left(node, spec, now),
        )
        retry_at = None if wait_s is None else now + wait_s
        budget = budget_of(error)
        what = (error, budget, retry_at, log, artifacts, usage)
        self.emit(run, AttemptFailed(now, node.id, node.attempt, *what))

    def inputs_of(self, run: Run, node: NodeRun) -> dict[str, Wire] | None:
        """A node's inputs; None, and the node fails, if a promised item is not there after all."""
        try:
            return run.inputs_of(node.id)
        except HardpointError as error:
            self.fail(run, node, error.info())
            return None

    def take_changed(self) -> tuple[dict[str, Run], bool]:
        """The runs that have events to commit, and whether that must survive a power loss."""
        taken = self._changed, self._durable
        self._changed, self._durable = {}, False
        return taken

    def forget(self, run: Run) -> None:
        """Let a run go, with what it has on the desk."""
        self.runs.pop(run.id, None)
        self._changed.pop(run.id, None)

    def act(self) -> None:
        """Do what was to be done after the commit."""
        actions, self._actions = self._actions, []
        for run, action in actions:
            if run is None or self.owns(run):
                action()
