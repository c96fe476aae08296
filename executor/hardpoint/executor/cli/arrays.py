"""Array nodes in words and as JSON: work proportional to what is told, not to the number of items."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from itertools import islice
from typing import Any

from hardpoint.core.compiled import Mapped
from hardpoint.executor.cli.failures import of_info
from hardpoint.executor.engine.array_run import ArrayRun
from hardpoint.executor.engine.node_run import NodeState

FAILED_SHOWN = 20
FAILED_IN_JSON = 1000

STATES = {
    "Q": NodeState.READY,
    "R": NodeState.RUNNING,
    "B": NodeState.BACKOFF,
    "S": NodeState.SUCCEEDED,
    "F": NodeState.FAILED,
    "C": NodeState.CANCELLED,
    "X": NodeState.SKIPPED,
}
"""The state of an item, by its letter."""

_WORDS = {"R": "running", "F": "failed", "B": "waiting for a retry", "C": "cancelled", "X": "skipped"}


def array_words(array: ArrayRun) -> str:
    """How far an array node is, in half a line.

    >>> from hardpoint.executor.engine.node_run import NodeRun
    >>> from hardpoint.executor.journal.events import ArrayOpened
    >>> array_words(ArrayRun(NodeRun("squares", 0), ArrayOpened(0.0, "squares", 4200, 4200)))
    '0/4,200 done'
    """
    counts = array.counts()
    parts = [f"{counts.get('S', 0):,}/{array.size:,} done"]
    parts += [f"{counts[letter]:,} {word}" for letter, word in _WORDS.items() if letter in counts]
    return ", ".join(parts)


def required_words(array: ArrayRun) -> str:
    """How many items there are, and how many must succeed."""
    items = f"{array.size:,} item" + ("s" if array.size != 1 else "")
    if array.required == array.size:
        return items
    return f"{items}, {array.required:,} must succeed"


def mapped_words(mapped: Mapped) -> str:
    """What a node maps over, before its lists are known.

    >>> mapped_words(Mapped(("x", "y"), concurrency=8, min_success_ratio=0.9))
    'over `x`, `y`; 8 at a time; 90 % must succeed'
    """
    parts = ["over " + ", ".join(f"`{name}`" for name in mapped.over)]
    if mapped.concurrency:
        parts.append(f"{mapped.concurrency} at a time")
    if mapped.min_success_ratio is not None:
        parts.append(f"{100 * mapped.min_success_ratio:g} % must succeed")
    elif mapped.min_successes is not None:
        parts.append(f"{mapped.min_successes} must succeed")
    return "; ".join(parts)


def failed_items(array: ArrayRun) -> Iterator[int]:
    """Indices of the items that failed, ascending."""
    index = array.letters.find(b"F")
    while index >= 0:
        yield index
        index = array.letters.find(b"F", index + 1)


def array_json(array: ArrayRun, *, items: bool) -> dict[str, Any]:
    """An array node for programs.

    Args:
        array: Its items.
        items: Tell each of them; else only those that failed, and of these the first thousand.
    """
    counts = {STATES[letter].value: count for letter, count in array.counts().items()}
    failed = [item_json(array, index) for index in islice(failed_items(array), FAILED_IN_JSON)]
    told = {"size": array.size, "required": array.required, "counts": counts, "failed": failed}
    if items:
        told["items"] = [
            {**item_json(array, index), "outputs": outputs_of(array, index)} for index in range(array.size)
        ]
    return told


def item_json(array: ArrayRun, index: int) -> dict[str, Any]:
    """One item, without its outputs."""
    error = error_of(array, index)
    return {
        "item": index,
        "state": state_of(array, index).value,
        "attempt": array.attempts(index),
        "error": of_info(error) if error is not None else None,
    }


def state_of(array: ArrayRun, index: int) -> NodeState:
    """Where an item stands."""
    unit = array.live.get(index)
    return STATES[chr(array.letters[index])] if unit is None else unit.state


def error_of(array: ArrayRun, index: int) -> Any:
    """Why an item failed, or its last attempt did; None if it did not."""
    unit = array.live.get(index)
    return array.errors.get(index) if unit is None else unit.error


def outputs_of(array: ArrayRun, index: int) -> dict[str, Any] | None:
    """Outputs of an item that succeeded."""
    if state_of(array, index) is not NodeState.SUCCEEDED:
        return None
    return {name: values[index] for name, values in array.outputs.items()}


def typed(id: str) -> str:
    """A node or item as it is typed in a shell, to which brackets mean something.

    >>> typed("squares[17]"), typed("load")
    ("'squares[17]'", 'load')
    """
    return shlex.quote(id)
