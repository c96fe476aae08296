"""What people type, and what they read when it does not fit."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardpoint.core.store import BlobStore
from hardpoint.core.types import Directory, File, InputTextError, Pickled, codec_for
from hardpoint.core.types.examples import example, form
from hardpoint.core.types.text import parse_text
from hardpoint.plugin_api import ErrorKind
from hardpoint.plugin_api.literal_rules import problem


class Colour(enum.Enum):
    RED = 1
    BLUE = 2
    Mauve = 3
    MAUVE = 4


@dataclasses.dataclass
class Job:
    name: str
    wait: dt.timedelta = dt.timedelta(0)
    colour: Colour | None = None
    counts: dict[int, int | float] = dataclasses.field(default_factory=dict)


class Point(NamedTuple):
    x: int
    y: float


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def read(hint: Any, text: str, store: BlobStore) -> Any:
    codec = codec_for(hint)
    wire = parse_text(codec.type, text, store)
    assert problem(codec.type, wire) is None
    return codec.decode(msgspec.json.decode(msgspec.json.encode(wire)), store)


VALUES: list[tuple[Any, str, Any]] = [
    (int, "42", 42),
    (int, " -7 ", -7),
    (float, "0.5", 0.5),
    (float, "1e3", 1000.0),
    (float, "-inf", float("-inf")),
    (str, "", ""),
    (str, " null ", " null "),
    (str, "@channel", "@channel"),
    (str, "@@file.json", "@file.json"),
    (str, "caf\udce9", "caf\udce9"),
    (bool, "true", True),
    (bool, "No", False),
    (bool, "1", True),
    (None, "null", None),
    (bytes, "aGVsbG8=", b"hello"),
    (Decimal, "12.50", Decimal("12.50")),
    (uuid.UUID, "12345678123456781234567812345678", uuid.UUID("12345678-1234-5678-1234-567812345678")),
    (dt.date, "2024-05-01", dt.date(2024, 5, 1)),
    (dt.datetime, "2024-05-01", dt.datetime(2024, 5, 1)),
    (dt.datetime, "2024-05-01T12:00Z", dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)),
    (dt.time, "12:30", dt.time(12, 30)),
    (dt.timedelta, "PT1H30M", dt.timedelta(hours=1.5)),
    (dt.timedelta, "P2D", dt.timedelta(2)),
    (dt.timedelta, "P1W", dt.timedelta(7)),
    (dt.timedelta, "90", dt.timedelta(seconds=90)),
    (dt.timedelta, "-0.25", dt.timedelta(seconds=-0.25)),
    (Colour, "RED", Colour.RED),
    (Colour, "blue", Colour.BLUE),
    (Colour, "Mauve", Colour.Mauve),
    (Literal["fast", 1, True, None], "fast", "fast"),
    (Literal["fast", 1, True, None], "1", 1),
    (Literal["fast", 1, True, None], "true", True),
    (Literal["fast", 1, True, None], "null", None),
    (int | None, "null", None),
    (str | None, "null", None),
    (str | None, "x", "x"),
    (int | str, "5", 5),
    (int | str, "x", "x"),
    (str | int, "5", "5"),
    (int | float, "5", 5),
    (int | float, "5.0", 5.0),
    (dt.date | dt.datetime, "2024-05-01T01:00", dt.datetime(2024, 5, 1, 1)),
    (list[int] | None, "[1, 2]", [1, 2]),
    (list[str], '["a", "null"]', ["a", "null"]),
    (list[str | None], '["a", null]', ["a", None]),
    (list[float], '[1, 2.5, "nan"]', [1.0, 2.5, float("nan")]),
    (list[dt.date], '["2024-05-01"]', [dt.date(2024, 5, 1)]),
    (
        list[dt.timedelta],
        '["PT1H", 90, [0, 5, 0]]',
        [dt.timedelta(hours=1), dt.timedelta(seconds=90), dt.timedelta(seconds=5)],
    ),
    (list[Decimal], '[1, "2.50"]', [Decimal(1), Decimal("2.50")]),
    (tuple[int, str], '[1, "a"]', (1, "a")),
    (tuple[int, ...], "[]", ()),
    (dict[str, int], '{"b": 1, "a": 2}', {"b": 1, "a": 2}),
    (dict[int, str], '{"2": "b"}', {2: "b"}),
    (dict[int, str], '[[2, "b"]]', {2: "b"}),
    (dict[Colour, bool], '{"red": true}', {Colour.RED: True}),
    (dict[dt.date, None], '{"2024-05-01": null}', {dt.date(2024, 5, 1): None}),
    (Point, '{"x": 1, "y": 2}', Point(1, 2.0)),
    (Job, '{"name": "a"}', Job("a")),
    (
        Job,
        '{"name": "a", "wait": "PT5S", "colour": "red", "counts": {"1": 2, "3": 4.5}}',
        Job("a", dt.timedelta(seconds=5), Colour.RED, {1: 2, 3: 4.5}),
    ),
    (list[int | float], '[1, 1.0, {"variant": 1, "value": 3}]', [1, 1.0, 3.0]),
    (list[Job | Point], '[{"x": 1, "y": 2}, {"name": "a"}]', [Point(1, 2.0), Job("a")]),
]


@pytest.mark.parametrize(("hint", "text", "value"), VALUES, ids=[ascii(row[1]) for row in VALUES])
def test_text_is_read_by_its_type(hint: Any, text: str, value: Any, store: BlobStore) -> None:
    found = read(hint, text, store)

    assert (repr(found), type(found)) == (repr(value), type(value))


@pytest.mark.parametrize(
    ("hint", "content", "value"),
    [
        (int, "42", 42),
        (str, '"from a file"', "from a file"),
        (Job, '{"name": "a", "wait": 1.5}', Job("a", dt.timedelta(seconds=1.5))),
        (list[int] | None, "null", None),
        (dt.date, '"2024-05-01"', dt.date(2024, 5, 1)),
    ],
)
def test_any_type_is_read_from_a_json_file(
    hint: Any, content: str, value: Any, tmp_path: Path, store: BlobStore
) -> None:
    path = tmp_path / "input.json"
    path.write_text(content)

    assert read(hint, f"@{path}", store) == value


NAMES = "a date and time, such as `2024-05-01T12:00:00+02:00` or `2024-05-01T12:00:00+02:00[Europe/Paris]`"
JSON_JOB = 'Write JSON, such as `{"name": "text"}`'
ERRORS: list[tuple[Any, str, str, str]] = [
    (int, "x", "Expected `int`, got `x`", "Write a whole number, such as `42`"),
    (int, "1.0", "Expected `int`, got `1.0`", "Write a whole number, such as `42`"),
    (float, "", "Expected `float`, got ``", "Write a number, such as `0.5`, or `nan`, `inf`, `-inf`"),
    (bool, "maybe", "Expected `bool`, got `maybe`", "Write `true` or `false`"),
    (None, "x", "Expected `none`, got `x`", "Write `null`"),
    (bytes, "?", "Expected `bytes`, got `?`", "Write base64 text, such as `aGVsbG8=`"),
    (dt.datetime, "tomorrow", "Expected `datetime`, got `tomorrow`", f"Write {NAMES}"),
    (
        dt.datetime,
        "2024-05-01T12:00[Mars/Base]",
        "Expected `datetime`, got `2024-05-01T12:00[Mars/Base]`",
        f"Write {NAMES}",
    ),
    (
        dt.timedelta,
        "1h",
        "Expected `timedelta`, got `1h`",
        "Write a duration, such as `PT1H30M` or `P2D`, or seconds, such as `90`",
    ),
    (Colour, "BLEU", "Expected `Colour{RED, BLUE, Mauve, MAUVE}`, got `BLEU`", "Did you mean `BLUE`?"),
    (Colour, "mauve", "Expected `Colour{RED, BLUE, Mauve, MAUVE}`, got `mauve`", "Did you mean `Mauve`?"),
    (
        Colour,
        "x",
        "Expected `Colour{RED, BLUE, Mauve, MAUVE}`, got `x`",
        "Write one of `RED`, `BLUE`, `Mauve`, `MAUVE`",
    ),
    (Literal["fast", 1], "slow", "Expected `Literal['fast', 1]`, got `slow`", "Write one of `fast`, `1`"),
    (int | None, "x", "Expected `int | None`, got `x`", "Write a whole number, such as `42`, or `null`"),
    (
        list[int],
        "1,2",
        "Expected JSON for `list[int]`, got `1,2`: JSON is malformed: trailing characters (byte 2)",
        "Write JSON, such as `[42]`",
    ),
    (list[int], '{"a": 1}', 'Expected `list[int]`, got `{"a": 1}`', "Write JSON, such as `[42]`"),
    (
        list[list[int]],
        '[[1], [2, "3"]]',
        'Expected `int`, got `"3"` at `[1][1]`',
        "Write a whole number, such as `42`",
    ),
    (
        tuple[int, str],
        "[1]",
        "Expected `tuple[int, str]`, got 1 items [1]",
        'Write JSON, such as `[42, "text"]`',
    ),
    (dict[int, str], '{"x": "a"}', "Expected `int`, got `x`", "Write a whole number, such as `42`"),
    (dict[str, Job], '{"k": {"name": 5}}', 'Expected `str`, got `5` at `["k"].name`', "Write any text"),
    (Job, "{}", "Field `name` of `Job` is missing", JSON_JOB),
    (
        Job,
        '{"name": "a", "nmae": 1}',
        "`Job` has no field `nmae`",
        "Its fields are `name`, `wait`, `colour`, `counts`",
    ),
    (
        Job,
        "@no/such.json",
        "Cannot read `no/such.json`: No such file or directory",
        "Give the path of a JSON file after the `@`",
    ),
    (File, "no/such.txt", "No file `no/such.txt`", "Give the path of a file that exists"),
    (Directory, "no/such", "No folder `no/such`", "Give the path of a local folder that exists"),
    (
        np.ndarray,
        "x.txt",
        "Expected `ndarray`, got `x.txt`",
        "Write the path of a `.npy` file, such as `data/weights.npy`",
    ),
    (
        pd.DataFrame,
        "x.txt",
        "Expected `pandas table`, got `x.txt`",
        "Write the path of a `.parquet` or `.csv` file, such as `data/train.csv`",
    ),
    (pd.DataFrame, "no.parquet", "No file `no.parquet`", "Give the path of a file that exists"),
    (
        Pickled[Job],
        "x",
        "A `Pickled[Job]` cannot be typed",
        "Call the workflow from Python, or give the input another type",
    ),
]


@pytest.mark.parametrize(("hint", "text", "message", "use"), ERRORS, ids=[row[2][:50] for row in ERRORS])
def test_text_that_does_not_fit_is_refused(
    hint: Any, text: str, message: str, use: str, store: BlobStore
) -> None:
    with pytest.raises(InputTextError) as caught:
        parse_text(codec_for(hint).type, text, store)

    assert (caught.value.message, caught.value.hint) == (message, use)
    assert caught.value.kind is ErrorKind.USER


def test_a_json_file_that_is_none_is_said(tmp_path: Path, store: BlobStore) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{")

    with pytest.raises(InputTextError) as caught:
        parse_text(codec_for(Job).type, f"@{path}", store)

    assert caught.value.message == f"Expected JSON for `Job` in `{path}`: Input data was truncated"


def test_files_and_folders_are_named_by_path(tmp_path: Path, store: BlobStore) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a")

    file = read(File, f"{tmp_path}/folder/a.txt", store)
    folder = read(Directory | None, f"{tmp_path}/folder", store)
    several = read(list[File], f'["{tmp_path}/folder/a.txt"]', store)

    assert (file.read_text(), file.name) == ("a", "a.txt")
    assert [path.name for path in folder.files()] == ["a.txt"]
    assert several == [file]


def test_arrays_and_tables_are_named_by_path(tmp_path: Path, store: BlobStore) -> None:
    frame = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    np.save(tmp_path / "a.npy", np.arange(3))
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)

    assert read(np.ndarray, f"{tmp_path}/a.npy", store).tolist() == [0, 1, 2]
    for name in ("t.parquet", "t.csv"):
        pd.testing.assert_frame_equal(read(pd.DataFrame, f"{tmp_path}/{name}", store), frame)


@pytest.mark.parametrize(
    ("hint", "name", "shown"), [(np.ndarray, "a.npy", "npy"), (pd.DataFrame, "t.parquet", "parquet")]
)
def test_a_file_of_another_kind_is_refused_before_it_is_kept(
    hint: Any, name: str, shown: str, tmp_path: Path, store: BlobStore
) -> None:
    path = tmp_path / name
    path.write_text("something else")

    with pytest.raises(InputTextError) as caught:
        parse_text(codec_for(hint).type, str(path), store)

    assert caught.value.message == f"`{path}` is not a .{shown} file by its content"


@pytest.mark.parametrize("hint", [row[0] for row in VALUES], ids=str)
def test_the_example_of_every_form_is_read(hint: Any, store: BlobStore) -> None:
    type = codec_for(hint).type
    shown = form(type)

    wire = parse_text(
        list_type := codec_for(list[hint]).type, msgspec.json.encode([example(type)]).decode(), store
    )

    assert problem(list_type, wire) is None
    assert shown


@given(st.timedeltas())
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_seconds_say_any_duration_exactly(value: dt.timedelta) -> None:
    micros = value // dt.timedelta(microseconds=1)
    text = f"{'-' if micros < 0 else ''}{abs(micros) // 1_000_000}.{abs(micros) % 1_000_000:06d}"

    wire = parse_text(codec_for(dt.timedelta).type, text, BlobStore("unused"))

    assert dt.timedelta(*wire) == value
