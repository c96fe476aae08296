"""Items of array-shaped task types: gathered while they become possible, cut into chunks, one job each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hardpoint.executor.engine.cache_lookup import CacheLookup
from hardpoint.executor.engine.job_attempts import JobAttempts, may_pass
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.executor.engine.steps import Answer
from hardpoint.executor.journal.events import AttemptPrepared, ChunkStarted
from hardpoint.plugin_api import Prepared


class ChunkCut:
    """Owned by the engine's thread.

    Args:
        attempts: What the parts of the lane share.
        cache: Was asked for the items before they came here.
    """

    def __init__(self, attempts: JobAttempts, cache: CacheLookup) -> None:
        self._attempts = attempts
        self._desk = attempts.desk
        self._cache = cache
        self._waiting: dict[tuple[str, str], tuple[Run, list[NodeRun]]] = {}
        self._granted: dict[tuple[str, str], tuple[Run, list[NodeRun]]] = {}

    def add(self, run: Run, unit: NodeRun) -> None:
        """Take an item that may be attempted; it goes with others that can in the same turn."""
        node = unit.parent
        if node is not None:
            self._waiting.setdefault((run.id, node.id), (run, []))[1].append(unit)

    def cut(self) -> None:
        """Ask for what the gathered items will hold."""
        waiting, self._waiting = self._waiting, {}
        for run, units in waiting.values():
            node = units[0].parent
            ready = [unit for unit in units if run.may_start(unit)]
            if node is None or not ready or not self._desk.owns(run) or self._desk.draining:
                continue
            if node.prepared:
                for unit in ready:
                    self._attempts.governor.ask(run, unit, node.claims)
            else:
                self._prepare(run, node, ready)

    # What the items will hold

    def _prepare(self, run: Run, node: NodeRun, units: list[NodeRun]) -> None:
        task_type = self._attempts.task_type(run, node)
        if task_type.claims is not None:
            self._prepared(run, node, units, Prepared(claims=task_type.claims))
            return
        calls = self._attempts.calls(task_type.name)
        request = self._attempts.request(run, units[0])

        def then(answer: Answer[Prepared]) -> None:
            if answer.value is not None:
                self._prepared(run, node, units, answer.value)
            elif answer.error is not None and may_pass(answer.error):
                due = self._desk.clock.now() + self._attempts.again_s(run, node, answer.error)
                self._desk.timers.at(due, lambda: self._add_all(run, units))
            elif answer.error is not None:
                for unit in units:
                    if run.may_start(unit):
                        self._desk.fail(run, unit, answer.error)

        self._attempts.step(run, node, lambda: calls.prepare(request), then)

    def _prepared(self, run: Run, node: NodeRun, units: list[NodeRun], made: Prepared) -> None:
        if not node.prepared:
            event = AttemptPrepared(self._desk.clock.now(), node.id, 1, made.account, made.claims)
            self._desk.emit(run, event)
        self._add_all(run, units)

    def _add_all(self, run: Run, units: Iterable[NodeRun]) -> None:
        for unit in units:
            self.add(run, unit)

    # Chunks

    def begin(self, run: Run, unit: NodeRun) -> None:
        """Take an item that holds what it claims: it starts with others that were granted this turn."""
        node = unit.parent
        if node is not None:
            self._granted.setdefault((run.id, node.id), (run, []))[1].append(unit)

    def start(self) -> None:
        """Start chunks of what was granted."""
        granted, self._granted = self._granted, {}
        for run, units in granted.values():
            node = units[0].parent
            if node is not None:
                task_type = self._attempts.task_type(run, node)
                for part in _parts(units, task_type.items_min, task_type.items_max):
                    self._start(run, node, part)

    def _start(self, run: Run, node: NodeRun, units: list[NodeRun]) -> None:
        if node.array is None:
            return
        chunk = f"{node.id}#{node.array.chunks_made}"
        for unit in units:
            self._cache.take_key(run, unit)
        items = tuple(stretches([unit.index for unit in units]))
        started = ChunkStarted(self._desk.clock.now(), chunk, run.chunk_token(chunk), items)
        # An intent must survive even a power loss: the job it leads to would.
        self._desk.emit(run, started, durable=True)


def _parts(units: list[NodeRun], fewest: int, most: int) -> Iterator[list[NodeRun]]:
    """Chunks that the service takes; what is too few for one goes alone, each item as a job of its own."""
    for start in range(0, len(units), most):
        part = units[start : start + most]
        if len(part) >= fewest:
            yield part
        else:
            yield from ([unit] for unit in part)


def stretches(indices: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of successive indices, in order.

    >>> list(stretches([0, 1, 2, 7, 9, 10]))
    [(0, 2), (7, 7), (9, 10)]
    """
    first = last = None
    for index in indices:
        if first is None or last is None:
            first = last = index
        elif index == last + 1:
            last = index
        else:
            yield first, last
            first = last = index
    if first is not None and last is not None:
        yield first, last
