"""Every type that may cross a boundary, from the command line through a worker process and back."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.plugin_api import Reference

HARDPOINT = str(Path(sys.executable).with_name("hardpoint"))
HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello" / "flow.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository with the flows and the files they read."""
    folder = tmp_path_factory.mktemp("types")
    for name in ("plain", "rich"):
        shutil.copy(Path(__file__).with_name(f"{name}_types_flow.py"), folder / f"{name}.py")
    np.save(folder / "array.npy", np.arange(6, dtype=np.int16).reshape(2, 3))
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_parquet(folder / "frame.parquet")
    frame.to_csv(folder / "frame.csv", index=False)
    (folder / "note.txt").write_text("hello")
    (folder / "notes").mkdir()
    (folder / "notes" / "one.txt").write_text("1")
    (folder / "notes" / "two.txt").write_text("2")
    return folder


def hardpoint(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HARDPOINT_HOME": str(folder / "home"), "PYTHONPATH": ""}
    return subprocess.run(
        [HARDPOINT, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def outputs_of(folder: Path, *words: str) -> dict[str, Any]:
    """Outputs of a run that must succeed."""
    ran = hardpoint(folder, "run", *words, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    answer = json.loads(ran.stdout)
    assert (answer["phase"], answer["error"]) == ("SUCCEEDED", None)
    outputs: dict[str, Any] = answer["outputs"]
    return outputs


PLAIN_INPUTS = {
    "whole": "41",
    "big": "123456789012345678901234567890",
    "real": "0.1",
    "odd": "nan",
    "text": "naïve 🛩",
    "flag": "true",
    "raw": base64.b64encode(b"\x00raw").decode(),
    "none": "null",
    "moment": "2024-05-01T12:00:00+02:00[Europe/Paris]",
    "day": "2024-02-29",
    "clock": "07:30:15.25",
    "span": "PT1H30M",
    "price": "12.50",
    "key": "00000000-0000-4000-8000-0000000000ff",
    "colour": "blue",
    "mode": "fast",
    "maybe": "null",
    "either": "three",
    "numbers": "[1, 2, 3]",
    "colours": '{"a": "RED", "bb": "BLUE"}',
    "pair": '[1, "x"]',
    "point": '{"x": 1, "y": 2}',
}

PLAIN_OUTPUTS = {
    "an_int": 42,
    "a_big_int": 123456789012345678901234567891,
    "a_float": 0.2,
    "not_a_number": "nan",
    "a_str": "🛩 evïan",
    "a_bool": False,
    "some_bytes": base64.b64encode(b"\x00raw\x00\xff").decode(),
    "nothing": "None",
    "a_datetime": "2024-05-02T12:00:00+02:00[Europe/Paris]",
    "a_date": "2024-03-01",
    "a_time": "07:59:15.250000",
    "a_timedelta": [-1, 81000, 0],
    "a_decimal": "13.7500",
    "a_uuid": "00000000-0000-4000-8000-000000000100",
    "an_enum": "RED",
    "a_literal": "exact",
    "an_optional": 1,
    "a_union": {"width": 1.5, "unit": "m"},
    "a_list": [0.5, 1.0, 1.5],
    "a_dict": [[1, ["a", "#f00"]], [2, ["bb", "#00f"]]],
    "a_tuple": ["1", "x"],
    "named_tuples": [{"x": 2, "y": 1}, {"x": 2, "y": 1}],
    "x_of_point": 2,
}

RICH_INPUTS = {
    "size": '{"width": 2}',
    "tag": '{"name": "new", "weight": 1}',
    "options": '{"deep": true}',
    "user": '{"name": "ada", "size": {"width": 1.7, "unit": "ft"}}',
    "array": "array.npy",
    "frame": "frame.parquet",
    "csv": "frame.csv",
    "table": "frame.parquet",
    "polars": "frame.parquet",
    "file": "note.txt",
    "folder": "notes",
}

RICH_OUTPUTS = {
    "a_dataclass": {"width": 3.0, "unit": "m"},
    "a_struct": {"name": "NEW", "weight": 0.25},
    "a_typed_dict": {"deep": False, "depth": 1},
    "a_model": {"name": "Ada", "size": {"width": 1.7, "unit": "ft"}},
    "a_prediction": 6.0,
}
BY_REFERENCE = {
    "an_array",
    "a_frame",
    "a_frame_of_csv",
    "a_table",
    "a_polars",
    "a_file",
    "a_folder",
    "a_pickle",
}


def words_of(inputs: dict[str, str]) -> list[str]:
    return [word for name, value in inputs.items() for word in (f"--{name}", value)]


class Stored:
    """Outputs that travel by reference, read from the store."""

    def __init__(self, outputs: dict[str, Any], folder: Path) -> None:
        self._outputs = outputs
        self._store = BlobStore(str(folder / "home" / "blobs"))

    def reference(self, name: str) -> Reference:
        return msgspec.convert(self._outputs[name], Reference)

    def data(self, name: str, format: str) -> io.BytesIO:
        reference = self.reference(name)
        assert reference.format == format
        return io.BytesIO(self._store.read_bytes(reference))

    def path(self, name: str) -> Path:
        return self._store.fetch(self.reference(name))


def test_plain_values_go_through_a_run(project: Path) -> None:
    assert outputs_of(project, "plain.py", "plain", *words_of(PLAIN_INPUTS)) == PLAIN_OUTPUTS


def test_classes_and_what_travels_by_reference_go_through_a_run(project: Path) -> None:
    outputs = outputs_of(project, "rich.py", "rich", *words_of(RICH_INPUTS))
    assert outputs.keys() == RICH_OUTPUTS.keys() | BY_REFERENCE
    assert {name: outputs[name] for name in RICH_OUTPUTS} == RICH_OUTPUTS

    stored = Stored(outputs, project)
    array = np.load(stored.data("an_array", "npy"))
    assert (array.dtype, array.tolist()) == (np.int16, [[0, 2, 4], [6, 8, 10]])
    expected = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [10, 20]})
    for name in ("a_frame", "a_frame_of_csv"):
        pd.testing.assert_frame_equal(pd.read_parquet(stored.data(name, "parquet")), expected)
    assert pq.read_table(stored.data("a_table", "parquet")).to_pylist() == [{"a": 2, "b": "y"}]
    assert pl.read_parquet(stored.data("a_polars", "parquet")).rows() == [(2, "y"), (1, "x")]
    assert stored.data("a_file", "bytes").getvalue() == b"HELLO"
    assert stored.reference("a_file").name == "copy.txt"
    below = stored.path("a_folder") / "below"
    assert {each.name: each.read_text() for each in below.iterdir()} == {"one.txt": "1!", "two.txt": "2!"}
    assert pickle.load(stored.data("a_pickle", "pickle")) == {(2, 3): frozenset({1})}


def test_a_single_value_is_the_result(project: Path) -> None:
    assert outputs_of(project, "plain.py", "single", "--value", "0.30") == {"result": "0.3300"}
    assert outputs_of(project, "plain.py", "single") == {"result": "1.1000"}


def test_a_named_tuple_names_the_outputs(project: Path) -> None:
    assert outputs_of(project, "plain.py", "turned", "--point", '{"x": 1, "y": 2}') == {"x": 2, "y": 1}


def test_no_outputs(project: Path) -> None:
    assert outputs_of(project, "plain.py", "silent") == {}


def test_tables_are_handed_from_library_to_library(project: Path) -> None:
    outputs = outputs_of(project, "rich.py", "from_library_to_library", "--polars", "frame.csv")
    frame = pd.read_parquet(Stored(outputs, project).data("result", "parquet"))
    assert frame.to_dict("records") == [{"a": 1, "b": "x", "c": 10}]


def test_a_value_that_does_not_fit_starts_nothing(project: Path) -> None:
    ran = hardpoint(project, "run", "plain.py", "single", "--value", "many")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines()[-3:] == [
        "Input `value`: Expected `decimal`, got `many`",
        "",
        "hint: Write a decimal number, such as `12.50`",
    ]


def test_the_program_of_the_readme(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_bytes(HELLO.read_bytes())
    assert len([line for line in HELLO.read_text().splitlines() if line.strip()]) <= 15
    assert outputs_of(tmp_path, "flow.py", "hello") == {"result": "6 words and 4 words"}
    ran = hardpoint(tmp_path, "run", "flow.py", "hello", "--first", "one two three")
    assert ran.returncode == 0
    assert 'result = "3 words and 4 words"' in ran.stdout
