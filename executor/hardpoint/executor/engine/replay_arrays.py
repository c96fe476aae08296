"""Array nodes and chunks of their items, decided again for replays."""

from __future__ import annotations

from collections.abc import Iterator

from hardpoint.executor.engine.array_run import BACKOFF, WAITING
from hardpoint.executor.engine.items import array_id, common_length
from hardpoint.executor.engine.node_run import NodeRun
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import ArrayOpened, ChunkStarted
from hardpoint.plugin_api import Wire

Found = Iterator[tuple[str, Wire, Wire]]


def check_opened(run: Run, event: ArrayOpened) -> Found:
    """Where the number of items, how many must succeed, or what they return differs."""
    mapped = run.flat(event.node).map
    size = 1 if mapped is None else common_length(mapped, run.array_inputs(event.node), event.node)
    required = 1 if mapped is None else mapped.required(size)
    outputs = [variable.name for variable in run.spec(event.node).interface.outputs]
    decided = {"size": size, "required": required, "outputs": outputs, "single": mapped is None}
    told = {name: getattr(event, name) for name in decided} | {"outputs": list(event.outputs)}
    yield from ((name, told[name], decided[name]) for name in decided if told[name] != decided[name])


def check_concurrency(run: Run, unit: NodeRun) -> Found:
    """Where more items are in flight than may be."""
    array = unit.parent.array if unit.parent is not None else None
    mapped = run.flat(unit.id).map
    if array is not None and mapped is not None and 0 < mapped.concurrency <= array.in_flight:
        yield "in flight", array.in_flight + 1, mapped.concurrency


def check_chunk(run: Run, event: ChunkStarted) -> Found:
    """Where a chunk's name differs, or an item in it could not be attempted."""
    array = run.state.nodes[array_id(event.node)].array
    if array is None:
        yield "array opened before", True, False
        return
    name = f"{array.node.id}#{array.chunks_made}"
    if event.node != name:
        yield "name", event.node, name
    token = run.chunk_token(event.node)
    if event.token != token:
        yield "token", event.token, token
    items = [index for first, last in event.items for index in range(first, last + 1)]
    letters = array.letters
    stuck = [
        each for each in items if not 0 <= each < len(letters) or letters[each] not in (WAITING, BACKOFF)
    ]
    if stuck or len(set(items)) != len(items):
        yield "items that wait", items, [each for each in items if each not in stuck]
