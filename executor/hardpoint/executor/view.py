"""What can be read of a run without driving it: from the journal, by any process, at any time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import assert_never

import msgspec

from hardpoint.core.compiled import CompiledWorkflow, from_json
from hardpoint.core.flatten import flatten
from hardpoint.executor.attempt_links import FindTemplates, Templates, no_templates, rendered
from hardpoint.executor.engine.items import array_id
from hardpoint.executor.engine.node_run import NodeState
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.state import RunState
from hardpoint.executor.home import HomeUnusableError, home_path
from hardpoint.executor.journal.events import (
    AbortRequested,
    Adopted,
    ArrayOpened,
    Artifact,
    AttemptCancelled,
    AttemptFailed,
    AttemptPrepared,
    AttemptStarted,
    AttemptSucceeded,
    CancelRequested,
    ChunkStarted,
    CreateUnsettled,
    Ended,
    Event,
    JobCreated,
    JobMoved,
    NodeCached,
    Resumed,
    RunPhase,
    Submitted,
)
from hardpoint.executor.journal.opening import existing_journal
from hardpoint.executor.journal.protocol import (
    ExecutionNotFoundError,
    ExecutionRow,
    Journal,
    JournalDamagedError,
    no_such_execution,
)
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import ErrorInfo, JobRef, UsageError

LATEST = "last"
ROWS_MAX = 100_000


class AmbiguousExecutionError(UsageError):
    """An abbreviated id that fits several runs."""


class Try(msgspec.Struct, frozen=True):
    """One attempt of a node, or one answer from the cache (then `attempt` is 0).

    Args:
        node, attempt: Which.
        state: `STARTED` while it is in flight, else how it ended.
        started_at, ended_at: Seconds since the epoch.
        error: Of a failed one.
        log: Where its output lies.
        artifacts: What it attached.
        job: Its external job, once that is known.
        usage: What that used, once it has ended.
    """

    node: str
    attempt: int
    state: NodeState
    started_at: float
    ended_at: float | None = None
    error: ErrorInfo | None = None
    log: LogSpan | None = None
    artifacts: tuple[Artifact, ...] = ()
    job: JobRef | None = None
    usage: dict[str, float] | None = None


class RunView:
    """A run as its journal tells it.

    Args:
        row: Its summary.
        compiled: Its workflow.
        events: Everything journaled so far.
        run: The same after those events, if somebody has applied them already.
        past: More events are journaled than those.
        links: Finds the links that plugins declare for task types.
    """

    def __init__(
        self,
        row: ExecutionRow,
        compiled: CompiledWorkflow,
        events: Sequence[Event],
        run: Run | None = None,
        *,
        past: bool = False,
        links: FindTemplates = no_templates,
    ) -> None:
        self._links = links
        self.row = row
        self.compiled = compiled
        self.events = events
        self.past = past
        self.run = run or Run(row, compiled, flatten(compiled), list(events))

    @property
    def state(self) -> RunState:
        """Its nodes."""
        return self.run.state

    @cached_property
    def tries(self) -> list[Try]:
        """All its attempts, in the order in which they began."""
        return tries_of(self.events)

    @cached_property
    def _templates(self) -> Templates:
        return self._links(frozenset(spec.type for spec in self.compiled.tasks.values()))

    @cached_property
    def _latest(self) -> dict[str, Try]:
        return {each.node: each for each in self.tries}

    def links_of(self, each: Try) -> dict[str, str]:
        """Links beside an attempt, as plugins declare them: addresses by title."""
        node = array_id(each.node) if each.node.endswith("]") else each.node
        templates = self._templates.get(self.compiled.tasks[self.state.graph.nodes[node].spec_key].type)
        if not templates or not each.attempt:
            return {}
        execution = self.row.execution
        return rendered(templates, execution=execution, node=each.node, attempt=each.attempt, job=each.job)

    def latest_links(self, unit: str) -> dict[str, str]:
        """The same for the latest attempt of a node or item."""
        latest = self._latest.get(unit) if self._templates else None
        return {} if latest is None else self.links_of(latest)


@contextmanager
def existing_store(home: str) -> Iterator[tuple[Path, Journal]]:
    """A store's folder and its journal; an empty one where there is no store: looking makes none.

    Raises:
        HomeUnusableError: It is no folder.
    """
    folder = home_path(home, os.environ)
    if folder.exists() and not folder.is_dir():
        raise HomeUnusableError(
            f"The store `{folder}` is not a folder", hint="Set HARDPOINT_HOME to a folder"
        )
    journal = existing_journal(folder)
    try:
        yield folder, journal
    finally:
        journal.close()


def load_view(journal: Journal, row: ExecutionRow, links: FindTemplates = no_templates) -> RunView:
    """Read a run.

    Args:
        journal: Where it is kept.
        row: Its summary.
        links: See `RunView`.

    Raises:
        JournalDamagedError: A part of it cannot be read.
    """
    return RunView(row, *read_run(journal, row), links=links)


def read_run(journal: Journal, row: ExecutionRow) -> tuple[CompiledWorkflow, list[Event]]:
    """A run's workflow and everything that is journaled about it.

    Raises:
        JournalDamagedError: A part of it cannot be read.
    """
    return from_json(journal.workflow(row.digest)), journal.read(row.execution)


def find_row(journal: Journal, text: str) -> ExecutionRow:
    """The run that an id, an unambiguous end or beginning of one, or `last` names.

    Raises:
        ExecutionNotFoundError: None fits.
        AmbiguousExecutionError: Several do.
    """
    if text == LATEST and (newest := journal.rows(limit=1)):
        return newest[0]
    try:
        return journal.row(text)
    except ExecutionNotFoundError:
        rows = journal.rows(limit=ROWS_MAX)
    match [row for row in rows if text and (row.execution.startswith(text) or row.execution.endswith(text))]:
        case [only]:
            return only
        case []:
            raise no_such_execution(text, [row.execution for row in rows[:3]])
        case several:
            shown = ", ".join(f"`{row.execution}`" for row in several[:5])
            more = f" and {len(several) - 5} more" if len(several) > 5 else ""
            raise AmbiguousExecutionError(
                f"`{text}` fits {len(several)} runs: {shown}{more}", hint="Give more of the id"
            )


def tries_of(events: Iterable[Event]) -> list[Try]:
    """All attempts and cache hits of a run, in the order in which they began."""
    found: list[Try] = []
    open_at: dict[str, int] = {}
    made: dict[str, int] = {}
    chunks: dict[str, tuple[str, ...]] = {}

    def begin(node: str, attempt: int, at: float) -> None:
        made[node] = attempt
        open_at[node] = len(found)
        found.append(Try(node, attempt, NodeState.STARTED, at))

    def end(node: str, state: NodeState, at: float, **more: object) -> None:
        index = open_at.pop(node, None)
        if index is not None:
            found[index] = msgspec.structs.replace(found[index], state=state, ended_at=at, **more)

    for event in events:
        match event:
            case AttemptStarted():
                begin(event.node, event.attempt, event.at)
            case ChunkStarted():
                chunks[event.node] = tuple(items_of(event))
                for item in chunks[event.node]:
                    begin(item, made.get(item, 0) + 1, event.at)
            case JobCreated():
                for unit in chunks.get(event.node, (event.node,)):
                    if unit in open_at:
                        index = open_at[unit]
                        found[index] = msgspec.structs.replace(found[index], job=event.job)
            case AttemptSucceeded():
                left = {"log": event.log, "artifacts": event.artifacts, "usage": event.usage}
                end(event.node, NodeState.SUCCEEDED, event.at, **left)
            case AttemptFailed():
                more = {"log": event.log, "artifacts": event.artifacts, "usage": event.usage}
                end(event.node, NodeState.FAILED, event.at, error=event.error, **more)
            case AttemptCancelled():
                end(event.node, NodeState.CANCELLED, event.at, log=event.log, usage=event.usage)
            case NodeCached():
                found.append(Try(event.node, 0, NodeState.SUCCEEDED, event.at, event.at))
            case AttemptPrepared() | JobMoved() | CreateUnsettled() | CancelRequested():
                pass
            case ArrayOpened() | Submitted() | Adopted() | AbortRequested() | Resumed() | Ended():
                pass
            case _:
                assert_never(event)
    return found


def items_of(chunk: ChunkStarted) -> Iterator[str]:
    """Ids of the items that run as one job.

    >>> list(items_of(ChunkStarted(0.0, "squares#1", "t", ((2, 3), (7, 7)))))
    ['squares[2]', 'squares[3]', 'squares[7]']
    """
    array = array_id(chunk.node)
    for first, last in chunk.items:
        yield from (f"{array}[{index}]" for index in range(first, last + 1))


def recorded_durations_s(journal: Journal, workflow: str, *, runs_max: int = 5) -> dict[str, float]:
    """How long each node took the last time it ran, by node id, from the newest runs of a workflow."""
    durations: dict[str, float] = {}
    same = [row for row in journal.rows(limit=200) if row.workflow == workflow]
    for row in reversed(same[:runs_max]):
        try:
            durations.update(_durations_s(journal.read(row.execution)))
        except JournalDamagedError:
            continue
    return durations


def _durations_s(events: Sequence[Event]) -> dict[str, float]:
    """Of nodes that ran; of an array node, from when its items were known to the end of the last."""
    opened = {event.node: event.at for event in events if isinstance(event, ArrayOpened)}
    durations: dict[str, float] = {}
    for each in tries_of(events):
        if each.attempt and each.state is NodeState.SUCCEEDED and each.ended_at is not None:
            array = array_id(each.node) if each.node.endswith("]") else ""
            since = opened.get(array, each.started_at)
            # Attempts come in the order in which they began, and the last to begin need not end last.
            durations[array or each.node] = max(each.ended_at - since, durations.get(array, 0.0))
    return durations


def row_then(view: RunView) -> ExecutionRow:
    """A run's summary as it was after the events of a view, when nobody could know the rest."""
    state = view.state
    started = next((event.at for event in view.events if isinstance(event, Adopted)), None)
    return msgspec.structs.replace(
        view.row,
        phase=state.phase if started is not None else RunPhase.QUEUED,
        started_at=started,
        ended_at=state.ended_at,
        owner="",
        outputs=state.outputs,
        error=state.error,
        error_node=state.error_node,
    )
