"""The floor: the same graphs on a bare `ProcessPoolExecutor`. Isolated, but nothing is checked or kept."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple

WIDTH = 20
MODULUS = 1_000_003


def inc(x: int) -> int:
    """Add one."""
    return x + 1


def ident(x: int) -> int:
    """Return its input."""
    return x


def pair(a: int, b: int) -> int:
    """Add two numbers, and keep the sum small."""
    return (a + b) % MODULUS


def total(*values: int) -> int:
    """Sum."""
    return sum(values)


class Cell(NamedTuple):
    """A function, the cells whose results it takes, and literal arguments."""

    function: Callable[..., int]
    parents: tuple[int, ...] = ()
    literals: tuple[int, ...] = ()


def graph(workload: str, n: int) -> list[Cell]:
    """Cells in an order in which they could run; the last ones are the result."""
    match workload:
        case "W1":
            return [Cell(inc, (), (0,))] + [Cell(inc, (i,)) for i in range(n - 1)]
        case "W2" | "W4":
            return [*(Cell(ident, (), (i,)) for i in range(n)), Cell(total, tuple(range(n)))]
        case "W3":
            cells = [Cell(ident, (), (i,)) for i in range(WIDTH)]
            for start in range(0, n - WIDTH, WIDTH):
                cells += [Cell(pair, (start + i, start + (i + 1) % WIDTH)) for i in range(WIDTH)]
            return cells
        case "W5":
            return [Cell(ident, (), (7,))]
        case _:
            raise KeyError(workload)


def run(cells: list[Cell], workers: int) -> list[int]:
    """Feed the pool whatever is ready; return every cell's result. Starting the pool is part of it."""
    results: list[Any] = [None] * len(cells)
    waits_for = [len(cell.parents) for cell in cells]
    followers: list[list[int]] = [[] for _ in cells]
    for index, cell in enumerate(cells):
        for parent in cell.parents:
            followers[parent].append(index)
    finished: queue.SimpleQueue[tuple[int, Future[int]]] = queue.SimpleQueue()
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:

        def start(index: int) -> None:
            cell = cells[index]
            future = pool.submit(cell.function, *(results[each] for each in cell.parents), *cell.literals)
            future.add_done_callback(lambda done: finished.put((index, done)))

        for index, count in enumerate(waits_for):
            if count == 0:
                start(index)
        for _ in cells:
            index, future = finished.get()
            results[index] = future.result()
            for follower in followers[index]:
                waits_for[follower] -= 1
                if waits_for[follower] == 0:
                    start(follower)
    return results


def outcome(workload: str, results: list[int]) -> Any:
    """The result in the form that the workflow returns it."""
    return results[-WIDTH:] if workload == "W3" else results[-1]
