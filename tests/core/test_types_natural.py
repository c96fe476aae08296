"""Values by type alone, for plugins that do not have the author's classes."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types import Directory, EncodeError, File, Pickled, codec_for
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import Values


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Metrics:
    score: float
    colour: Colour = Colour.RED


class Key(NamedTuple):
    x: int


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def values(store: BlobStore) -> Values:
    return LiteralValues(store)


@pytest.mark.parametrize(
    ("hint", "natural", "value"),
    [
        (int | None, 5, 5),
        (Colour, "BLUE", Colour.BLUE),
        (Literal["a", 1], "a", "a"),
        (Metrics, {"score": 0.5, "colour": "RED"}, Metrics(0.5)),
        (list[Metrics | None], [{"score": 1.0, "colour": "BLUE"}, None], [Metrics(1.0, Colour.BLUE), None]),
        (dict[Colour, tuple[int, ...]], {"RED": (1, 2)}, {Colour.RED: (1, 2)}),
        (dict[Key, str], [({"x": 1}, "a")], {Key(1): "a"}),
        (Pickled[set[int]], {1, 2}, {1, 2}),
    ],
)
def test_a_natural_value_stands_for_the_authors(
    hint: Any, natural: Any, value: Any, values: Values, store: BlobStore
) -> None:
    codec = codec_for(hint)

    assert values.decode(codec.type, codec.encode(value, store)) == natural
    assert codec.decode(values.encode(codec.type, natural), store) == value


@pytest.mark.parametrize(
    ("hint", "given", "value"),
    [
        (list[int], (1, 2), [1, 2]),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2], (1, 2)),
        (Colour, Colour.RED, Colour.RED),
        (Metrics, {"score": 1}, Metrics(1.0)),
        (float, np.float32(0.5), 0.5),
    ],
)
def test_what_services_return_is_taken(
    hint: Any, given: Any, value: Any, values: Values, store: BlobStore
) -> None:
    codec = codec_for(hint)

    assert codec.decode(values.encode(codec.type, given), store) == value


def test_files_and_folders_are_paths(values: Values, store: BlobStore, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    file_type, folder_type = codec_for(File).type, codec_for(Directory).type

    file = values.decode(file_type, values.encode(file_type, str(folder / "a.txt")))
    found = values.decode(folder_type, values.encode(folder_type, folder))
    either = codec_for(File | Directory).type

    assert isinstance(file, Path)
    assert (file.name, file.read_text()) == ("a.txt", "a")
    assert (found / "a.txt").read_text() == "a"
    assert values.encode(either, folder)["variant"] == 1


@pytest.mark.parametrize(
    "table",
    [pd.DataFrame({"x": [1]}), pl.DataFrame({"x": [1]}), pa.table({"x": [1]}), pd.Series([1], name="x")],
    ids=["pandas", "polars", "pyarrow", "series"],
)
def test_tables_of_any_flavour_are_taken_and_given_as_pandas(table: Any, values: Values) -> None:
    type = codec_for(pl.DataFrame).type

    found = values.decode(type, values.encode(type, table))

    pd.testing.assert_frame_equal(found, pd.DataFrame({"x": [1]}))


def test_arrays_are_arrays(values: Values) -> None:
    type = codec_for(np.ndarray).type

    assert values.decode(type, values.encode(type, np.arange(3))).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("hint", "value", "message", "use"),
    [
        (Colour, "GREEN", "Expected `Colour{RED, BLUE}`, got str 'GREEN'", "Pass the name of a member"),
        (
            Metrics,
            {"score": 1.0, "colour": "X"},
            "Expected `Colour{RED, BLUE}`, got str 'X' at `colour`",
            "Pass the name of a member",
        ),
        (
            pd.DataFrame,
            [1],
            "Expected `pandas table`, got list [1]",
            "Pass a `pandas.DataFrame`, or one of pyarrow or polars",
        ),
        (
            dict[Key, str],
            {1: "a"},
            "Expected `dict[Key, str]`, got dict {1: 'a'}",
            "Pass a list of (key, value) tuples",
        ),
    ],
)
def test_a_wrong_value_is_refused(hint: Any, value: Any, message: str, use: str, values: Values) -> None:
    with pytest.raises(EncodeError) as caught:
        values.encode(codec_for(hint).type, value)

    assert (caught.value.message, caught.value.hint) == (message, use)
