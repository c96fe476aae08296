"""Bindings resolved to wire values, as the executor does for each node."""

from __future__ import annotations

from typing import Any

import pytest

from hardpoint.core.binding import as_type, leaves, replace_leaves, resolve
from hardpoint.core.compiled import (
    Binding,
    Converted,
    FromDict,
    FromInput,
    FromList,
    FromNode,
    FromPairs,
    Given,
    Picked,
    Step,
    StepKind,
)
from hardpoint.plugin_api import SimpleKind, SimpleType, UnionType, UserError

INT, FLOAT, STR = (SimpleType(kind) for kind in (SimpleKind.INT, SimpleKind.FLOAT, SimpleKind.STR))
INPUTS = {"n": 2, "pairs": [[1, "a"], [2, "b"]]}
OUTPUTS = {"load": {"result": {"rows": [1, 2, 3], "by": {"k": "v"}}, "count": 3}}


def part(source: Binding, *steps: tuple[StepKind, Any]) -> Picked:
    return Picked(source, tuple(Step(kind, value) for kind, value in steps))


LOADED = FromNode("load", "result")
ROWS = (StepKind.FIELD, "rows")

CASES: dict[str, tuple[Binding, Any]] = {
    "given": (Given([1]), [1]),
    "input": (FromInput("n"), 2),
    "node": (FromNode("load", "count"), 3),
    "list": (FromList((FromInput("n"), Given(None))), [2, None]),
    "dict": (FromDict({"a": FromInput("n"), "b": Given(1)}), {"a": 2, "b": 1}),
    "pairs": (FromPairs((1, 2), (FromInput("n"), Given(0))), [[1, 2], [2, 0]]),
    "field and index": (part(LOADED, ROWS, (StepKind.INDEX, 1)), 2),
    "negative index": (part(LOADED, ROWS, (StepKind.INDEX, -1)), 3),
    "key": (part(LOADED, (StepKind.FIELD, "by"), (StepKind.KEY, "k")), "v"),
    "key of pairs": (part(FromInput("pairs"), (StepKind.KEY, 2)), "b"),
    "converted": (Converted(FromInput("n"), INT, FLOAT), 2.0),
    "converted to a union": (
        Converted(FromInput("n"), INT, UnionType((FLOAT, INT))),
        {"variant": 1, "value": 2},
    ),
    "part of a list": (part(FromList((Given(1), FromInput("n"))), (StepKind.INDEX, 1)), 2),
}


@pytest.mark.parametrize("case", CASES)
def test_resolve(case: str) -> None:
    binding, expected = CASES[case]
    found = resolve(binding, INPUTS, OUTPUTS.__getitem__)
    assert found == expected
    assert type(found) is type(expected)


MISSING: dict[str, tuple[Binding, str]] = {
    "index": (part(LOADED, ROWS, (StepKind.INDEX, 3)), "A promised index `3` is not there: it has 3 items"),
    "key": (
        part(LOADED, (StepKind.FIELD, "by"), (StepKind.KEY, "z")),
        "A promised key `z` is not there: it has `k`",
    ),
    "key of pairs": (
        part(FromInput("pairs"), (StepKind.KEY, 3)),
        "A promised key `3` is not there: it has `1`, `2`",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_parts_that_are_not_there(case: str) -> None:
    binding, text = MISSING[case]
    with pytest.raises(UserError) as caught:
        resolve(binding, INPUTS, OUTPUTS.__getitem__)
    hint = "The value that the node returned is smaller than the workflow expects"
    assert str(caught.value) == f"{text}\n\nhint: {hint}"


def test_leaves_and_their_replacement() -> None:
    every = FromDict(
        {
            "a": FromList((FromInput("n"), part(LOADED, ROWS))),
            "b": FromPairs((1,), (Converted(FromNode("load", "count"), INT, FLOAT),)),
            "c": Given(1),
        }
    )
    assert list(leaves(every)) == [FromInput("n"), LOADED, FromNode("load", "count")]
    replaced = replace_leaves(every, lambda leaf: Given(str(leaf)))
    assert list(leaves(replaced)) == []
    assert replace_leaves(every, lambda leaf: leaf) == every


def test_as_type() -> None:
    assert as_type(FromInput("n"), INT, INT) == FromInput("n")
    assert as_type(FromInput("n"), INT, FLOAT) == Converted(FromInput("n"), INT, FLOAT)
