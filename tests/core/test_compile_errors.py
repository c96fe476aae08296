"""Each mistake in a workflow has an error of its own, with the author's line and a hint."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from hardpoint.core.compile_errors import CompileErrors
from hardpoint.core.loading import find_workflow

HEADER = """
from __future__ import annotations
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from hardpoint.core import Cache, Retry, task, workflow

@dataclass
class Metrics:
    accuracy: float
    rows: list[int]

class Parts(NamedTuple):
    small: int
    large: str

@task
def load(n: int = 3) -> str: ...

@task
def train(x: float, epochs: int = 1) -> float: ...

@task
def score(x: float) -> Metrics: ...

@task
def split(x: float) -> Parts: ...

@task
def notify() -> None: ...

@task
def maybe() -> float | None: ...

@task
def join(xs: list[float]) -> float: ...
"""
HEADER_LINES = HEADER.count("\n")


def errors_of(tmp_path: Path, body: str) -> CompileErrors:
    file = tmp_path / "flow.py"
    file.write_text(HEADER + textwrap.dedent(body).lstrip("\n"))
    with pytest.raises(CompileErrors) as caught:
        find_workflow(file, "flow").compile()
    return caught.value


CASES = {
    "unknown input": (
        """
        @workflow
        def flow() -> float:
            return train(1.0, ephocs=3)
        """,
        "UnknownInputError",
        3,
        "Node `train` in workflow `flow` is given `ephocs`, which task `train` does not take",
        "Did you mean `epochs`?",
    ),
    "too many by position": (
        """
        @workflow
        def flow() -> float:
            return train(1.0, 2, 3)
        """,
        "UnknownInputError",
        3,
        "Node `train` in workflow `flow` is given 3 inputs by position, but task `train` takes 2",
        "Its inputs are `x`, `epochs`",
    ),
    "unbound input": (
        """
        @workflow
        def flow() -> float:
            return train()
        """,
        "UnboundInputError",
        3,
        "Input `x` of node `train` in workflow `flow` has no value",
        "Write `train(x=...)` with a `float`, or give it a default",
    ),
    "doubly bound input": (
        """
        @workflow
        def flow() -> float:
            return train(1.0, x=2.0)
        """,
        "DoublyBoundInputError",
        3,
        "Input `x` of node `train` in workflow `flow` is given by position and by name",
        "Remove one of the two",
    ),
    "promise of another type": (
        """
        @workflow
        def flow() -> float:
            data = load()
            return train(
                data,
            )
        """,
        "TypeMismatchError",
        4,
        "Input `x` of node `train` in workflow `flow` wants `float`, but `load.result` is `str`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "optional where a value is wanted": (
        """
        @workflow
        def flow() -> float:
            return train(maybe())
        """,
        "TypeMismatchError",
        3,
        "Input `x` of node `train` in workflow `flow` wants `float`, but `maybe.result` is `float | None`",
        "Accept `float | None` there, or decide in a task which of them it is",
    ),
    "input of another type": (
        """
        @workflow
        def flow(name: str) -> float:
            return train(name)
        """,
        "TypeMismatchError",
        3,
        "Input `x` of node `train` in workflow `flow` wants `float`, but input `name` is `str`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "value of another type": (
        """
        @workflow
        def flow() -> float:
            return train("a lot")
        """,
        "TypeMismatchError",
        3,
        "Input `x` of node `train` in workflow `flow` wants `float`: Expected `float`, got str 'a lot'",
        "Pass a value of that type, or change the type hint",
    ),
    "part of a nest": (
        """
        @workflow
        def flow() -> float:
            return join([train(1.0), load()])
        """,
        "TypeMismatchError",
        3,
        "Input `xs[1]` of node `join` in workflow `flow` wants `float`, but `load.result` is `str`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "several outputs passed as one": (
        """
        @workflow
        def flow() -> float:
            return train(split(1.0))
        """,
        "TypeMismatchError",
        3,
        "Input `x` of node `train` in workflow `flow` wants `float`, but `split` has several outputs",
        "Pass one of them: `split.small`, `split.large`",
    ),
    "an output by name passed whole": (
        """
        class Only(NamedTuple):
            size: float

        @task
        def measure() -> Only: ...

        @workflow
        def flow() -> float:
            return train(measure())
        """,
        "TypeMismatchError",
        9,
        "Input `x` of node `train` in workflow `flow` wants `float`, but `measure` has an output by name",
        "Pass `measure.size`",
    ),
    "no output passed as one": (
        """
        @workflow
        def flow() -> float:
            return train(notify())
        """,
        "TypeMismatchError",
        3,
        "Input `x` of node `train` in workflow `flow` wants `float`, but `notify` returns nothing",
        "Use `notify >> ...` to order nodes without passing a value",
    ),
    "unknown field": (
        """
        @workflow
        def flow() -> float:
            return train(score(1.0).acuracy)
        """,
        "UnknownFieldError",
        3,
        "`score.result` in workflow `flow`: `Metrics` has no field `acuracy`",
        "Did you mean `accuracy`?",
    ),
    "index of a scalar": (
        """
        @workflow
        def flow() -> float:
            return train(score(1.0).rows[0][1])
        """,
        "UnknownFieldError",
        3,
        "`score.result.rows[0]` in workflow `flow`: `int` has no `[1]` that a workflow can reach",
        "Compute it in a task",
    ),
    "unknown output": (
        """
        @workflow
        def flow() -> int:
            return split(1.0).smal
        """,
        "UnknownOutputError",
        3,
        "Node `split` in workflow `flow` has no output `smal`",
        "Did you mean `small`?",
    ),
    "missing output": (
        """
        @workflow
        def flow() -> float:
            train(1.0)
        """,
        "MissingOutputError",
        1,
        "Output `result` of workflow `flow` is declared as `float`, but the body returns nothing for it",
        "Return a value, or annotate the workflow `-> None`",
    ),
    "undeclared output": (
        """
        @workflow
        def flow() -> None:
            return train(1.0)
        """,
        "TypeMismatchError",
        1,
        "Workflow `flow` is annotated `-> None`, but returns `train.result`",
        "Annotate what it returns, or remove the `return`",
    ),
    "output of another type": (
        """
        @workflow
        def flow() -> float:
            return load()
        """,
        "TypeMismatchError",
        1,
        "Output `result` of workflow `flow` wants `float`, but `load.result` is `str`",
        "Change one of the two annotations, or convert the value in a task between them",
    ),
    "another result than named outputs": (
        """
        @workflow
        def flow() -> Parts:
            return load()
        """,
        "TypeMismatchError",
        1,
        "Workflow `flow` is annotated `-> Parts`, but returns `load.result`",
        "Return `Parts(small=..., large=...)`",
    ),
    "duplicate id": (
        """
        @workflow
        def flow() -> float:
            load()
            return train(1.0).with_overrides(name="load")
        """,
        "DuplicateIdError",
        4,
        "Two nodes in workflow `flow` are named `load`",
        "Give one of them another `name`",
    ),
    "impossible id": (
        """
        @workflow
        def flow() -> float:
            return train(1.0).with_overrides(name="a.b")
        """,
        "DuplicateIdError",
        3,
        "`a.b` in workflow `flow` is no name for a node",
        "Use letters, digits, `_` and `-`",
    ),
    "renamed after use": (
        """
        @workflow
        def flow() -> float:
            first = train(1.0)
            train(first)
            first.with_overrides(name="first")
            return first
        """,
        "OverrideError",
        5,
        "Node `train` in workflow `flow` is renamed to `first` after it was used",
        'Write `.with_overrides(name="first")` right behind the call',
    ),
    "unknown override": (
        """
        @workflow
        def flow() -> float:
            return train(1.0).with_overrides(retries=3)
        """,
        "OverrideError",
        3,
        "Node `train` has no option `retries`",
        "Did you mean `retry`?",
    ),
    "override on a sub-workflow": (
        """
        @workflow
        def inner() -> float:
            return train(1.0)

        @workflow
        def flow() -> float:
            return inner().with_overrides(retry=Retry(3))
        """,
        "OverrideError",
        7,
        "Node `inner` in workflow `flow` is a sub-workflow and has no `retry`",
        "Override them on the tasks inside it; only `name` can be set on a sub-workflow",
    ),
    "promise of another workflow": (
        """
        kept = []

        @workflow
        def inner() -> float:
            kept.append(train(1.0))
            return kept[0]

        @workflow
        def flow() -> float:
            inner()
            return train(kept[0])
        """,
        "ForeignPromiseError",
        11,
        "Input `x` of node `train` in workflow `flow` is `train.result`, a promise of workflow `inner`",
        "Return it from `inner`, call `inner` here and use what that returns",
    ),
    "recursive workflow": (
        """
        @workflow
        def flow(n: int) -> float:
            return flow(n)
        """,
        "CycleError",
        3,
        "Workflow `flow` calls itself",
        "A graph cannot repeat itself: put the repetition into a task",
    ),
    "truth of a promise": (
        """
        @workflow
        def flow() -> float:
            x = train(1.0)
            if x:
                return x
            return train(x)
        """,
        "PromiseError",
        4,
        "Promise `train.result` in workflow `flow` is used as a truth value",
        "Decide in a task: the same graph is built for every run",
    ),
    "comparison of a promise": (
        """
        @workflow
        def flow(n: int) -> float:
            return train(1.0 if n > 3 else 2.0)
        """,
        "PromiseError",
        3,
        "Promise `n` in workflow `flow` is compared",
        "Decide in a task: the same graph is built for every run",
    ),
    "arithmetic with a promise": (
        """
        @workflow
        def flow() -> float:
            return train(1 + train(1.0))
        """,
        "PromiseError",
        3,
        "Promise `train.result` in workflow `flow` is used in arithmetic",
        "Compute with it in a task: its value is there only when the workflow runs",
    ),
    "promise in an f-string": (
        """
        @workflow
        def flow() -> float:
            return train(f"{load()}")
        """,
        "PromiseError",
        3,
        "Promise `load.result` in workflow `flow` is turned into text",
        "Format the text in a task; `repr()` shows the promise itself",
    ),
    "length of a promise": (
        """
        @workflow
        def flow() -> float:
            return train(len(score(1.0).rows))
        """,
        "PromiseError",
        3,
        "Promise `score.result.rows` in workflow `flow` is asked for its length",
        "Compute with it in a task: its value is there only when the workflow runs",
    ),
    "loop over a promise": (
        """
        @workflow
        def flow() -> float:
            return join([train(x) for x in score(1.0).rows])
        """,
        "PromiseError",
        3,
        "Promise `score.result.rows` in workflow `flow` is iterated over, but how many items it has is not "
        "known yet",
        "Loop over it in a task",
    ),
    "order with something else": (
        """
        @workflow
        def flow() -> float:
            x = train(1.0)
            x >> 3
            return x
        """,
        "PromiseError",
        4,
        "`>>` orders results of calls, not `int`",
        "Write `first(...) >> second(...)`, or lists of such results",
    ),
    "input that waits": (
        """
        @workflow
        def flow(x: float) -> float:
            notify() >> x
            return x
        """,
        "PromiseError",
        3,
        "Promise `x` in workflow `flow` is an input and cannot wait",
        "Put the result of a task on the right of `>>`",
    ),
    "annotation that cannot cross": (
        """
        @task
        def odd(x: complex) -> float: ...

        @workflow
        def flow() -> float:
            return odd(1j)
        """,
        "UnsupportedAnnotationError",
        6,
        "Input `x` of task `odd`: Type `complex` cannot cross a boundary",
        None,
    ),
    "default that does not fit": (
        """
        @workflow
        def flow(n: int = "three") -> float:
            return train(n)
        """,
        "UnsupportedAnnotationError",
        1,
        "The default of input `n` of workflow `flow` does not fit `int`: Expected `int`, got str 'three'",
        "Pass a value of that type, or change the type hint",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_message(tmp_path: Path, case: str) -> None:
    body, code, line, text, hint = CASES[case]
    (error,) = errors_of(tmp_path, body).errors
    assert error.code == code
    shown = f"{text}\n  --> {tmp_path / 'flow.py'}:{HEADER_LINES + line}"
    hint = error.hint if hint is None else hint
    assert str(error) == f"{shown}\n\nhint: {hint}"


def test_cycle_shows_its_path_and_what_waits_behind_it(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        """
        @workflow
        def flow() -> float:
            a = train(1.0).with_overrides(name="a")
            b = train(a).with_overrides(name="b")
            c = train(b).with_overrides(name="c")
            b >> a
            return c
        """,
    )
    assert [error.code for error in errors.errors] == ["CycleError", "UnreachableNodeError"]
    cycle, behind = errors.errors
    assert str(cycle) == (
        "Nodes of workflow `flow` wait for each other: a -> b -> a\n"
        f"  --> {tmp_path / 'flow.py'}:{HEADER_LINES + 3}\n\n"
        "hint: Remove one `>>`, or one use of an earlier result"
    )
    assert str(behind) == (
        "Nodes `c` in workflow `flow` can never run: they wait for that cycle\n"
        f"  --> {tmp_path / 'flow.py'}:{HEADER_LINES + 5}\n\n"
        "hint: Remove the cycle"
    )


def test_all_problems_are_raised_together(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        """
        @workflow
        def inner() -> float:
            return train(load())

        @workflow
        def flow() -> float:
            train(1.0, ephocs=3)
            inner()
            inner()
            return train()
        """,
    )
    file = tmp_path / "flow.py"
    assert str(errors) == (
        "3 problems in workflow `flow`\n"
        "\n"
        "1. Node `train` in workflow `flow` is given `ephocs`, which task `train` does not take\n"
        f"  --> {file}:{HEADER_LINES + 7}\n"
        "\n"
        "hint: Did you mean `epochs`?\n"
        "\n"
        "2. Input `x` of node `train` in workflow `inner` wants `float`, but `load.result` is `str`\n"
        f"  --> {file}:{HEADER_LINES + 3}\n"
        "\n"
        "hint: Change one of the two annotations, or convert the value in a task between them\n"
        "\n"
        "3. Input `x` of node `train_2` in workflow `flow` has no value\n"
        f"  --> {file}:{HEADER_LINES + 10}\n"
        "\n"
        "hint: Write `train(x=...)` with a `float`, or give it a default"
    )


def test_problems_before_a_promise_error_are_kept(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        """
        @workflow
        def flow() -> float:
            train()
            return train(-train(1.0))
        """,
    )
    assert [error.code for error in errors.errors] == ["UnboundInputError", "PromiseError"]


def test_as_data(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        """
        @workflow
        def flow() -> float:
            return train()
        """,
    )
    assert errors.to_dict() == {
        "code": "CompileErrors",
        "errors": [
            {
                "code": "UnboundInputError",
                "message": "Input `x` of node `train` in workflow `flow` has no value",
                "hint": "Write `train(x=...)` with a `float`, or give it a default",
                "workflow": "flow",
                "node": "train",
                "file": str(tmp_path / "flow.py"),
                "line": HEADER_LINES + 3,
            }
        ],
    }


def test_mutual_recursion_is_a_cycle(tmp_path: Path) -> None:
    errors = errors_of(
        tmp_path,
        """
        @workflow
        def other(n: int) -> float:
            return flow(n)

        @workflow
        def flow(n: int) -> float:
            return other(n)
        """,
    )
    (error,) = errors.errors
    assert error.text == "Workflow `flow` calls itself, through `other`"


def test_order_with_a_node_of_another_workflow(tmp_path: Path) -> None:
    (error,) = errors_of(
        tmp_path,
        """
        kept = []

        @workflow
        def inner() -> None:
            kept.append(notify())

        @workflow
        def flow() -> None:
            inner()
            kept[0] >> notify()
        """,
    ).errors
    assert str(error) == (
        "`>>` in workflow `flow` orders node `notify` of workflow `inner`\n"
        f"  --> {tmp_path / 'flow.py'}:{HEADER_LINES + 10}\n\n"
        "hint: Order the call of `inner` itself"
    )


def test_a_bug_in_the_body_is_the_authors_own_exception(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text(HEADER + "@workflow\ndef flow() -> float:\n    return [][1]\n")
    with pytest.raises(IndexError):
        find_workflow(file, "flow").compile()
