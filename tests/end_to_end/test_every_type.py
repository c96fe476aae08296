"""Every type that may cross a boundary, from the command line through a worker process and back."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
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

FLOW = '''
"""One task for each type: it checks what it was given and returns something else of that type."""

import enum
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, NotRequired, Optional, TypedDict, Union
from uuid import UUID

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic

from hardpoint.core import Directory, File, Pickled, task, workflow


class Colour(enum.Enum):
    RED = "#f00"
    BLUE = "#00f"


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Size:
    width: float
    unit: str = "m"


class Tag(msgspec.Struct):
    name: str
    weight: float = 1.0


class Options(TypedDict):
    deep: bool
    depth: NotRequired[int]


class User(pydantic.BaseModel):
    name: str
    size: Size


class Model:
    def __init__(self, slope: float) -> None:
        self.slope = slope


def given(value: Any, cls: type) -> Any:
    assert type(value) is cls, f"{type(value)} is not {cls}"
    return value


@task
def an_int(value: int) -> int:
    return given(value, int) + 1


@task
def a_float(value: float) -> float:
    return given(value, float) * 2


@task
def a_str(value: str) -> str:
    return given(value, str)[::-1]


@task
def a_bool(value: bool) -> bool:
    return not given(value, bool)


@task
def some_bytes(value: bytes) -> bytes:
    return given(value, bytes) + bytes([0, 255])


@task
def nothing(value: None) -> str:
    return repr(value)


@task
def a_datetime(value: datetime) -> datetime:
    return given(value, datetime) + timedelta(days=1)


@task
def a_date(value: date) -> date:
    return given(value, date) + timedelta(days=1)


@task
def a_time(value: time) -> time:
    return given(value, time).replace(minute=59)


@task
def a_timedelta(value: timedelta) -> timedelta:
    return -given(value, timedelta)


@task
def a_decimal(value: Decimal) -> Decimal:
    return given(value, Decimal) * Decimal("1.10")


@task
def a_uuid(value: UUID) -> UUID:
    return UUID(int=given(value, UUID).int + 1)


@task
def an_enum(value: Colour) -> Colour:
    return {Colour.RED: Colour.BLUE, Colour.BLUE: Colour.RED}[value]


@task
def a_literal(value: Literal["fast", "exact"]) -> Literal["fast", "exact"]:
    return "exact" if value == "fast" else "fast"


@task
def an_optional(value: Optional[int]) -> Optional[int]:
    return 1 if value is None else None


@task
def a_union(value: Union[int, str, Size]) -> Union[int, str, Size]:
    return {int: "was int", str: 7, Size: Size(1.5)}[type(value)]


@task
def a_list(value: list[int]) -> list[float]:
    return [each / 2 for each in given(value, list)]


@task
def a_dict(value: dict[str, Colour]) -> dict[int, list[str]]:
    return {len(key): [key, given(each, Colour).value] for key, each in value.items()}


@task
def a_tuple(value: tuple[int, str]) -> tuple[str, ...]:
    return (str(value[0]), given(value, tuple)[1])


@task
def a_named_tuple(value: Point) -> Point:
    return Point(given(value, Point).y, value.x)


@task
def named_tuples(value: list[Point]) -> list[Point]:
    return [Point(given(each, Point).y, each.x) for each in value]


@task
def a_dataclass(value: Size) -> Size:
    return replace(given(value, Size), width=value.width + 1)


@task
def a_struct(value: Tag) -> Tag:
    return Tag(given(value, Tag).name.upper(), value.weight / 4)


@task
def a_typed_dict(value: Options) -> Options:
    return {"deep": not value["deep"], "depth": value.get("depth", 0) + 1}


@task
def a_model(value: User) -> User:
    return User(name=given(value, User).name.title(), size=given(value.size, Size))


@task
def an_array(value: np.ndarray) -> np.ndarray:
    return given(value, np.ndarray) * 2


@task
def a_frame(value: pd.DataFrame) -> pd.DataFrame:
    return given(value, pd.DataFrame).assign(c=value.a * 10)


@task
def a_table(value: pa.Table) -> pa.Table:
    return given(value, pa.Table).slice(1)


@task
def a_polars(value: pl.DataFrame) -> pl.DataFrame:
    return given(value, pl.DataFrame).reverse()


@task
def a_file(value: File) -> File:
    Path("copy.txt").write_text(Path(given(value, File)).read_text().upper())
    return File("copy.txt")


@task
def a_folder(value: Directory) -> Directory:
    out = Path("out")
    (out / "below").mkdir(parents=True)
    for each in Path(given(value, Directory)).iterdir():
        (out / "below" / each.name).write_text(each.read_text() + "!")
    return Directory(out)


@task
def fit(slope: float) -> Pickled[Model]:
    return Model(slope)


@task
def predict(model: Pickled[Model], x: float) -> float:
    return given(model, Model).slope * x


@task
def reversed_dict(value: Pickled[dict]) -> Pickled[dict]:
    return {each: key for key, each in value.items()}


@task
def odd_dict() -> Pickled[dict]:
    return {frozenset({1}): (2, 3)}


class Everything(NamedTuple):
    an_int: int
    a_big_int: int
    a_float: float
    not_a_number: float
    a_str: str
    a_bool: bool
    some_bytes: bytes
    nothing: str
    a_datetime: datetime
    a_date: date
    a_time: time
    a_timedelta: timedelta
    a_decimal: Decimal
    a_uuid: UUID
    an_enum: Colour
    a_literal: Literal["fast", "exact"]
    an_optional: Optional[int]
    a_union: Union[int, str, Size]
    a_list: list[float]
    a_dict: dict[int, list[str]]
    a_tuple: tuple[str, ...]
    named_tuples: list[Point]
    x_of_point: int
    a_dataclass: Size
    a_struct: Tag
    a_typed_dict: Options
    a_model: User
    an_array: np.ndarray
    a_frame: pd.DataFrame
    a_frame_of_csv: pd.DataFrame
    a_table: pa.Table
    a_polars: pl.DataFrame
    a_file: File
    a_folder: Directory
    a_pickle: Pickled[dict]
    a_prediction: float


@workflow
def everything(
    an_int_: int,
    big: int,
    real: float,
    odd: float,
    text: str,
    flag: bool,
    raw: bytes,
    none: None,
    moment: datetime,
    day: date,
    clock: time,
    span: timedelta,
    price: Decimal,
    key: UUID,
    colour: Colour,
    mode: Literal["fast", "exact"],
    maybe: Optional[int],
    either: Union[int, str, Size],
    numbers: list[int],
    colours: dict[str, Colour],
    pair: tuple[int, str],
    point: Point,
    size: Size,
    tag: Tag,
    options: Options,
    user: User,
    array: np.ndarray,
    frame: pd.DataFrame,
    csv: pd.DataFrame,
    table: pa.Table,
    polars: pl.DataFrame,
    file: File,
    folder: Directory,
) -> Everything:
    turned = a_named_tuple(point)
    return Everything(
        an_int=an_int(an_int_),
        a_big_int=an_int(big),
        a_float=a_float(real),
        not_a_number=a_float(odd),
        a_str=a_str(text),
        a_bool=a_bool(flag),
        some_bytes=some_bytes(raw),
        nothing=nothing(none),
        a_datetime=a_datetime(moment),
        a_date=a_date(day),
        a_time=a_time(clock),
        a_timedelta=a_timedelta(span),
        a_decimal=a_decimal(price),
        a_uuid=a_uuid(key),
        an_enum=an_enum(colour),
        a_literal=a_literal(mode),
        an_optional=an_optional(maybe),
        a_union=a_union(either),
        a_list=a_list(numbers),
        a_dict=a_dict(colours),
        a_tuple=a_tuple(pair),
        named_tuples=named_tuples([point, point]),
        x_of_point=turned.x,
        a_dataclass=a_dataclass(size),
        a_struct=a_struct(tag),
        a_typed_dict=a_typed_dict(options),
        a_model=a_model(user),
        an_array=an_array(array),
        a_frame=a_frame(frame),
        a_frame_of_csv=a_frame(csv),
        a_table=a_table(table),
        a_polars=a_polars(polars),
        a_file=a_file(file),
        a_folder=a_folder(folder),
        a_pickle=reversed_dict(odd_dict()),
        a_prediction=predict(fit(1.5), 4.0),
    )


@workflow
def handed_from_flavour_to_flavour(polars: pl.DataFrame) -> pd.DataFrame:
    return a_frame(a_table(a_polars(polars)))

'''

LIGHT_FLOW = '''
"""What can be seen without the heavy libraries."""

from decimal import Decimal
from typing import NamedTuple

from hardpoint.core import task, workflow


class Point(NamedTuple):
    x: int
    y: int


@task
def double(value: Decimal) -> Decimal:
    return value * 2


@task
def turn(point: Point) -> Point:
    return Point(point.y, point.x)


@task
def say(value: int) -> None:
    print(value)


@workflow
def single(value: Decimal = Decimal("1.10")) -> Decimal:
    return double(value)


@workflow
def turned(point: Point) -> Point:
    return turn(point)


@workflow
def silent(value: int = 1) -> None:
    say(value)
'''


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder outside the repository with the flow and the files it reads."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "flow.py").write_text(FLOW)
    (folder / "light.py").write_text(LIGHT_FLOW)
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


INPUTS = {
    "an-int-": "41",
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
    "a_union": 7,
    "a_list": [0.5, 1.0, 1.5],
    "a_dict": [[1, ["a", "#f00"]], [2, ["bb", "#00f"]]],
    "a_tuple": ["1", "x"],
    "named_tuples": [{"x": 2, "y": 1}, {"x": 2, "y": 1}],
    "x_of_point": 2,
    "a_dataclass": {"width": 3.0, "unit": "m"},
    "a_struct": {"name": "NEW", "weight": 0.25},
    "a_typed_dict": {"deep": False, "depth": 1},
    "a_model": {"name": "Ada", "size": {"width": 1.7, "unit": "ft"}},
    "a_prediction": 6.0,
}


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


def test_every_type_goes_through_a_run(project: Path) -> None:
    words = [word for name, value in INPUTS.items() for word in (f"--{name}", value)]
    outputs = outputs_of(project, "flow.py", "everything", *words)
    assert {name: outputs[name] for name in PLAIN_OUTPUTS} == PLAIN_OUTPUTS

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

    by_reference = {"an_array", "a_frame", "a_frame_of_csv", "a_table", "a_polars", "a_file", "a_folder"}
    assert outputs.keys() == PLAIN_OUTPUTS.keys() | by_reference | {"a_pickle"}


def test_a_single_value_is_the_result(project: Path) -> None:
    assert outputs_of(project, "light.py", "single", "--value", "0.30") == {"result": "0.60"}
    assert outputs_of(project, "light.py", "single") == {"result": "2.20"}


def test_a_named_tuple_names_the_outputs(project: Path) -> None:
    assert outputs_of(project, "light.py", "turned", "--point", '{"x": 1, "y": 2}') == {"x": 2, "y": 1}


def test_no_outputs(project: Path) -> None:
    assert outputs_of(project, "light.py", "silent") == {}


def test_tables_are_handed_from_library_to_library(project: Path) -> None:
    outputs = outputs_of(project, "flow.py", "handed_from_flavour_to_flavour", "--polars", "frame.csv")
    frame = pd.read_parquet(Stored(outputs, project).data("result", "parquet"))
    assert frame.to_dict("records") == [{"a": 1, "b": "x", "c": 10}]


def test_a_value_that_does_not_fit_starts_nothing(project: Path) -> None:
    ran = hardpoint(project, "run", "light.py", "single", "--value", "many")
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
