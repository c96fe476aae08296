"""Taking up what nobody drives: queued runs, runs let go of, runs whose engine died.

Any number of executors may look at one store; of those that want a run, one gets its lease and the
others do not even notice. Runs are read on a thread of their own, since replaying a long journal would
keep the engine from the runs it has.

First come runs that have begun, then those that somebody wants to end, then the queue, in turn between
tenants: see `turns.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator
from concurrent.futures import ThreadPoolExecutor

from hardpoint.executor.config.tenant_limits import TenantLimits
from hardpoint.executor.driving import EngineThread
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.protocol import ExecutionRow, Journal, JournalUnreachableError
from hardpoint.executor.journal.queue import Head
from hardpoint.executor.loading import RunLoader
from hardpoint.executor.owner import claim, undriven
from hardpoint.executor.rounds import Rounds
from hardpoint.executor.turns import in_turn
from hardpoint.plugin_api import Clock, HardpointError

logger = logging.getLogger("hardpoint.executor")

LOOK_EVERY_S = 1.0
MAX_RUNS = 64
LOADING_MAX = 8
"""Claims whose runs are not read yet: more would keep them from executors that have time."""
IDLE_FACTOR = 16
"""So many times `max_runs` an executor takes whose runs all wait for something outside."""
AGAIN_S = 60.0
"""How long a run is left alone that could not be taken up here."""


class UnreadableRunError(HardpointError):
    """A run cannot be read, for a reason that nobody thought of; other executors may try."""


class Adoption:
    """Keeps an engine supplied with the abandoned and queued runs of its store.

    Args:
        thread: Gets the runs.
        journal: Where they are.
        loader: Reads them.
        clock: For leases.
        waiting: Runs of this executor that it begins by itself.
        limits: Of a tenant.
        max_runs: With so many runs an engine takes no more, unless all of them wait for something outside.
        taken: Called with each run that was taken up, on a thread of this.
        refused: Called with an error that keeps a run from being taken up here.
    """

    def __init__(
        self,
        thread: EngineThread,
        journal: Journal,
        loader: RunLoader,
        clock: Clock,
        *,
        waiting: Container[str],
        limits: Callable[[str, str], TenantLimits],
        max_runs: int,
        taken: Callable[[Run], None],
        refused: Callable[[HardpointError], None],
    ) -> None:
        self._driver = thread
        self._engine = thread.engine
        self._journal = journal
        self._loader = loader
        self._clock = clock
        self._waiting = waiting
        self._limits = limits
        self._max_runs = max_runs
        self._taken = taken
        self._refused = refused
        self._left_alone: dict[str, float] = {}
        self._loading: dict[str, int] = {}
        self._handed: set[str] = set()
        self._kept_at = clock.now()
        self._more = False
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="hardpoint-adoption")
        self._rounds = Rounds(
            "hardpoint-adoption",
            self._round,
            LOOK_EVERY_S,
            lambda: self._engine.alive,
            "nothing is taken up",
        )

    def begin(self) -> None:
        """Look now, and then again and again."""
        self._rounds.begin()

    def end(self) -> None:
        """Take up nothing more; give back what was claimed and is not read yet."""
        self._rounds.end()
        self._readers.shutdown(cancel_futures=True)
        if self._loading:
            self._give_back(self._loading)

    def _round(self) -> None:
        try:
            self.look()
        except JournalUnreachableError:
            raise
        except HardpointError as error:
            self._refused(error)

    def look(self) -> None:
        """Claim what there is room for, and have it read."""
        now = self._clock.now()
        self._keep_claims(now)
        self._left_alone = {run: until for run, until in self._left_alone.items() if until > now}
        room = self._room()
        self._more = room <= 0
        if self._more:
            return
        for row, max_running in self._candidates(now, room):
            # Its own may have lapsed while the store was away: the engine has them still, and renews them.
            known = row.execution in self._left_alone or row.execution in self._engine.runs
            if not known and row.execution not in self._waiting and self._claim(row, now, max_running):
                room -= 1
                self._more = room <= 0
                if self._more:
                    return

    def _candidates(self, now: float, room: int) -> Iterator[tuple[ExecutionRow, int | None]]:
        """Runs to take up, with how many their tenants may have begun; those left alone may be among them."""
        queue, limit = self._journal.queue, room + len(self._left_alone)
        yield from ((row, None) for row in undriven(self._journal, now, limit))
        yield from ((row, None) for row in queue.asked_to_end(limit))

        def first(head: Head) -> Iterator[ExecutionRow]:
            rows = queue.first(head.project, head.domain, limit)
            return (row for row in rows if row.execution not in self._left_alone)

        for row in in_turn(queue.standing(), self._limits, first):
            yield row, self._limits(row.project, row.domain).max_running

    @property
    def _held(self) -> int:
        return len(self._engine.runs) + len(self._loading) + len(self._handed)

    def _room(self) -> int:
        held, loading = self._held, len(self._loading)
        if held < self._max_runs:
            return min(self._max_runs - held, LOADING_MAX - loading)
        idle = not loading and not self._handed and not self._engine.busy
        return min(self._max_runs * IDLE_FACTOR - held, LOADING_MAX) if idle else 0

    def _keep_claims(self, now: float) -> None:
        """What takes long to read must not lapse meanwhile: the engine renews only what it drives."""
        if self._loading and now >= self._kept_at + self._journal.lease_s / 3:
            self._journal.renew(dict(self._loading), now)
            self._kept_at = now

    def _claim(self, row: ExecutionRow, now: float, max_running: int | None) -> bool:
        try:
            self._loader.check(row)
            claimed = claim(self._journal, row, self._engine.owner, now, max_running)
        except JournalUnreachableError:
            raise
        except HardpointError as error:
            self._leave_alone(row, error)
            return False
        if claimed is None:
            # Another executor was quicker; what comes next is for who looks again at once.
            self._rounds.stir()
            return False
        self._loading[row.execution] = claimed.fence
        self._readers.submit(self._load, claimed)
        return True

    def _load(self, row: ExecutionRow) -> None:
        try:
            run = self._loader.load(row)
            # The engine renews all of its leases at once: none may be older than its last round.
            self._journal.renew({run.id: row.fence}, self._clock.now())
            self._handed.add(run.id)
            self._driver.give(run, lambda: self._handed.discard(run.id))
        except JournalUnreachableError:
            self._give_back({row.execution: row.fence})
        except Exception as error:
            self._give_back({row.execution: row.fence})
            if not isinstance(error, HardpointError):
                logger.exception("run %s cannot be read", row.execution)
                error = UnreadableRunError(f"Run `{row.execution}` cannot be read: {error!r}")
            self._leave_alone(row, error)
        else:
            run.future.add_done_callback(lambda future: self._made_room())
            self._taken(run)
        finally:
            self._loading.pop(row.execution, None)
            self._made_room()

    def _made_room(self) -> None:
        if self._more and self._held < self._max_runs:
            self._rounds.stir()

    def _give_back(self, claims: dict[str, int]) -> None:
        self._handed.difference_update(claims)
        try:
            self._journal.queue.give_back(claims)
        except JournalUnreachableError:
            logger.warning("the claims of %d runs lapse by themselves: the store is away", len(claims))

    def _leave_alone(self, row: ExecutionRow, error: HardpointError) -> None:
        self._left_alone[row.execution] = self._clock.now() + AGAIN_S
        self._refused(error)
