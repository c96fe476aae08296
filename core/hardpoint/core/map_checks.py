"""What can be wrong with a task that runs once for each item of lists, and the edits that help."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.compiled import Binding, Converted, FromList, Given, Mapped


class MapProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    Args:
        text: What is wrong, with which values; goes on from the name of the node or of the call.
        hint: The edit that helps.
    """

    text: str
    hint: str


LENGTHS_HINT = "Give it lists of one length, or bind what is the same for all with `functools.partial`"


def limit_problems(concurrency: Any, min_success_ratio: Any, min_successes: Any) -> Iterator[MapProblem]:
    """Tell which limits are out of range; whatever they are.

    >>> [each.text for each in limit_problems(-1, None, None)]
    ['has `concurrency` `-1`, which is no number of items']
    """
    if not _is_count(concurrency):
        yield MapProblem(
            f"has `concurrency` `{concurrency!r}`, which is no number of items",
            "Write how many items may run at a time, or 0 for as many as there is room for",
        )
    if min_success_ratio is not None and not _is_ratio(min_success_ratio):
        yield MapProblem(
            f"has `min_success_ratio` `{min_success_ratio!r}`, which is not above 0 and at most 1",
            "Write which part of the items must succeed, such as 0.9; if all may fail, `min_successes=0`",
        )
    if min_successes is not None and not _is_count(min_successes):
        yield MapProblem(
            f"has `min_successes` `{min_successes!r}`, which is no number of items",
            "Write how many items must succeed; 0 if all may fail",
        )
    if min_success_ratio is not None and min_successes is not None:
        yield MapProblem(
            "has both `min_success_ratio` and `min_successes`",
            "Keep one of the two: a part of the items, or a number of them",
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_ratio(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1


def map_problems(
    mapped: Mapped, known: Mapping[str, Any], bound: Mapping[str, Binding]
) -> Iterator[MapProblem]:
    """Tell what is wrong with a mapped node of a compiled workflow, but for types.

    Args:
        mapped: How the node is mapped.
        known: Inputs of its task.
        bound: Its bindings.
    """
    yield from limit_problems(mapped.concurrency, mapped.min_success_ratio, mapped.min_successes)
    if not mapped.over:
        yield MapProblem("is mapped over nothing", "Name the inputs that are lists in `over`")
    for name in dict.fromkeys(mapped.over):
        if mapped.over.count(name) > 1:
            yield MapProblem(f"is mapped over `{name}` twice", "Name each input once in `over`")
        if name not in known:
            otherwise = f"Its inputs are {listed(known)}" if known else "It has no inputs"
            hint = did_you_mean(name, known, otherwise)
            yield MapProblem(f"is mapped over `{name}`, which its task does not take", hint)
    differing = length_problem(mapped, bound)
    if differing is not None:
        yield differing


def length_problem(mapped: Mapped, inputs: Mapping[str, Binding]) -> MapProblem | None:
    """Tell whether lists differ in length, as far as their lengths are known before the run.

    >>> inputs = {"x": Given([1, 2]), "y": Given([1])}
    >>> length_problem(Mapped(("x", "y")), inputs).text
    'maps over lists that differ in length: `x` has 2, `y` has 1'
    """
    known = {name: _length(inputs[name]) for name in mapped.over if name in inputs}
    lengths = {name: length for name, length in known.items() if length is not None}
    if len(set(lengths.values())) < 2:
        return None
    told = ", ".join(f"`{name}` has {length}" for name, length in lengths.items())
    return MapProblem(f"maps over lists that differ in length: {told}", LENGTHS_HINT)


def _length(binding: Binding) -> int | None:
    match binding:
        case Given(value=list() as items) | FromList(items=items):
            return len(items)
        case Converted():
            return _length(binding.source)
        case _:
            return None


def nothing_mapped(inputs: Iterable[str], bound: Collection[str]) -> MapProblem:
    """The problem of a call that gives no list.

    Args:
        inputs: Of the task.
        bound: What is the same for every item.
    """
    free = [name for name in inputs if name not in bound]
    if free:
        hint = f"Give the call a list for at least one of {listed(free)}"
    elif bound:
        hint = "Leave out of `functools.partial` what differs from item to item"
    else:
        hint = "Call the task itself: it takes nothing that could differ from item to item"
    return MapProblem("is mapped over nothing", hint)


def list_hint(task: str, name: str, value: Any) -> str:
    """The edit for a value that is no list, given to a mapped input."""
    if isinstance(value, dict):
        return f"Items are taken from lists only: pass `list({name}.values())`, or a list of the keys"
    if hasattr(value, "tolist"):
        return "Pass `value.tolist()`"
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        return "Pass `list(...)` of it"
    return bind_hint(task, name)


def bind_hint(task: str, name: str) -> str:
    """The edit for a value that is meant for every item."""
    return f"If it is the same for every item, bind it: `map_task(functools.partial({task}, {name}=...))`"


def missing_hint(task: str, name: str) -> str:
    """The edit for an input that nothing was given for."""
    return f"Give the call a list for it, or bind it: `map_task(functools.partial({task}, {name}=...))`"
