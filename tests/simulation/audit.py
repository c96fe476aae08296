"""The checks of a world while it runs: after every commit, and at every call that reaches the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.simulation.book import Book
from tests.simulation.plan_strategy import POOLS
from tests.simulation.sim_service import Job, SimService
from tests.simulation.state_dump import difference
from tests.simulation.usage_check import check_usage
from tests.simulation.violation import require

from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    CancelCause,
    CancelRequested,
    ChunkStarted,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    RunPhase,
    encode_events,
)
from hardpoint.executor.journal.protocol import Append
from hardpoint.executor.pool.messages import FunctionCall
from hardpoint.plugin_api import ErrorKind, Phase

EARLY_S = 0.001
"""Slack for sums of floating-point times."""
LATE_S = 1.0
"""How long after its limit a job may be cancelled, by an engine that nothing holds up."""


class Audit:
    """Raises `Violation` when a promise is broken.

    Args:
        service: Its books are compared with the journal.
        owner_of: Which process holds the lease of a run.
        one_engine: Whether there is never more than one engine at a time: then a search for a job is never
            confused by another engine.
        shares: Whether engines learn from the journal what others hold: then capacity holds for all together.
        punctual: Whether nothing holds engines up or sets their clocks: then limits of time hold exactly.
    """

    def __init__(
        self,
        service: Callable[[], SimService],
        owner_of: Callable[[str], str],
        *,
        one_engine: bool,
        shares: bool,
        punctual: bool,
    ) -> None:
        self.owner_of = owner_of
        self.books: dict[str, Book] = {}
        self.commits = 0
        self._service = service
        self._one_engine = one_engine
        self._shares = shares
        self._punctual = punctual
        self._tokens: dict[tuple[str, str, int], str] = {}

    # What is committed

    def committed(self, appends: Sequence[Append], owners: Mapping[str, RunState]) -> None:
        """Check what was committed just now.

        Args:
            appends: As the journal got them.
            owners: The state that the engine holds of each run it owns.
        """
        self.commits += 1
        granted: set[str] = set()
        for append in appends:
            book = self.books[append.execution]
            if (append.first_seq, append.events) == book.last_group:
                continue  # the same commit once more, because its answer was lost
            require(
                append.first_seq == book.last_seq + 1,
                f"{append.execution}: event {append.first_seq} follows event {book.last_seq}",
            )
            book.last_group = (append.first_seq, append.events)
            book.digest.update(encode_events(append.events))
            for event in append.events:
                self._check(book, event)
                book.add((event,))
                if isinstance(event, AttemptStarted | ChunkStarted):
                    granted |= book.pools(event.node)
            if self._punctual and append.events:
                self._in_time(book, append.events[-1].at)
            owner = owners.get(append.execution)
            wrong = difference(owner, book.state) if owner is not None else ""
            require(not wrong, f"{append.execution}: the owner's state is not the journal's: {wrong}")
        if granted:
            self._within_capacity(self.books[appends[0].execution].owner, granted)

    def _within_capacity(self, owner: str, granted: set[str]) -> None:
        """An engine that has just granted some of a pool has not granted more of it than there is."""
        held: Counter[str] = Counter()
        for book in self.books.values():
            if book.owner == owner and not book.state.phase.terminal:
                held += book.held()
        over = sorted(pool for pool in granted if held[pool] > POOLS[pool])
        require(not over, f"{owner}: by the journal its runs hold more than there is of {', '.join(over)}")

    def _check(self, book: Book, event: Event) -> None:
        if isinstance(event, AttemptSucceeded | AttemptFailed | AttemptCancelled):
            check_usage(self._service(), book.state, event)
        match event:
            case AttemptStarted():
                self._started(book, book.state.unit(event.node), event)
            case AttemptSucceeded() | AttemptCancelled() | JobCreated() | JobMoved():
                node = book.state.unit(event.node)
                require(
                    node.state.in_flight and node.attempt == event.attempt,
                    f"{event.node}: {type(event).__name__} of attempt {event.attempt}, "
                    f"but attempt {node.attempt} is {node.state.name}",
                )
            case AttemptFailed():
                self._failed(book, book.state.unit(event.node), event)
            case NodeCached():
                node = book.state.unit(event.node)
                waits = node.state in (NodeState.READY, NodeState.BACKOFF)
                require(waits, f"{event.node}: cached while it is {node.state.name}")
            case CancelRequested(cause=CancelCause.TIMEOUT):
                self._timed_out(book, book.state.unit(event.node), event)
            case Ended():
                self._ended(book, event)
            case _:
                pass

    def _started(self, book: Book, node: NodeRun, event: AttemptStarted) -> None:
        require(
            node.state in (NodeState.READY, NodeState.BACKOFF),
            f"{node.id}: attempt {event.attempt} starts while it is {node.state.name}",
        )
        require(
            event.attempt == node.attempt + 1, f"{node.id}: attempt {event.attempt} follows {node.attempt}"
        )
        if node.id not in book.graph.nodes:
            self._item_started(book, node.id.partition("[")[0])
        else:
            for up in book.graph.nodes[node.id].upstream:
                state = book.state.nodes[up].state
                require(state is NodeState.SUCCEEDED, f"{node.id} starts while {up} is {state.name}")

    def _item_started(self, book: Book, array_id: str) -> None:
        mapped, array = book.graph.nodes[array_id].map, book.state.nodes[array_id].array
        require(mapped is not None and array is not None, f"{array_id} is no array, and has items")
        assert mapped is not None and array is not None
        require(
            not mapped.concurrency or array.in_flight < mapped.concurrency,
            f"{array_id}: more than {mapped.concurrency} items in flight",
        )

    def _failed(self, book: Book, node: NodeRun, event: AttemptFailed) -> None:
        kind = event.error.kind
        require(not node.state.terminal, f"{node.id}: fails while it is {node.state.name}")
        require(
            (kind is ErrorKind.USER) == (event.budget is Budget.USER),
            f"{node.id}: an error of kind {kind.value} uses the budget of {event.budget.value}",
        )
        throttled = kind is ErrorKind.THROTTLED
        require(
            not throttled or event.budget is Budget.NOBODY,
            f"{node.id}: being throttled uses the budget of {event.budget.value}",
        )
        most = book.spec(node.id).retry.attempts
        made = node.user_failures + (event.budget is Budget.USER)
        require(made <= most, f"{node.id}: {made} user errors with a budget of {most} attempts")
        spent = event.budget is Budget.USER and made == most
        require(
            not spent or event.retry_at is None, f"{node.id}: another attempt after {made} of {most} failed"
        )

    def _timed_out(self, book: Book, node: NodeRun, event: CancelRequested) -> None:
        timeout_s = book.spec(node.id).timeout_s
        ran_s = event.at - (node.started_at or 0.0)
        require(
            timeout_s is not None and ran_s >= timeout_s - EARLY_S,
            f"{node.id}: timed out after {ran_s:.3f} s with a limit of {timeout_s}",
        )

    def _in_time(self, book: Book, now: float) -> None:
        """No job runs on, uncancelled, when its time is over."""
        for id in book.state.in_flight:
            node, spec = book.state.find(id), book.spec(id)
            if (
                node is None
                or node.token[:3] != "hp-"
                or node.cancel is not None
                or node.phase is Phase.SUCCEEDED
            ):
                continue
            since = max(node.started_at or 0.0, book.adopted_at)
            if spec.timeout_s is not None and node.started_at is not None:
                late_s = now - max(node.started_at + spec.timeout_s, since)
                require(late_s < LATE_S, f"{id}: {late_s:.1f} s after its timeout nobody has cancelled it")
            if spec.deadline_s is not None and node.possible_at is not None:
                late_s = now - max(node.possible_at + spec.deadline_s, since)
                require(late_s < LATE_S, f"{id}: {late_s:.1f} s after its deadline nobody has cancelled it")

    def _ended(self, book: Book, event: Ended) -> None:
        open_nodes = [node.id for node in book.state.nodes.values() if not node.state.terminal]
        require(not open_nodes, f"{book.execution} ends while {open_nodes} may still move")
        if event.phase is RunPhase.SUCCEEDED:
            require(
                event.outputs == book.expected,
                f"{book.execution} returns {event.outputs}, a run without faults {book.expected}",
            )
        service = self._service()
        left = [
            f"{job.id} of {job.node}/{job.attempt}"
            for job in service.jobs.values()
            if job.execution == book.execution
            and not job.is_over(service.now_s)
            and job.cancel_asked_s is None
        ]
        require(not left, f"{book.execution} has ended, and left running: {', '.join(left)}")

    # What reaches workers and service

    def _unit(self, execution: str, node: str) -> NodeRun | None:
        return self.books[execution].state.find(node)

    def submitted(self, call: FunctionCall) -> None:
        """A call is handed to workers."""
        # An engine that was held up between commit and act may hand over what is somebody else's by now.
        unit = self._unit(call.execution, call.node)
        require(
            unit is None or unit.attempt >= call.attempt,
            f"{call.node}: attempt {call.attempt} goes to a worker before the journal says so",
        )

    def wrote(self, process: str, alive: bool, verb: str, job: tuple[str, str, int]) -> None:
        """A call that changes something arrives at the service.

        Args:
            process: Whose it is.
            alive: Whether that process still is.
            verb: What it asks for.
            job: Run, node and attempt it is about.
        """
        execution, node, attempt = job
        owner = self.owner_of(execution)
        unit = self._unit(execution, node)
        current = unit is not None and unit.attempt == attempt and unit.state.in_flight
        if alive and owner and current:
            require(
                owner == process, f"{process}: {verb} for {node}/{attempt} of {execution}, which {owner} owns"
            )

    def starting(self, call: FunctionCall) -> None:
        """A worker begins with a call."""
        if self._one_engine:
            unit = self._unit(call.execution, call.node)
            state = unit.state if unit is not None else NodeState.SUCCEEDED
            require(
                state is not NodeState.SUCCEEDED,
                f"{call.node}: runs again, although its success is journaled",
            )

    def made(self, job: Job) -> None:
        """The service started a job."""
        service = self._service()
        unit = self._unit(job.execution, job.node)
        place = (job.execution, job.node, job.attempt)
        require(
            unit is not None and unit.state.in_flight and unit.token == job.token,
            f"{job.id}: made for attempt {job.attempt} of {job.node}, "
            + (
                "which has ended"
                if unit is None
                else f"which is {unit.state.name} under token {unit.token!r}"
            ),
        )
        known = self._tokens.setdefault(place, job.token)
        require(known == job.token, f"{job.node}/{job.attempt}: tokens {known} and {job.token}")
        jobs = service.of_token(job.token)
        if job.type != "sim_search" or self._one_engine:
            require(len(jobs) == 1, f"{job.node}/{job.attempt}: {len(jobs)} jobs for one token")
        # Without that, who has one run does not see what attempts of another hold that nobody drives yet.
        alone = self._one_engine and (self._shares or len(self.books) == 1)
        if job.pool and (alone or (self._shares and job.type != "sim_search")):
            held = service.units_held(job.pool)
            capacity = POOLS[job.pool]
            require(held <= capacity, f"{job.pool}: jobs hold {held} units of {capacity}")
