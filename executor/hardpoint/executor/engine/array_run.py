"""The items of an array node, compact: a letter each, and more only for those that are moving or failed.

Q  not attempted yet     R  in flight      B  its next attempt waits     X  will not run
S  has outputs           F  has an error   C  ended by an abort
"""

from __future__ import annotations

from collections import deque

import msgspec

from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.journal.events import ArrayOpened, Artifact, ChunkStarted
from hardpoint.executor.pool.messages import LogSpan
from hardpoint.plugin_api import ContractViolation, ErrorInfo, Wire

WAITING, IN_FLIGHT, BACKOFF, SUCCEEDED, FAILED, CANCELLED, SKIPPED = b"QRBSFCX"


class ArrayRun:
    """Owned by `RunState`: only its `apply` changes it, but for `cursor`, `held` and `retrying`, which
    only say what the engine has handed out already.

    Args:
        node: The array node.
        opened: How many items there are, and how many must succeed.
    """

    __slots__ = (
        "artifacts",
        "backoff",
        "chunks",
        "chunks_made",
        "cursor",
        "errors",
        "failed",
        "held",
        "in_flight",
        "left",
        "letters",
        "live",
        "logs",
        "node",
        "opened",
        "outputs",
        "retrying",
        "succeeded",
        "tried",
    )

    def __init__(self, node: NodeRun, opened: ArrayOpened) -> None:
        self.node = node
        self.opened = opened
        size = opened.size
        self.letters = bytearray([WAITING]) * size
        self.outputs: dict[str, list[Wire]] = {name: [None] * size for name in opened.outputs}
        self.live: dict[int, NodeRun] = {}
        self.errors: dict[int, ErrorInfo] = {}
        self.tried: dict[int, int] = {}
        self.logs: dict[int, LogSpan] = {}
        self.artifacts: dict[int, tuple[Artifact, ...]] = {}
        self.chunks: dict[str, NodeRun] = {}
        self.chunks_made = 0
        self.succeeded = self.failed = 0
        self.in_flight = self.backoff = 0
        self.left = size
        self.cursor = 0
        self.held: deque[NodeRun] = deque()
        self.retrying: set[int] = set()

    @property
    def size(self) -> int:
        """How many items there are."""
        return self.opened.size

    @property
    def required(self) -> int:
        """How many of them must succeed."""
        return self.opened.required

    @property
    def handed_out(self) -> int:
        """Items that a lane has and has not started."""
        return len(self.live) - self.in_flight - self.backoff + len(self.retrying)

    @property
    def hopeless(self) -> bool:
        """Whether too many items have failed."""
        return self.succeeded + self.left < self.required

    def counts(self) -> dict[str, int]:
        """How many items have each letter; letters that no item has are left out."""
        letters = self.letters
        found = {chr(each): letters.count(each) for each in b"QRBSFCX"}
        return {letter: count for letter, count in found.items() if count}

    def attempts(self, index: int) -> int:
        """How often an item was attempted."""
        unit = self.live.get(index)
        if unit is not None:
            return unit.attempt
        letter = self.letters[index]
        return self.tried.get(index, 0 if letter in (WAITING, SKIPPED) else 1)

    def unit(self, index: int) -> NodeRun:
        """An item as a node of its own, from now until it ends."""
        unit = self.live.get(index)
        if unit is None:
            if not 0 <= index < self.size or self.letters[index] != WAITING:
                raise ContractViolation(f"Array node `{self.node.id}` has no item {index} to attempt")
            unit = self.live[index] = NodeRun(f"{self.node.id}[{index}]", 0, self.node, index)
            unit.attempt = self.tried.get(index, 0)
        return unit

    def items_in(self, chunk: NodeRun) -> list[NodeRun]:
        """Items of a chunk that have not ended, in its order."""
        found = [self.live.get(index) for index in chunk.chunk]
        return [unit for unit in found if unit is not None and unit.token == chunk.id]

    def next_unit(self) -> NodeRun | None:
        """The next item that nobody was handed yet; first those whose retry was held back."""
        if self.held:
            unit = self.held.popleft()
            self.retrying.add(unit.index)
            return unit
        letters, live = self.letters, self.live
        while self.cursor < len(letters):
            index = self.cursor
            self.cursor += 1
            if letters[index] == WAITING and index not in live:
                return self.unit(index)
        return None

    @property
    def exhausted(self) -> bool:
        """Whether every item was handed out."""
        return self.cursor >= self.size and not self.held

    # What `RunState.apply` calls

    def started(self, unit: NodeRun) -> None:
        """An attempt of an item is in flight."""
        if self.letters[unit.index] == BACKOFF:
            self.backoff -= 1
        self.letters[unit.index] = IN_FLIGHT
        self.in_flight += 1
        self.retrying.discard(unit.index)

    def backs_off(self, unit: NodeRun) -> None:
        """An attempt failed, and another will follow."""
        self._landed(unit)
        self.letters[unit.index] = BACKOFF
        self.backoff += 1

    def ended(self, unit: NodeRun, state: NodeState) -> None:
        """An item will not move again: only what is to be told of it stays."""
        index = unit.index
        self._landed(unit)
        self.left -= 1
        self.retrying.discard(index)
        match state:
            case NodeState.SUCCEEDED:
                self.letters[index] = SUCCEEDED
                self.succeeded += 1
                for name, wire in (unit.outputs or {}).items():
                    self.outputs[name][index] = wire
            case NodeState.FAILED:
                self.letters[index] = FAILED
                self.failed += 1
            case _:
                self.letters[index] = CANCELLED
        if unit.error is not None:
            self.errors[index] = unit.error
        if unit.log is not None:
            self.logs[index] = unit.log
        if unit.artifacts:
            self.artifacts[index] = unit.artifacts
        # One attempt goes without saying, unless an earlier life of the run left another number.
        if unit.attempt != 1 or index in self.tried:
            self.tried[index] = unit.attempt
        del self.live[index]

    def _landed(self, unit: NodeRun) -> None:
        match self.letters[unit.index]:
            case letter if letter == IN_FLIGHT:
                self.in_flight -= 1
            case letter if letter == BACKOFF:
                self.backoff -= 1
            case _:
                pass

    def start_chunk(self, event: ChunkStarted) -> NodeRun:
        """Several items are in flight as one job."""
        chunk = self.chunks[event.node] = NodeRun(event.node, 0, self.node)
        self.chunks_made += 1
        chunk.chunk = tuple(index for first, last in event.items for index in range(first, last + 1))
        chunk.pending = len(chunk.chunk)
        chunk.state = NodeState.STARTED
        chunk.attempt, chunk.token, chunk.started_at = 1, event.token, event.at
        for index in chunk.chunk:
            unit = self.unit(index)
            unit.state, unit.started_at, unit.token = NodeState.STARTED, event.at, event.node
            unit.attempt += 1
            self.started(unit)
        return chunk

    def leave_chunk(self, unit: NodeRun) -> str:
        """An item is no longer part of its chunk; return the chunk's id if that is over now."""
        chunk = self.chunks.get(unit.token)
        if chunk is None:
            return ""
        unit.token = ""
        chunk.pending -= 1
        if chunk.pending:
            return ""
        del self.chunks[chunk.id]
        chunk.state = NodeState.SUCCEEDED
        return chunk.id

    def verdict(self, unit: NodeRun) -> ErrorInfo:
        """Why the node fails, once an item's failure was one too many."""
        error = unit.error or ErrorInfo("ItemCancelled", f"Item `{unit.id}` was cancelled")
        if self.required == self.size:
            return error
        tally = f"{self.failed} of {self.size} items failed, and {self.required} must succeed"
        return msgspec.structs.replace(error, message=f"{tally}; the last: {error.message}")

    def skip_rest(self) -> None:
        """What is not in flight will not run."""
        letters = self.letters
        for index, unit in list(self.live.items()):
            if not unit.state.in_flight:
                letters[index] = SKIPPED
                if unit.attempt:
                    self.tried[index] = unit.attempt
                del self.live[index]
        self.letters = letters.replace(b"Q", b"X")
        self.backoff = 0
        self.left = self.in_flight
        self.held.clear()
        self.retrying.clear()
        self.cursor = self.size

    def try_again(self) -> None:
        """The run is resumed: items without outputs are attempted again, with fresh budgets."""
        for index, letter in enumerate(self.letters):
            if letter != SUCCEEDED:
                if (tried := self.attempts(index)) > 0:
                    self.tried[index] = tried
                self.letters[index] = WAITING
        self.live.clear()
        self.chunks.clear()
        self.errors.clear()
        self.failed = self.in_flight = self.backoff = self.cursor = 0
        self.left = self.size - self.succeeded

    def result(self) -> dict[str, Wire]:
        """The node's outputs."""
        if self.opened.single:
            return {name: values[0] for name, values in self.outputs.items()}
        return dict(self.outputs)
