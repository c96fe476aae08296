"""What one simulated workflow does: its nodes, how each behaves, and what must come out of it."""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

Value: TypeAlias = int | None | list[int | None]
"""What a node returns; a list if it is an array."""

MODULUS = 2**31 - 1
GENEROUS_S = 1e6
"""A limit that no simulated run comes near."""


class End(enum.Enum):
    """How one call of a function, or one external job, ends."""

    DONE = "done"
    USER = "user"
    """The author's error: uses the author's retries."""
    LOST = "lost"
    """Taken away by the platform: a worker killed for memory, a job preempted."""
    THROTTLED = "throttled"
    """Pushed out because the service is busy: nobody's budget pays."""
    SLOW = "slow"
    """Runs far longer than any timeout in the plan; without one it is an ordinary long run."""


class PlannedTask(msgspec.Struct, frozen=True):
    """A task as the author wrote it.

    Args:
        type: Task type.
        salt: Takes part in its output, and in its name.
        script: How its first calls end, counted for each node; after those, all are DONE.
        broken: Every call ends with the author's error, until somebody corrects the function.
        attempts: The author's retry budget.
        duration_s: Of an ordinary call.
        timeout_s, queue_timeout_s, deadline_s: As in `TaskSpec`.
        cached: Whether outputs are reused.
        pool, units: What it claims, a function always one unit; an empty pool claims nothing.
    """

    type: str
    salt: int
    script: tuple[End, ...] = ()
    broken: bool = False
    attempts: int = 1
    duration_s: float = 1.0
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    deadline_s: float | None = None
    cached: bool = False
    pool: str = ""
    units: int = 1

    @property
    def name(self) -> str:
        """Its key in the compiled workflow."""
        return f"flows/sim.py:t{self.salt}"

    @property
    def has_tight_timeout(self) -> bool:
        """Whether an attempt, or all of them together, may run out of time."""
        limits_s = (self.timeout_s, self.deadline_s)
        return any(limit_s is not None and limit_s < GENEROUS_S for limit_s in limits_s)

    @property
    def has_tight_queue_timeout(self) -> bool:
        """Whether a node may run out of time before it starts."""
        return self.queue_timeout_s is not None and self.queue_timeout_s < GENEROUS_S


class PlannedArray(msgspec.Struct, frozen=True):
    """A task mapped over a list.

    Args:
        size: Of the list.
        over: An earlier array of that size, whose outputs are the list; empty: the list is a constant.
        concurrency: Most items in flight; 0: any number.
        min_successes: How many must succeed; None: all.
        broken: Items whose every call ends with the author's error.
    """

    size: int
    over: str = ""
    concurrency: int = 0
    min_successes: int | None = None
    broken: frozenset[int] = frozenset()

    def fails(self, all_broken: bool) -> bool:
        """Whether too few of its items can succeed."""
        required = self.size if self.min_successes is None else min(self.size, self.min_successes)
        return self.size - (self.size if all_broken else len(self.broken)) < required


class PlannedNode(msgspec.Struct, frozen=True):
    """A use of a task: which earlier nodes it reads, and for which it only waits."""

    id: str
    task: str
    reads: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    array: PlannedArray | None = None


class Plan(msgspec.Struct, frozen=True, dict=True):
    """One workflow, its nodes in an order in which they could run."""

    tasks: dict[str, PlannedTask]
    nodes: tuple[PlannedNode, ...]

    @functools.cached_property
    def by_id(self) -> dict[str, PlannedNode]:
        """Nodes by id."""
        return {node.id: node for node in self.nodes}

    def task_of(self, unit: str) -> PlannedTask:
        """The task of a node, or of an item such as `n3[7]`."""
        return self.tasks[self.by_id[unit.partition("[")[0]].task]

    def is_broken_unit(self, unit: str, *, repaired: bool) -> bool:
        """Whether every call of a node or item ends with the author's error.

        A repair corrects what makes the run fail; failures of items that an array tolerates, nobody minds.
        """
        id, _, index = unit.partition("[")
        node = self.by_id[id]
        if repaired and self.fails(node):
            return False
        item_is = node.array is not None and bool(index) and int(index[:-1]) in node.array.broken
        return item_is or self.tasks[node.task].broken

    def fails(self, node: PlannedNode) -> bool:
        """Whether a node can never succeed, unless it is repaired."""
        broken = self.tasks[node.task].broken
        return broken if node.array is None else node.array.fails(broken)

    @property
    def is_broken(self) -> bool:
        """Whether some node can never succeed as things are."""
        return any(self.fails(node) for node in self.nodes)

    @property
    def is_tight(self) -> bool:
        """Whether a limit of time may end a node, depending on how long faults hold it up."""
        return any(self.task_of(node.id).has_tight_timeout for node in self.nodes) or self.may_wait_too_long

    @property
    def may_be_lost_too_long(self) -> bool:
        """Whether an attempt may run out of time before it is noticed that the platform lost it."""
        tasks = [self.task_of(node.id) for node in self.nodes]
        return any(task.has_tight_timeout and End.LOST in task.script for task in tasks)

    @property
    def may_take_too_long(self) -> bool:
        """Whether a node may be failed because its attempts and waits took too long together."""
        limits_s = [self.task_of(node.id).deadline_s for node in self.nodes]
        return any(limit_s is not None and limit_s < GENEROUS_S for limit_s in limits_s)

    @property
    def may_wait_too_long(self) -> bool:
        """Whether a node may be failed because it waited for a free worker or a free slot."""
        return any(self.task_of(node.id).has_tight_queue_timeout for node in self.nodes)

    def sinks(self) -> tuple[str, ...]:
        """Nodes whose outputs nobody reads: they are the workflow's outputs."""
        read = {id for node in self.nodes for id in node.reads}
        read |= {node.array.over for node in self.nodes if node.array is not None}
        return tuple(node.id for node in self.nodes if node.id not in read)


def result_of(salt: int, inputs: Mapping[str, Any]) -> int:
    """What a task of that salt returns: cheap, and different for every mistake in its inputs."""
    mixed = salt
    for number in (*inputs["numbers"], inputs["item"]):
        mixed = (mixed * 48271 + (5 if number is None else number) + 11) % MODULUS
    return mixed


def expected_outputs(plan: Plan, start: int) -> dict[str, list[Value]]:
    """The workflow's outputs when it succeeds, worked out without an engine."""
    values: dict[str, Value] = {}
    for node in plan.nodes:
        salt = plan.tasks[node.task].salt
        numbers = [start, *(number for id in node.reads for number in _read(values[id]))]
        array = node.array
        if array is None:
            values[node.id] = result_of(salt, {"numbers": numbers, "item": 0})
            continue
        items = values[array.over] if array.over else list(range(array.size))
        assert isinstance(items, list)
        values[node.id] = [
            None
            if plan.is_broken_unit(f"{node.id}[{index}]", repaired=True)
            else result_of(salt, {"numbers": numbers, "item": item})
            for index, item in enumerate(items)
        ]
    return {"result": [values[id] for id in plan.sinks()]}


def _read(value: Value) -> list[int | None]:
    """What a node that reads another gets of it: of a list, both ends."""
    if not isinstance(value, list):
        return [value]
    return [value[0], value[-1]] if value else []
