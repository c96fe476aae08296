"""Random workflows, as a Hypothesis strategy: for `@given`, and for one draw for each seed."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from tests.simulation.plans import GENEROUS_S, End, Plan, PlannedArray, PlannedNode, PlannedTask

MOST_NODES = 12
FUNCTIONS = ("python", "sim_function")
JOBS = ("sim_token", "sim_name", "sim_search", "sim_push", "sim_array", "sim_rough")
POOLS = {"": 1, "sim:one": 1, "sim:two": 2, "sim:five": 5}
"""Capacity by pool; the empty name stands for no claim."""

SIZES = (0, 1, 2, 2, 3, 3, 5, 8, 30)
DURATIONS_S = (0.01, 0.05, 0.2, 0.5, 1.0, 1.0, 2.0, 4.0, 9.0)
TIMEOUT_S = 15.0
SLOW_S = 1e9
QUEUE_TIMEOUT_S = 6.0
DEADLINE_S = 25.0
SCRIPTS: tuple[tuple[End, ...], ...] = (
    (),
    (),
    (),
    (),
    (End.USER,),
    (End.LOST,),
    (End.SLOW,),
    (End.USER, End.USER),
    (End.USER, End.LOST),
    (End.LOST, End.LOST),
    (End.SLOW, End.USER),
    (End.THROTTLED, End.USER),
    (End.THROTTLED,) * 6 + (End.LOST, End.LOST),
)


@st.composite
def plans(draw: DrawFn) -> Plan:
    """A workflow of 1 to 12 nodes."""
    jobs_only, functions_only = draw(st.sampled_from(((False, False),) * 3 + ((True, False), (False, True))))
    kinds = JOBS if jobs_only else FUNCTIONS if functions_only else FUNCTIONS + JOBS
    count = draw(st.integers(1, MOST_NODES))
    # An always failing task would end most large workflows early: most seeds have none.
    may_break = draw(st.integers(0, 5)) == 0
    may_be_tight = draw(st.integers(0, 3)) == 0
    may_map = draw(st.integers(0, 2)) == 0
    tasks: dict[str, PlannedTask] = {}
    nodes: list[PlannedNode] = []
    for number in range(count):
        if tasks and draw(st.integers(0, 4)) == 0:
            name = draw(st.sampled_from(sorted(tasks)))
        else:
            task = draw(_tasks(number, kinds, may_break, may_be_tight))
            name = task.name
            tasks[name] = task
        reads, after = _upstream(draw, number)
        array = None
        if may_map and draw(st.integers(0, 2)) == 0:
            array = draw(_arrays(tasks[name], [node for node in nodes if node.array is not None], may_break))
        nodes.append(PlannedNode(f"n{number}", name, reads, after, array))
    return Plan(tasks, tuple(nodes))


@st.composite
def _tasks(
    draw: DrawFn, salt: int, kinds: tuple[str, ...], may_break: bool, may_be_tight: bool
) -> PlannedTask:
    kind = draw(st.sampled_from(kinds))
    script = draw(st.sampled_from(SCRIPTS))
    spare = draw(st.integers(0, 1))
    pool = draw(st.sampled_from(sorted(POOLS))) if kind in JOBS else ""
    if kind == "sim_function":
        # Without a draw: the other plans of a seed stay what they were.
        pool = sorted(POOLS)[salt % len(POOLS)]
    limits = draw(st.integers(0, 9)) if may_be_tight else 0
    timeout_s: float | None = (
        TIMEOUT_S if limits in (1, 2, 3) or (End.SLOW in script and may_be_tight) else None
    )
    if limits == 7:
        timeout_s = GENEROUS_S
    broken = may_break and draw(st.integers(0, 3)) == 0
    return PlannedTask(
        type=kind,
        salt=salt,
        script=script if timeout_s == TIMEOUT_S else tuple(end for end in script if end is not End.SLOW),
        broken=broken,
        attempts=1 + spare + sum(end in (End.USER, End.SLOW) for end in script),
        duration_s=draw(st.sampled_from(DURATIONS_S)),
        timeout_s=timeout_s,
        queue_timeout_s=QUEUE_TIMEOUT_S if limits in (3, 4) else GENEROUS_S if limits == 6 else None,
        deadline_s=DEADLINE_S if limits in (4, 8) else GENEROUS_S if limits == 9 else None,
        cached=not broken and draw(st.integers(0, 4)) == 0,
        pool=pool,
        units=draw(st.integers(1, POOLS[pool] if kind in JOBS else 1)),
    )


@st.composite
def _arrays(draw: DrawFn, task: PlannedTask, earlier: list[PlannedNode], may_break: bool) -> PlannedArray:
    over, size = "", draw(st.sampled_from(SIZES))
    if draw(st.booleans()) and earlier:
        source: PlannedNode = draw(st.sampled_from(earlier))
        assert source.array is not None
        over, size = source.id, source.array.size
    # Which items fail must not depend on faults, or nobody could say what the array returns.
    may_tolerate = not (task.has_tight_timeout or task.has_tight_queue_timeout or task.type == "sim_rough")
    tolerates = may_tolerate and draw(st.booleans())
    tolerated = draw(st.integers(0, min(size, 3))) if tolerates else None
    # What another node with the same inputs kept would make broken items succeed.
    broken = (
        0
        if task.cached
        else draw(st.integers(0, tolerated or 0)) + (may_break and draw(st.integers(0, 3)) == 0)
    )
    return PlannedArray(
        size,
        over,
        concurrency=draw(st.sampled_from((0, 0, 1, 3))),
        min_successes=None if tolerated is None else size - tolerated,
        broken=frozenset(draw(st.integers(0, size - 1)) for _ in range(broken)) if size else frozenset(),
    )


def _upstream(draw: DrawFn, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Up to three nodes that are read and, rarely, one that is only waited for."""
    if not number:
        return (), ()
    reads = [draw(st.integers(0, number - 1)) for _ in range(draw(st.sampled_from((0, 1, 1, 2, 3))))]
    after = [draw(st.integers(0, number - 1))] if draw(st.integers(0, 5)) == 0 else []
    return tuple(f"n{each}" for each in dict.fromkeys(reads)), tuple(f"n{each}" for each in after)
