"""A promise is not its value: whatever needs the value says what to use instead."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hardpoint.core.compile_errors import PromiseError
from hardpoint.core.loading import load_module
from hardpoint.core.promise import node
from hardpoint.plugin_api import UsageError

HEADER = """
from dataclasses import dataclass
from typing import NamedTuple
from hardpoint.core import task, workflow

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
def score(x: float) -> Metrics: ...

@task
def split(x: float) -> Parts: ...
"""

REFUSED: list[Callable[[Any], object]] = [
    bool,
    iter,
    len,
    str,
    int,
    float,
    complex,
    operator.index,
    operator.neg,
    operator.pos,
    operator.invert,
    abs,
    round,
    math.floor,
    math.ceil,
    math.trunc,
    "{}".format,
    lambda x: x == 1,
    lambda x: x != 1,
    lambda x: x < 1,
    lambda x: x <= 1,
    lambda x: x > 1,
    lambda x: x >= 1,
    lambda x: 1 in x,
    lambda x: x + 1,
    lambda x: 1 - x,
    lambda x: x * 2,
    lambda x: x / 2,
    lambda x: x // 2,
    lambda x: x % 2,
    lambda x: x**2,
    lambda x: 2**x,
    lambda x: x @ x,
    lambda x: divmod(x, 2),
    lambda x: x & 1,
    lambda x: x | 1,
    lambda x: x ^ 1,
    lambda x: x << 1,
    lambda x: x(),
    lambda x: x[x],
    lambda x: operator.setitem(x, 0, 1),
]


@pytest.mark.parametrize("use", REFUSED)
def test_a_promise_is_not_its_value(tmp_path: Path, use: Callable[[Any], object]) -> None:
    errors = []

    def attempt(promise: Any) -> None:
        try:
            use(promise)
        except PromiseError as error:
            errors.append(error)

    file = tmp_path / "flow.py"
    body = "@workflow\ndef flow(n: int) -> None:\n    attempt(n)\n    attempt(load(n))\n"
    file.write_text(HEADER + "attempt = None\n" + body)
    module = load_module(file)
    vars(module)["attempt"] = attempt
    module.flow.compile()
    assert len(errors) == 2
    assert all(error.hint for error in errors)


def test_promises_show_themselves_to_debuggers(tmp_path: Path) -> None:
    shown: list[str] = []
    file = tmp_path / "flow.py"
    body = "    for each in (n, score(1.0).rows[0], split(1.0), split):\n        shown.append(repr(each))\n"
    file.write_text(HEADER + "shown = None\n@workflow\ndef flow(n: int) -> None:\n" + body)
    module = load_module(file)
    vars(module)["shown"] = shown
    module.flow.compile()
    assert shown == [
        "<promise of `n`: int>",
        "<promise of `score.result.rows[0]`: int>",
        "<node `split` with outputs `small`, `large`>",
        "<task `split` of flow.py>",
    ]


def test_node_is_for_what_a_call_returned() -> None:
    with pytest.raises(UsageError) as caught:
        node(3)
    assert str(caught.value) == (
        "`3` is not the result of a task or sub-workflow\n\n"
        "hint: Inside a @workflow, give `node` what a call returned"
    )
