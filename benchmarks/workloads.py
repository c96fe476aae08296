"""The graphs that are measured: no-op tasks on integers, so that all time is overhead.

| workload | graph | answer |
| --- | --- | --- |
| W1 | chain: `x = inc(x)`, n times | n |
| W2, W4 | n times `ident(i)`, then one sum | n(n-1)/2 |
| W3, W8 | layers of 20 nodes, each takes two of the layer before | the last layer's sum |
| W5 | one task | 7 |
| W6 | W2 whose leaves append a line to a file | n(n-1)/2 |
| W7 | W2 whose leaves are cached | n(n-1)/2 |
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hardpoint.core import Task, Workflow, map_task, task, workflow

WIDTH = 20
MODULUS = 1_000_003


@task
def inc(x: int) -> int:
    """Add one."""
    return x + 1


@task
def ident(x: int) -> int:
    """Return its input."""
    return x


@task
def pair(a: int, b: int) -> int:
    """Add two numbers, and keep the sum small."""
    return (a + b) % MODULUS


@task
def total(values: list[int]) -> int:
    """Sum a list."""
    return sum(values)


@task
def mark(x: int) -> int:
    """Leave one line in `$BENCH_W6_FILE` for each execution."""
    descriptor = os.open(os.environ["BENCH_W6_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(descriptor, b"%d %d\n" % (x, os.getpid()))
    os.close(descriptor)
    return x


@task(cache=True)
def remembered(x: int) -> int:
    """Return its input; run once for each."""
    return x


def chain(n: int) -> Workflow[[], Any]:
    """A chain of `n` nodes."""

    @workflow
    def chained() -> int:
        x = inc(0)
        for _ in range(n - 1):
            x = inc(x)
        return x

    return chained


def fan_out(n: int, leaf: Callable[[int], int] = ident) -> Workflow[[], Any]:
    """`n` independent nodes and their sum."""

    @workflow
    def fanned() -> int:
        return total([leaf(i) for i in range(n)])

    return fanned


def mapped(n: int, leaf: Task[..., int] = ident) -> Workflow[[], Any]:
    """The same as `fan_out`, with one node that maps the leaf over `n` numbers."""

    @workflow
    def mapped_out() -> int:
        return total(map_task(leaf)(list(range(n))))

    return mapped_out


def layers(n: int) -> Workflow[[], Any]:
    """`n` nodes in layers of `WIDTH`; its result is the last layer."""

    @workflow
    def layered() -> list[int]:
        row = [ident(i) for i in range(WIDTH)]
        for _ in range(n // WIDTH - 1):
            row = [pair(row[i], row[(i + 1) % WIDTH]) for i in range(WIDTH)]
        return row

    return layered


def single(_: int) -> Workflow[[], Any]:
    """One node."""

    @workflow
    def one() -> int:
        return ident(7)

    return one


GRAPHS: dict[str, Callable[[int], Workflow[[], Any]]] = {
    "W1": chain,
    "W2": fan_out,
    "W3": layers,
    "W4": fan_out,
    "W5": single,
    "W6": lambda n: fan_out(n, mark),
    "W7": lambda n: fan_out(n, remembered),
    "W8": layers,
}


MAPPED: dict[str, Callable[[int], Workflow[[], Any]]] = {
    "W2": mapped,
    "W4": mapped,
    "W6": lambda n: mapped(n, mark),
}
"""Workloads that can be written with `map_task`."""


def nodes_in(workload: str, n: int) -> int:
    """How many nodes a graph of size `n` has.

    >>> nodes_in("W2", 100), nodes_in("W3", 100)
    (101, 100)
    """
    match workload:
        case "W2" | "W4" | "W6" | "W7":
            return n + 1
        case "W5":
            return 1
        case _:
            return n


def answer(workload: str, n: int) -> int:
    """What a graph must come to.

    >>> answer("W1", 5), answer("W2", 5), answer("W3", 20)
    (5, 10, 190)
    """
    match workload:
        case "W1":
            return n
        case "W3" | "W8":
            row = list(range(WIDTH))
            for _ in range(n // WIDTH - 1):
                row = [(row[i] + row[(i + 1) % WIDTH]) % MODULUS for i in range(WIDTH)]
            return sum(row)
        case "W5":
            return 7
        case _:
            return n * (n - 1) // 2


def is_right(workload: str, n: int, result: Any) -> bool:
    """Whether a run of the graph came to that."""
    came_to = sum(result) if isinstance(result, list) else result
    return bool(came_to == answer(workload, n))
