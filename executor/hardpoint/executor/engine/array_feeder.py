"""Array nodes: how long they are, and which of their items may be attempted next."""

from __future__ import annotations

from collections.abc import Callable

from hardpoint.core.compiled import Mapped
from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.desk import Desk
from hardpoint.executor.engine.items import common_length
from hardpoint.executor.engine.node_run import NodeRun, NodeState
from hardpoint.executor.engine.run import Run
from hardpoint.executor.journal.events import ArrayOpened, RunPhase
from hardpoint.plugin_api import HardpointError, Shape, TaskType

WINDOW = 256
"""Items that a lane may hold and not have started: an array of 100,000 must not become 100,000 objects."""


class ArrayFeeder:
    """Opens array nodes and hands out their items; owned by the engine's thread.

    Args:
        desk: Where events go.
        attempt: Gives an item what it needs to start.
        task_type: What is declared of a node's task type: the array-shaped run everything as items.
    """

    def __init__(
        self,
        desk: Desk,
        attempt: Callable[[Run, NodeRun], None],
        task_type: Callable[[Run, str], TaskType],
    ) -> None:
        self._desk = desk
        self._attempt = attempt
        self._task_type = task_type

    def takes(self, run: Run, node: NodeRun) -> bool:
        """Take a node that may be attempted, if it is for here: an array node, or an item out of turn."""
        if node.parent is not None:
            return self._holds_back(run, node)
        mapped = run.flat(node.id).map
        if mapped is None and self._task_type(run, node.id).shape is not Shape.ARRAY:
            return False
        self._open(run, node, mapped)
        return True

    def _open(self, run: Run, node: NodeRun, mapped: Mapped | None) -> None:
        if self._desk.inputs_of(run, node) is None:
            return
        try:
            size = common_length(mapped, run.array_inputs(node.id), node.id) if mapped is not None else 1
        except HardpointError as error:
            self._desk.fail(run, node, error.info())
            return
        names = tuple(variable.name for variable in run.spec(node.id).interface.outputs)
        required = mapped.required(size) if mapped is not None else 1
        now = self._desk.clock.now()
        self._desk.emit(run, ArrayOpened(now, node.id, size, required, names, mapped is None))

    def _holds_back(self, run: Run, unit: NodeRun) -> bool:
        """Keep an item whose retry is due, while as many as may be are on their way."""
        array = unit.parent.array if unit.parent is not None else None
        handed_out = unit.state is not NodeState.BACKOFF or (array and unit.index in array.retrying)
        if array is None or handed_out:
            return False  # it has a place already: only what it will hold has become known
        if not self._has_room(run, array):
            array.held.append(unit)
            return True
        array.retrying.add(unit.index)  # or two of them would take the same place
        return False

    def feed(self, run: Run, node: str) -> None:
        """Hand out items of an array node, as many as there is room for."""
        array = run.state.nodes[node].array
        if array is None or self._desk.draining or run.state.phase is not RunPhase.RUNNING:
            return
        window = max(WINDOW, self._window(run, node))
        while array.handed_out < window and self._has_room(run, array):
            unit = array.next_unit()
            if unit is None:
                return
            self._attempt(run, unit)

    def _window(self, run: Run, node: str) -> int:
        """How many items of one turn can go as one request."""
        task_type = self._task_type(run, node)
        return task_type.items_max if task_type.shape is Shape.ARRAY else 0

    def _has_room(self, run: Run, array: ArrayRun) -> bool:
        mapped = run.flat(array.node.id).map
        most = mapped.concurrency if mapped is not None else 0
        return not most or array.in_flight + array.handed_out < most
