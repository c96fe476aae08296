"""Real notebooks in real kernels, through the handler as a worker calls it."""

from __future__ import annotations

import datetime as dt
import json
import logging
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    AnyType,
    ArrayType,
    DictType,
    FileType,
    FrameType,
    Interface,
    ListType,
    PickledType,
    Reference,
    Shape,
    SimpleKind,
    SimpleType,
    StructField,
    StructType,
    TaskSpec,
    TupleType,
    UserError,
    Variable,
)
from hardpoint_notebook import plugin
from hardpoint_notebook.handler import NotebookHandler

FLOAT, INT, STR = (SimpleType(kind) for kind in (SimpleKind.FLOAT, SimpleKind.INT, SimpleKind.STR))
METRICS = StructType("Metrics", (StructField("accuracy", FLOAT), StructField("n", INT)))


def code(source: str, *tags: str) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "execution_count": None,
        "outputs": [],
    }


def text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def write_notebook(path: Path, *cells: dict[str, Any], kernel: str = "python3") -> Path:
    spec = {"name": kernel, "display_name": kernel, "language": "python"}
    document = {"cells": cells, "metadata": {"kernelspec": spec}, "nbformat": 4, "nbformat_minor": 4}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


class FakeFunctionContext:
    """What a worker gives to a handler, with everything it is told kept for the test."""

    execution, node, attempt = "run-1", "report", 1
    logger = logging.getLogger("test-notebook")

    def __init__(self, folder: Path, spec: TaskSpec) -> None:
        self.spec = spec
        self.code_dir, self.scratch_dir = folder / "code", folder / "scratch"
        self.code_dir.mkdir(exist_ok=True)
        self.scratch_dir.mkdir()
        self.store = BlobStore(str(folder / "blobs"))
        self.values = LiteralValues(self.store)
        self.noted: list[tuple[float, float, str]] = []
        self.artifacts: dict[str, Reference] = {}

    def secret(self, name: str) -> str:
        raise KeyError(name)

    def progress(self, done: float, total: float, note: str = "") -> None:
        self.noted.append((done, total, note))

    def artifact(self, title: str, reference: Reference) -> None:
        self.artifacts[title] = reference

    def executed(self) -> Any:
        return json.loads(self.store.read_bytes(self.artifacts["Executed notebook"]))

    def page(self) -> str:
        return self.store.read_bytes(self.artifacts["Report"]).decode()


def context_for(
    folder: Path,
    inputs: Mapping[str, AnyType] | None = None,
    outputs: Mapping[str, AnyType] | None = None,
    **config: Any,
) -> FakeFunctionContext:
    interface = Interface(
        tuple(Variable(name, type) for name, type in (inputs or {}).items()),
        tuple(Variable(name, type) for name, type in (outputs or {}).items()),
    )
    config = {"notebook": "report.ipynb", **config}
    return FakeFunctionContext(folder, TaskSpec("flows/etl.py:report", "notebook", "1", interface, config))


@pytest.fixture
def notebook(tmp_path: Path) -> Callable[..., Path]:
    """Write the archived notebook of the tests' task."""

    def write(*cells: dict[str, Any], **options: Any) -> Path:
        return write_notebook(tmp_path / "code" / "flows" / "report.ipynb", *cells, **options)

    return write


def run(context: FakeFunctionContext, **values: Any) -> dict[str, Any]:
    """Run with natural values in and out."""
    types = {variable.name: variable.type for variable in context.spec.interface.inputs}
    wires = {name: context.values.encode(types[name], value) for name, value in values.items()}
    outputs = NotebookHandler().run(context, wires)
    return {
        variable.name: context.values.decode(variable.type, outputs[variable.name])
        for variable in context.spec.interface.outputs
    }


def test_the_entry_point_leads_to_the_plugin() -> None:
    [found] = entry_points(group="hardpoint.plugins", name="notebook")
    assert found.load() is plugin
    [declared] = plugin.task_types()
    assert (declared.name, declared.shape) == ("notebook", Shape.FUNCTION)


PLAIN_INPUTS: dict[str, AnyType] = {"n": INT, "word": STR, "ratio": FLOAT, "names": ListType(STR)}
OTHER_INPUTS: dict[str, AnyType] = {
    "table": FrameType("pandas"),
    "grid": ArrayType(),
    "when": SimpleType(SimpleKind.DATETIME),
    "price": SimpleType(SimpleKind.DECIMAL),
    "raw": SimpleType(SimpleKind.BYTES),
    "metrics": METRICS,
    "pair": TupleType((INT, STR)),
    "counts": DictType(INT, STR),
    "source": FileType(),
    "anything": PickledType("object"),
}
CHECKS = """
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
import math, numpy, pandas

assert (n, word, names) == (10**30, 'say "é"\\n', ["a", "b"]) and math.isnan(ratio)
assert isinstance(table, pandas.DataFrame) and table["x"].tolist() == [1, 2]
assert isinstance(grid, numpy.ndarray) and grid.shape == (2, 3)
assert when == datetime(2024, 5, 6, tzinfo=timezone.utc) and price == Decimal("1.10") and raw == b"\\x00\\xff"
assert metrics == {"accuracy": 0.5, "n": 3} and pair == (1, "x") and counts == {7: "seven"}
assert isinstance(source, Path) and source.read_text() == "data"
assert anything == {1, 2}
"""


def test_inputs_are_variables_with_their_python_values(tmp_path: Path, notebook: Callable[..., Path]) -> None:
    (tmp_path / "data.txt").write_text("data")
    source = notebook(text("# Title"), code("n = 0", "parameters"), code(CHECKS), code("print('said', n)"))
    before = source.read_bytes()
    context = context_for(tmp_path, {**PLAIN_INPUTS, **OTHER_INPUTS})
    run(
        context,
        n=10**30,
        word='say "é"\n',
        ratio=math.nan,
        names=["a", "b"],
        table=pd.DataFrame({"x": [1, 2]}),
        grid=np.zeros((2, 3)),
        when=dt.datetime(2024, 5, 6, tzinfo=dt.UTC),
        price=Decimal("1.10"),
        raw=b"\x00\xff",
        metrics={"accuracy": 0.5, "n": 3},
        pair=(1, "x"),
        counts={7: "seven"},
        source=tmp_path / "data.txt",
        anything={1, 2},
    )
    tags = [cell["metadata"].get("tags", []) for cell in context.executed()["cells"]]
    assert tags == [[], ["parameters"], ["injected-parameters"], ["hardpoint-inputs"], [], []]
    assert source.read_bytes() == before
    assert [path.name for path in source.parent.iterdir()] == ["report.ipynb"]


RECORDS = """
from dataclasses import dataclass
from pathlib import Path
import numpy, pandas
from hardpoint_notebook import record
import helper

@dataclass
class Metrics:
    accuracy: float
    n: int

Path("plot.txt").write_text(str(helper.ANSWER))
record(accuracy=numpy.float64(0.25), metrics=Metrics(0.5, 3), table=pandas.DataFrame({"x": [1]}))
record(grid=numpy.arange(3), plot="plot.txt", accuracy=0.75, model={"weights", "bias"})
print("on standard output")
"""


def test_recorded_values_are_the_outputs(
    tmp_path: Path, notebook: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    notebook(text("Costs $5.\n\n## What is left"), code(RECORDS)).with_name("helper.py").write_text(
        "ANSWER = 42"
    )
    outputs: dict[str, AnyType] = {
        "accuracy": FLOAT,
        "metrics": METRICS,
        "table": FrameType("pandas"),
        "grid": ArrayType(),
        "plot": FileType(),
        "model": PickledType("set"),
        "notebook": FileType(),
        "html": FileType(),
    }
    context = context_for(tmp_path, None, outputs, with_notebook=True, with_html=True)
    given = run(context)
    assert (given["accuracy"], given["metrics"]) == (0.75, {"accuracy": 0.5, "n": 3})
    assert given["table"].equals(pd.DataFrame({"x": [1]})) and given["grid"].tolist() == [0, 1, 2]
    assert given["plot"].read_text() == "42" and given["model"] == {"weights", "bias"}
    assert json.loads(given["notebook"].read_text()) == context.executed()
    assert given["html"].read_text() == context.page()
    assert "on standard output" in capsys.readouterr().out
    assert context.noted == [(0, 2, "What is left"), (1, 2, "What is left")]
    assert "<script src=" not in context.page() and "cdnjs" not in context.page()
    assert context.artifacts["Report"].name == "report.html"


def failure_of(context: FakeFunctionContext) -> UserError:
    with pytest.raises(UserError) as caught:
        NotebookHandler().run(context, {})
    return caught.value


def test_a_failing_cell_is_named_with_its_line_and_exception(
    tmp_path: Path, notebook: Callable[..., Path]
) -> None:
    notebook(
        text("# Title"),
        code("raise KeyError('expected')", "raises-exception"),
        code("x = 1\n\ny = x / 0  # wrong\n"),
        code("print('never')"),
    )
    context = context_for(tmp_path)
    error = failure_of(context)
    assert str(error) == (
        "Cell 3 of `report.ipynb` failed at line 3, `y = x / 0  # wrong`: "
        "ZeroDivisionError: division by zero\n\n"
        "hint: The executed notebook is attached to the attempt, with every output up to that cell"
    )
    info = error.info()
    assert (info.code, info.bases[:2]) == ("CellFailed", ("ZeroDivisionError", "NotebookError"))
    assert "----> 3 y = x / 0" in info.traceback and "\x1b" not in info.traceback
    assert str(error.__cause__).endswith("ZeroDivisionError: division by zero")
    kinds = [
        output["output_type"] for cell in context.executed()["cells"] for output in cell.get("outputs", [])
    ]
    assert kinds == ["error", "error"]
    assert "ZeroDivisionError" in context.page()


def test_an_expected_exception_does_not_stop_the_notebook(
    tmp_path: Path, notebook: Callable[..., Path]
) -> None:
    notebook(
        code("raise KeyError('expected')", "raises-exception"),
        code("from hardpoint_notebook import record\nrecord(n=1)"),
    )
    context = context_for(tmp_path, None, {"n": INT})
    assert run(context) == {"n": 1}
    assert len(context.executed()["cells"]) == 2


def test_a_slow_cell_is_stopped(tmp_path: Path, notebook: Callable[..., Path]) -> None:
    notebook(code("import time"), code("time.sleep(600)"))
    context = context_for(tmp_path, cell_timeout_s=0.5)
    error = failure_of(context)
    assert str(error) == (
        "Cell 2 of `report.ipynb` ran longer than 0.5 s at `time.sleep(600)`\n\n"
        "hint: Raise `cell_timeout_s` of the `NotebookTask`, or split the cell"
    )
    assert error.code == "CellTimeout"
    assert "Executed notebook" in context.artifacts


def test_a_kernel_that_dies_is_told_with_its_status(tmp_path: Path, notebook: Callable[..., Path]) -> None:
    notebook(code("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"))
    error = failure_of(context_for(tmp_path))
    assert str(error) == (
        "The kernel died (exit status -9) in cell 1 of `report.ipynb` (it begins `import os, signal`)\n\n"
        "hint: Status -9 often means that memory ran out: give the task more with `Resources(memory_bytes=…)`"
    )


WRONG_OUTPUTS = {
    "from hardpoint_notebook import record\nrecord(acuracy=1.0)": (
        "Cell 1 of `report.ipynb` failed at line 2, `record(acuracy=1.0)`: "
        "UsageError: `record` was given `acuracy`, "
        "but the task of `report.ipynb` declares `accuracy: float`, `n: int`\n\n"
        "hint: Did you mean `accuracy`?"
    ),
    "from hardpoint_notebook import record\nrecord(accuracy=1.0)": (
        "`report.ipynb` ended without its output `n: int`; it recorded `accuracy`\n\n"
        "hint: Add to a cell: `from hardpoint_notebook import record; record(n=…)`"
    ),
    "from hardpoint_notebook import record\nrecord(accuracy='high', n=1)": (
        "Output `accuracy` of `report.ipynb` is declared `float`, but the notebook recorded `str`: 'high'"
    ),
    "from hardpoint_notebook import record\nrecord(n=object())": (
        "Cell 1 of `report.ipynb` failed at line 2, `record(n=object())`: UsageError: "
        "A value of class `builtins.object` cannot leave the notebook\n\n"
        "hint: Record plain values, dates, paths, arrays, tables or dataclasses of them, "
        "or declare the output `Pickled[…]`"
    ),
}


@pytest.mark.parametrize("source", WRONG_OUTPUTS, ids=["undeclared", "missing", "mistyped", "not portable"])
def test_outputs_must_be_what_the_task_declares(
    tmp_path: Path, notebook: Callable[..., Path], source: str
) -> None:
    notebook(code(source))
    error = failure_of(context_for(tmp_path, None, {"accuracy": FLOAT, "n": INT}))
    assert str(error).startswith(WRONG_OUTPUTS[source])


def test_a_missing_kernel_is_told_before_anything_runs(tmp_path: Path, notebook: Callable[..., Path]) -> None:
    notebook(code("1"), kernel="julia-1.9")
    error = failure_of(context_for(tmp_path))
    assert error.message.startswith(
        "There is no Jupyter kernel `julia-1.9` to run `report.ipynb` with; installed: `python3`"
    )
    assert error.hint == (
        'Choose one with `NotebookTask(…, kernel="…")`, or install it, such as with '
        "`python -m ipykernel install --sys-prefix --name julia-1.9`"
    )


def test_a_missing_template_is_told_before_anything_runs(
    tmp_path: Path, notebook: Callable[..., Path]
) -> None:
    notebook(code("1"))
    error = failure_of(context_for(tmp_path, html_template="fancy"))
    assert str(error) == (
        "There is no nbconvert template `fancy` for the page of `report.ipynb`\n\n"
        "hint: `lab`, `classic` and `basic` are always there; set `html_template` of the `NotebookTask`"
    )
