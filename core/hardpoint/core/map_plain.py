"""Run a mapped task in this process, item by item, with the author's own objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hardpoint.core.compile_errors import did_you_mean, listed
from hardpoint.core.compiled import Mapped
from hardpoint.core.face import Face
from hardpoint.core.map_checks import LENGTHS_HINT, MapProblem, list_hint, missing_hint, nothing_mapped
from hardpoint.plugin_api import SINGLE_OUTPUT, TaskDefinition, UsageError

_FAILED = object()


def plain_arguments(
    face: Face,
    bound: Mapping[str, Any],
    positional: Sequence[str],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> dict[str, Any]:
    """What a call outside a workflow gives, by name.

    Args:
        face: Of the task.
        bound: What is the same for every item.
        positional: Names of the inputs that the call may give by position.
        args, kwargs: Of the call.

    Raises:
        UsageError: They do not fit the task.
    """
    given = dict(zip(positional, args, strict=False))
    problem = _misfit(face, bound, given, kwargs)
    if len(args) > len(positional):
        text = f"is given {len(args)} inputs by position, but takes {len(positional)}"
        problem = MapProblem(text, _known(face))
    if problem is not None:
        raise UsageError(f"The map of task `{face.name}` {problem.text}", hint=problem.hint)
    return {**given, **kwargs, **bound}


def _misfit(
    face: Face, bound: Mapping[str, Any], by_position: Mapping[str, Any], by_name: Mapping[str, Any]
) -> MapProblem | None:
    for name in by_name:
        if name not in face.inputs:
            hint = did_you_mean(name, face.inputs, _known(face))
            return MapProblem(f"is given `{name}`, which its task does not take", hint)
        if name in by_position:
            return MapProblem(f"is given `{name}` by position and by name", "Remove one of the two")
    given = {**by_position, **by_name}
    for name, value in given.items():
        if name in bound:
            return MapProblem(f"is given `{name}`, which is bound already", "Remove one of the two")
        if not isinstance(value, list):
            text = f"wants a list for `{name}`, not a `{type(value).__name__}`"
            return MapProblem(text, list_hint(face.name, name, value))
    if not given:
        return nothing_mapped(face.inputs, bound)
    for name in face.inputs:
        if name in face.required and name not in given and name not in bound:
            return MapProblem(f"has no value for `{name}`", missing_hint(face.name, name))
    return None


def _known(face: Face) -> str:
    return f"Its inputs are {listed(face.inputs)}" if face.inputs else "It has no inputs"


def run_items(definition: TaskDefinition, mapped: Mapped, arguments: Mapping[str, Any], name: str) -> Any:
    """Call a task for each item of lists.

    Args:
        definition: The task.
        mapped: Which arguments are lists, and how many items must succeed.
        arguments: Real values by name; what is left out takes its default.
        name: Of the node or task, for messages.

    Returns:
        What a run gives: a list, with None for items that failed; the task's NamedTuple with a list in each
        field; or None if it returns nothing.

    Raises:
        UsageError: The lists differ in length, or the task runs only through its plugin.
        Exception: Of the first item that failed, if too many did.
    """
    if type(definition).call_plain is TaskDefinition.call_plain:
        # It always raises, which a tolerant map would take for items that failed.
        definition.call_plain()
    size = _size(mapped, arguments, name)
    same = {key: value for key, value in arguments.items() if key not in mapped.over}
    may_fail = size - mapped.required(size)
    results: list[Any] = []
    failures: list[Exception] = []
    for index in range(size):
        try:
            items = {key: arguments[key][index] for key in mapped.over}
            results.append(definition.call_plain(**same, **items))
        except Exception as error:
            failures.append(error)
            results.append(_FAILED)
        if len(failures) > may_fail:
            raise failures[0]
    return _gathered(definition, results)


def _size(mapped: Mapped, arguments: Mapping[str, Any], name: str) -> int:
    lengths = {key: len(arguments[key]) for key in mapped.over}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"`{key}` has {length}" for key, length in lengths.items())
        raise UsageError(
            f"The lists that node `{name}` maps over differ in length: {told}", hint=LENGTHS_HINT
        )
    return next(iter(lengths.values()))


def _gathered(definition: TaskDefinition, results: Sequence[Any]) -> Any:
    names = list(definition.outputs)
    if not names:
        return None
    if names == [SINGLE_OUTPUT]:
        return [None if each is _FAILED else each for each in results]
    lists = {name: [None if each is _FAILED else output_of(each, name) for each in results] for name in names}
    output_class = vars(definition).get("output_class")
    return output_class(**lists) if output_class else lists


def output_of(result: Any, name: str) -> Any:
    """One of several outputs of a call."""
    return result[name] if isinstance(result, Mapping) else getattr(result, name)
