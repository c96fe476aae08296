"""What `NotebookTask` accepts, and what it makes of it, without a kernel."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import uuid
import zoneinfo
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from hardpoint.plugin_api import (
    Cache,
    FileType,
    Parameter,
    Secret,
    UsageError,
    UserError,
)
from hardpoint_notebook import NotebookTask, exchange, read_input, record
from hardpoint_notebook.parameters import split


def write(path: Path, *sources: str, **cell: Any) -> Path:
    cells = [{"cell_type": "code", "metadata": {}, "source": source, **cell} for source in sources]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    return path


def define(folder: Path, arguments: str) -> NotebookTask:
    """Run `task = NotebookTask(arguments)` as line 3 of `flow.py` in `folder`."""
    flow = folder / "flow.py"
    flow.write_text(f"from hardpoint_notebook import NotebookTask\n\ntask = NotebookTask({arguments})\n")
    names: dict[str, Any] = {}
    exec(compile(flow.read_text(), str(flow), "exec"), names)
    task = names["task"]
    assert isinstance(task, NotebookTask)
    return task


def refusal(folder: Path, arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        define(folder, arguments)
    return str(caught.value).replace(str(folder), "FOLDER")


def test_a_task_is_told_by_the_file_that_defines_it(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    notebook = write(tmp_path / "books" / "monthly report.ipynb", "1")
    task = define(
        tmp_path,
        "'books/monthly report.ipynb', inputs={'n': int}, outputs={'accuracy': float}, kernel='python3', "
        "cell_timeout_s=2.5, with_html=True, cache=True, timeout=60, deadline=90, secrets=['token']",
    )
    assert (task.name, task.task_type, task.file) == ("monthly_report", "notebook", tmp_path / "flow.py")
    assert str(task.position) == f"{tmp_path / 'flow.py'}:3"
    assert task.inputs == {"n": Parameter(int)}
    assert task.outputs == {"accuracy": float, "html": FileType()}
    assert task.files == (notebook,)
    assert task.config == {
        "notebook": "books/monthly report.ipynb",
        "kernel": "python3",
        "cell_timeout_s": 2.5,
        "with_html": True,
    }
    options = task.options
    assert (options.cache, options.timeout_s, options.deadline_s) == (Cache(), 60, 90)
    assert task.options.secrets == (Secret("token"),)


def test_the_version_follows_the_sources_and_the_files(tmp_path: Path) -> None:
    helper = tmp_path / "helper.py"
    helper.write_text("x = 1")

    def version(*sources: str, **cell: Any) -> str:
        write(tmp_path / "a.ipynb", *sources, **cell)
        return define(tmp_path, "'a.ipynb', files=['helper.py']").version

    first = version("x = 1", "x")
    assert version("x = 1", "x", execution_count=9, outputs=[{"output_type": "stream", "text": "1"}]) == first
    assert version("x = 2", "x") != first
    helper.write_text("x = 2")
    assert version("x = 1", "x") != first
    assert define(tmp_path, "'a.ipynb', version='3'").version == "3"


REFUSALS = {
    "'reprot.ipynb'": "No notebook `reprot.ipynb` in `FOLDER`\n\nhint: Did you mean `report.ipynb`?",
    "'unknown.ipynb'": "No notebook `unknown.ipynb` in `FOLDER`\n\n"
    "hint: Notebooks there: `broken.ipynb`, `old.ipynb`, `other.ipynb`, `report.ipynb`",
    "'broken.ipynb'": "Notebook `FOLDER/broken.ipynb` is not valid JSON: "
    "Expecting value: line 1 column 1 (char 0)\n\n"
    "hint: Open and save it in Jupyter; after a merge conflict, look for `<<<<<<<` in the file",
    "'old.ipynb'": "Notebook `FOLDER/old.ipynb` has format 3, not 4\n\n"
    "hint: Convert it with `jupyter nbconvert --to notebook --inplace old.ipynb`",
    "'other.ipynb'": "`FOLDER/other.ipynb` is JSON, but not a notebook\n\n"
    "hint: Give the path of an `.ipynb` file",
    "'/data/report.ipynb'": "The notebook's path `/data/report.ipynb` is absolute\n\n"
    "hint: Give it relative to `FOLDER`, so that the workflow also runs elsewhere",
    "'report.ipynb', inputs={'class': int}": "Input `class` of notebook `report.ipynb` is not a Python name"
    "\n\nhint: Inputs become variables, and outputs keywords of `record`: use letters, digits and `_`",
    "'report.ipynb', outputs={'a b': int}": "Output `a b` of notebook `report.ipynb` is not a Python name\n\n"
    "hint: Inputs become variables, and outputs keywords of `record`: use letters, digits and `_`",
    "'report.ipynb', outputs={'html': str}, with_html=True": "Output `html` of `report.ipynb` is declared, "
    "and `with_html=True` adds it again\n\nhint: Rename the declared output or leave out `with_html`",
    "'report.ipynb', files=['data']": "No file `data` in `FOLDER`, "
    "which `files` of the notebook task `report.ipynb` names\n\n"
    "hint: Each entry of `files` is one file's path, relative to the file that defines the task",
}


@pytest.mark.parametrize("arguments", REFUSALS)
def test_what_cannot_be_a_task_is_refused_where_it_is_defined(tmp_path: Path, arguments: str) -> None:
    write(tmp_path / "report.ipynb", "1")
    (tmp_path / "broken.ipynb").write_text("<<<<<<< HEAD\n{}")
    (tmp_path / "old.ipynb").write_text('{"nbformat": 3, "worksheets": []}')
    (tmp_path / "other.ipynb").write_text("[1]")
    assert refusal(tmp_path, arguments) == REFUSALS[arguments]


def test_a_task_needs_a_file_to_be_relative_to() -> None:
    with pytest.raises(UsageError) as caught:
        exec(compile("NotebookTask('a.ipynb')", "<stdin>", "exec"), {"NotebookTask": NotebookTask})
    assert str(caught.value) == (
        "A task was defined in `<stdin>`, which is not a file\n\n"
        "hint: Define it in a Python file, so that the project it belongs to can be taken along"
    )


def test_by_hand_nothing_is_recorded_and_nothing_can_be_read() -> None:
    record(accuracy=1.0)
    with pytest.raises(UsageError) as caught:
        read_input("table")
    assert str(caught.value) == (
        "Input `table` is only there while a workflow runs the notebook\n\n"
        "hint: To work by hand, set the variable in the cell tagged `parameters`"
    )


def test_long_values_stay_out_of_the_code() -> None:
    plain, others = split({"short": [1], "long": list(range(1000)), "pair": (1, 2), "nested": [{"a": None}]})
    assert (list(plain), list(others)) == (["short", "nested"], ["long", "pair"])


def test_only_python_kernels_get_more_than_plain_values() -> None:
    long = list(range(1000))
    assert split({"long": long}, "R", "a.ipynb") == ({"long": long}, {})
    with pytest.raises(UserError) as caught:
        split({"n": 1, "data": b"1"}, "R", "a.ipynb")
    assert str(caught.value) == (
        "Inputs `data` of `a.ipynb` cannot be handed to a kernel for R\n\n"
        "hint: Such a kernel takes numbers, text, and lists and dicts of them"
    )


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: str


@dataclass
class Metrics:
    accuracy: float


class Point(msgspec.Struct):
    x: int


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
SAME = [
    None,
    True,
    10**40,
    -0.5,
    math.inf,
    "é\n",
    [1, [2]],
    {"a": {"b": None}},
    {"$": 1},
    {1: "one", (2, 3): "tuple"},
    (1, (2, "x")),
    b"\x00\xff",
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1),
    dt.datetime(2024, 5, 6, 7),
    dt.date(2024, 5, 6),
    dt.time(1, 2, 3),
    dt.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.10"),
    uuid.UUID(int=7),
    Path("/tmp/x"),
]


@pytest.mark.parametrize("value", SAME, ids=repr)
def test_values_come_back_from_the_folder(tmp_path: Path, value: Any) -> None:
    packed = json.loads(json.dumps(exchange.pack(value, tmp_path)))
    back = exchange.unpack(packed)
    assert back == value and type(back) is type(value)
    if isinstance(value, dt.datetime):
        assert (back.tzinfo, back.fold) == (value.tzinfo, value.fold)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Colour.RED, "RED"),
        (Pair(1, "x"), {"left": 1, "right": "x"}),
        ([Metrics(0.5)], [{"accuracy": 0.5}]),
        (Point(3), {"x": 3}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
    ],
    ids=repr,
)
def test_values_of_other_classes_become_plain(tmp_path: Path, value: Any, expected: Any) -> None:
    assert exchange.unpack(exchange.pack(value, tmp_path)) == expected


def test_arrays_and_tables_become_files(tmp_path: Path) -> None:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    array = np.arange(6, dtype=np.int8).reshape(2, 3)
    back = exchange.unpack(exchange.pack(array, tmp_path))
    assert back.dtype == array.dtype and (back == array).all()
    frame = pd.DataFrame({"x": [1, 2]}, index=["a", "b"])
    assert exchange.unpack(exchange.pack(frame, tmp_path)).equals(frame)
    for table in (pl.DataFrame({"x": [1, 2]}), pa.table({"x": [1, 2]})):
        assert exchange.unpack(exchange.pack(table, tmp_path))["x"].tolist() == [1, 2]


def test_pickles_are_only_written_where_they_are_allowed(tmp_path: Path) -> None:
    assert exchange.unpack(exchange.pack({1, 2}, tmp_path, allow_pickle=True)) == {1, 2}
    assert exchange.unpack(exchange.pack(np.array([{}]), tmp_path, allow_pickle=True))[0] == {}
    with pytest.raises(UsageError) as caught:
        exchange.pack(np.array([{}]), tmp_path)
    assert str(caught.value) == (
        "A numpy value of dtype `object` cannot leave the notebook\n\n"
        "hint: Arrays of Python objects have no portable form: convert it, such as with `.astype(str)`"
    )
