"""Checks of graphs that nobody traced: what importers build and files hold."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hardpoint.core import check_compiled
from hardpoint.core.compiled import (
    CompiledWorkflow,
    Converted,
    FromInput,
    FromList,
    FromNode,
    Given,
    Mapped,
    Node,
    Picked,
    Step,
    StepKind,
    WorkflowBody,
)
from hardpoint.plugin_api import Interface, ListType, Position, SimpleKind, SimpleType, TaskSpec, Variable

INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
X = (Variable("x", INT),)
RESULT = (Variable("result", INT),)
ADD = TaskSpec("f.py:add", "python", "v", Interface((*X, Variable("y", INT, default=1)), RESULT))
WORDS = TaskSpec("f.py:words", "python", "v", Interface((), (Variable("result", ListType(STR)),)))


def graph(*nodes: Node, **changes: Any) -> CompiledWorkflow:
    body = WorkflowBody("f.py:flow", Interface(X, RESULT), nodes, {"result": Given(0)})
    body = msgspec.structs.replace(body, **changes)
    positions = {"f.py:flow/b": Position("/p/f.py", 7)}
    return CompiledWorkflow("f.py:flow", {"f.py:flow": body}, {"add": ADD, "words": WORDS}, positions)


A = Node("a", task="add", inputs={"x": FromInput("x")})

CASES: dict[str, tuple[CompiledWorkflow, list[tuple[str, str]]]] = {
    "fine": (graph(A, Node("b", task="add", inputs={"x": FromNode("a", "result")})), []),
    "unknown input": (
        graph(Node("b", task="add", inputs={"x": Given(1), "z": Given(1)})),
        [
            (
                "UnknownInputError",
                "Node `b` in workflow `flow` is given `z`, which `add` does not take\n  --> /p/f.py:7\n\n"
                "hint: Its inputs are `x`, `y`",
            )
        ],
    ),
    "unbound input": (
        graph(Node("b", task="add")),
        [
            (
                "UnboundInputError",
                "Input `x` of node `b` in workflow `flow` has no value\n  --> /p/f.py:7\n\n"
                "hint: Bind it to a `int`, or give it a default",
            )
        ],
    ),
    "wrong value": (
        graph(Node("a", task="add", inputs={"x": Given("one")})),
        [("TypeMismatchError", "Input `x` of node `a` in workflow `flow` wants `int`: ")],
    ),
    "wrong promise": (
        graph(Node("w", task="words"), Node("a", task="add", inputs={"x": FromNode("w", "result")})),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` wants `int`, but `w.result` is `list[str]`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            )
        ],
    ),
    "wrong part": (
        graph(
            Node("w", task="words"),
            Node("a", task="add", inputs={"x": Picked(FromNode("w", "result"), (Step(StepKind.INDEX, 0),))}),
        ),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` wants `int`, but the part it takes is `str`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            )
        ],
    ),
    "wrong shape": (
        graph(Node("a", task="add", inputs={"x": FromList((Given(1),))})),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` wants `int`, but is bound with `FromList`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            )
        ],
    ),
    "wrong conversion": (
        graph(Node("a", task="add", inputs={"x": Converted(FromInput("x"), INT, STR)})),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` cannot convert `int` to `str`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            ),
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` wants `int`, but the converted value is `str`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            ),
        ],
    ),
    "unknown workflow input": (
        graph(Node("a", task="add", inputs={"x": FromInput("n")})),
        [
            (
                "UnknownInputError",
                "Input `x` of node `a` in workflow `flow` reads input `n`, "
                "which workflow `flow` does not have"
                "\n\nhint: Its inputs are `x`",
            )
        ],
    ),
    "unknown output": (
        graph(A, Node("b", task="add", inputs={"x": FromNode("a", "resul")})),
        [
            (
                "UnknownOutputError",
                "Input `x` of node `b` in workflow `flow` reads output `resul`, "
                "which node `a` does not have\n"
                "  --> /p/f.py:7\n\nhint: Did you mean `result`?",
            )
        ],
    ),
    "node that is not there": (
        graph(A, Node("b", task="add", inputs={"x": FromNode("c", "result")}, after=("d",))),
        [
            (
                "UnreachableNodeError",
                "Node `b` in workflow `flow` waits for `c`, which is not there\n  --> /p/f.py:7\n\n"
                "hint: The nodes are `a`, `b`",
            ),
            (
                "UnreachableNodeError",
                "Node `b` in workflow `flow` waits for `d`, which is not there\n  --> /p/f.py:7\n\n"
                "hint: The nodes are `a`, `b`",
            ),
        ],
    ),
    "cycle": (
        graph(
            Node("a", task="add", inputs={"x": FromNode("b", "result")}),
            Node("b", task="add", inputs={"x": FromNode("a", "result")}),
            Node("c", task="add", inputs={"x": FromNode("b", "result")}),
        ),
        [
            (
                "CycleError",
                "Nodes of workflow `flow` wait for each other: a -> b -> a\n\n"
                "hint: Remove one `>>`, or one use of an earlier result",
            ),
            (
                "UnreachableNodeError",
                "Nodes `c` in workflow `flow` can never run: they wait for that cycle\n\n"
                "hint: Remove the cycle",
            ),
        ],
    ),
    "duplicate id": (
        graph(A, A),
        [
            (
                "DuplicateIdError",
                "Two nodes in workflow `flow` are named `a`\n\nhint: Give one of them another id",
            )
        ],
    ),
    "missing output": (
        graph(A, outputs={}),
        [
            (
                "MissingOutputError",
                "Output `result` of workflow `flow` is declared as `int`, but not bound\n\n"
                "hint: Bind it in `outputs`, or do not declare it",
            )
        ],
    ),
    "undeclared output": (
        graph(A, outputs={"result": Given(1), "resultt": Given(1)}),
        [
            (
                "UnknownOutputError",
                "Output `resultt` of workflow `flow` is bound, but not declared\n\n"
                "hint: Did you mean `result`?",
            )
        ],
    ),
    "unknown task": (
        graph(Node("a", task="ad")),
        [
            (
                "UnknownTaskError",
                "Node `a` in workflow `flow` runs task `ad`, which is not there\n\nhint: Did you mean `add`?",
            )
        ],
    ),
    "task and workflow": (
        graph(Node("a", task="add", workflow="f.py:flow", inputs={"x": Given(1)})),
        [
            (
                "UnknownTaskError",
                "Node `a` in workflow `flow` names both a task and a workflow\n\n"
                "hint: Set exactly one of the two",
            ),
            (
                "CycleError",
                "Workflows call each other: f.py:flow -> f.py:flow\n\n"
                "hint: Break the circle: a graph cannot repeat itself",
            ),
        ],
    ),
    "mapped": (
        graph(
            Node("m", task="add", inputs={"x": Given([1, 2])}, map=Mapped(("x",))),
            Node("b", task="add", inputs={"x": Picked(FromNode("m", "result"), (Step(StepKind.INDEX, 0),))}),
            Node("c", task="add", inputs={"x": FromInput("x"), "y": Given([])}, map=Mapped(("y",), 3)),
        ),
        [],
    ),
    "mapped over what is no list": (
        graph(Node("a", task="add", inputs={"x": FromInput("x")}, map=Mapped(("x",)))),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `a` in workflow `flow` wants `list[int]`, but input `x` is `int`\n\n"
                "hint: Bind it to something else, or put a task between that converts",
            )
        ],
    ),
    "one item wanted, a list there": (
        graph(
            Node("m", task="add", inputs={"x": Given([1])}, map=Mapped(("x",), min_successes=0)),
            Node("b", task="add", inputs={"x": FromNode("m", "result")}),
        ),
        [
            (
                "TypeMismatchError",
                "Input `x` of node `b` in workflow `flow` wants `int`, but `m.result` is `list[int | None]`\n"
                "  --> /p/f.py:7\n\nhint: Bind it to something else, or put a task between that converts",
            )
        ],
    ),
    "mapped over nothing": (
        graph(Node("a", task="add", inputs={"x": Given(1)}, map=Mapped(()))),
        [
            (
                "MapError",
                "Node `a` in workflow `flow` is mapped over nothing\n\n"
                "hint: Name the inputs that are lists in `over`",
            )
        ],
    ),
    "mapped over what is not there": (
        graph(Node("a", task="add", inputs={"x": Given([1])}, map=Mapped(("x", "z", "x")))),
        [
            (
                "MapError",
                "Node `a` in workflow `flow` is mapped over `x` twice\n\n"
                "hint: Name each input once in `over`",
            ),
            (
                "MapError",
                "Node `a` in workflow `flow` is mapped over `z`, which its task does not take\n\n"
                "hint: Its inputs are `x`, `y`",
            ),
        ],
    ),
    "mapped over a default": (
        graph(Node("a", task="add", inputs={"x": Given([1])}, map=Mapped(("x", "y")))),
        [
            (
                "UnboundInputError",
                "Input `y` of node `a` in workflow `flow` has no value\n\n"
                "hint: Bind it to a `list[int]`, or give it a default",
            )
        ],
    ),
    "mapped over lists of two lengths": (
        graph(
            Node(
                "a",
                task="add",
                inputs={"x": Given([1]), "y": FromList((FromInput("x"), Given(1)))},
                map=Mapped(("x", "y")),
            )
        ),
        [
            (
                "MapError",
                "Node `a` in workflow `flow` maps over lists that differ in length: `x` has 1, `y` has 2\n\n"
                "hint: Give it lists of one length, "
                "or bind what is the same for all with `functools.partial`",
            )
        ],
    ),
    "limits of a map": (
        graph(Node("a", task="add", inputs={"x": Given([1])}, map=Mapped(("x",), -1, 0.5, 1))),
        [
            (
                "MapError",
                "Node `a` in workflow `flow` has `concurrency` `-1`, which is no number of items\n\n"
                "hint: Write how many items may run at a time, or 0 for as many as there is room for",
            ),
            (
                "MapError",
                "Node `a` in workflow `flow` has both `min_success_ratio` and `min_successes`\n\n"
                "hint: Keep one of the two: a part of the items, or a number of them",
            ),
        ],
    ),
    "a mapped workflow": (
        msgspec.structs.replace(
            graph(),
            workflows={
                "f.py:flow": WorkflowBody(
                    "f.py:flow", Interface(), (Node("a", workflow="f.py:inner", map=Mapped(("x",))),)
                ),
                "f.py:inner": WorkflowBody("f.py:inner", Interface()),
            },
        ),
        [
            (
                "MapError",
                "Node `a` in workflow `flow` maps workflow `f.py:inner`\n\n"
                "hint: Map the tasks in it, or put what it does into one task",
            )
        ],
    ),
    "unknown main": (
        msgspec.structs.replace(graph(A), main="f.py:flew"),
        [
            (
                "UnknownTaskError",
                "The main workflow `f.py:flew` is not there\n\nhint: Did you mean `f.py:flow`?",
            )
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_check(case: str) -> None:
    compiled, expected = CASES[case]
    found = check_compiled(compiled)
    assert [error.code for error in found] == [code for code, _ in expected]
    for error, (_, text) in zip(found, expected, strict=True):
        assert str(error) == text or (text.endswith(": ") and str(error).startswith(text))
