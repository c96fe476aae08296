"""Files, folders, arrays, tables and pickles, which travel by reference."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hardpoint.core.store import BlobStore, StoreError
from hardpoint.core.types import DecodeError, Directory, EncodeError, File, Pickled, codec_for
from hardpoint.plugin_api import FrameType
from hardpoint.plugin_api.literal_rules import problem


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def there_and_back(hint: Any, value: Any, store: BlobStore) -> Any:
    codec = codec_for(hint)
    wire = msgspec.json.decode(msgspec.json.encode(codec.encode(value, store)))
    assert problem(codec.type, wire) is None
    assert codec.matches(value)
    return codec.decode(wire, store)


ARRAYS: dict[str, Callable[[], Any]] = {
    "float": lambda: np.array([1.0, np.nan, -0.0, np.inf]),
    "no dimension": lambda: np.array(5),
    "empty": lambda: np.zeros((0, 3), dtype="int16"),
    "big-endian": lambda: np.arange(3, dtype=">i4"),
    "bool": lambda: np.array([[True], [False]]),
    "text": lambda: np.array(["a", "bcd"]),
    "bytes": lambda: np.array([b"a", b"bcd"]),
    "complex": lambda: np.array([1 + 2j]),
    "moments": lambda: np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"),
    "structured": lambda: np.array([(1, 2.0, [1, 2])], dtype=[("a", "i2"), ("b", ">f8"), ("c", "i1", (2,))]),
    "aligned": lambda: np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "Fortran": lambda: np.asfortranarray(np.arange(6).reshape(2, 3)),
    "every other": lambda: np.arange(12).reshape(3, 4)[:, ::2],
    "backwards": lambda: np.arange(5)[::-1],
    "float16": lambda: np.array([0.5], dtype="f2"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_exactly(name: str, store: BlobStore) -> None:
    value = ARRAYS[name]()

    found = there_and_back(np.ndarray, value, store)

    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (value.dtype, value.shape)
    assert found.tobytes() == value.tobytes() or (name == "aligned" and found.tolist() == value.tolist())
    is_fortran = value.flags.f_contiguous and not value.flags.c_contiguous
    assert (found.flags.f_contiguous and not found.flags.c_contiguous) == is_fortran
    assert found.flags.writeable


class Kin(np.ndarray[Any, Any]):
    pass


def test_array_hints_with_arguments_are_arrays(store: BlobStore) -> None:
    hint = dict[str, npt.NDArray[np.float64]]

    found = there_and_back(hint, {"a": np.array([1.5])}, store)

    assert found["a"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("value", "message", "use"),
    [
        (
            np.array([{}, 1], dtype=object),
            "An array of dtype `object` holds Python objects",
            "Give it another dtype, or change the type hint to `Pickled[np.ndarray]`",
        ),
        (
            np.zeros(2).view(Kin),
            "Expected `ndarray`, got Kin Kin([0., 0.])",
            "`Kin` would come back as a plain array: pass `np.asarray(value)`",
        ),
        ([1, 2], "Expected `ndarray`, got list [1, 2]", "Pass `np.asarray(value)`"),
    ],
)
def test_what_is_no_plain_array_is_refused(value: Any, message: str, use: str, store: BlobStore) -> None:
    with pytest.raises(EncodeError) as caught:
        codec_for(np.ndarray).encode(value, store)

    assert (caught.value.message, caught.value.hint) == (message, use)


def test_an_array_of_objects_written_by_others_is_not_unpickled(tmp_path: Path, store: BlobStore) -> None:
    path = tmp_path / "evil.npy"
    np.save(path, np.array([print], dtype=object), allow_pickle=True)
    wire = msgspec.to_builtins(store.put_file(path, format="npy"))

    with pytest.raises(DecodeError) as caught:
        codec_for(np.ndarray).decode(wire, store)

    assert caught.value.message == "Not a `.npy` file: Object arrays cannot be loaded when allow_pickle=False"


def _pandas() -> dict[str, pd.DataFrame]:
    moments = pd.date_range("2024-01-01", periods=3, freq="h", tz="Europe/Paris")
    notes = pd.DataFrame({"x": [1]})
    notes.attrs = {"unit": "m", "nested": {"a": [1]}}
    return {
        "plain": pd.DataFrame({"i": [1, 2], "f": [0.5, np.nan], "s": ["a", None], "b": [True, False]}),
        "empty": pd.DataFrame(),
        "no columns": pd.DataFrame(index=pd.RangeIndex(5)),
        "range index": pd.DataFrame({"x": [1, 2]}, index=pd.RangeIndex(10, 30, 10)),
        "named index": pd.DataFrame({"x": [1, 2]}, index=pd.Index(["a", "b"], name="key")),
        "index of two levels": pd.DataFrame(
            {"x": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["k", None])
        ),
        "columns of two levels": pd.DataFrame(
            [[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])
        ),
        "columns are numbers": pd.DataFrame([[1, 2]], columns=[0, 5]),
        "category": pd.DataFrame({"c": pd.Categorical(["a", "b"], categories=["b", "a", "z"], ordered=True)}),
        "moments": pd.DataFrame({"x": [1, 2, 3]}, index=moments),
        "zones": pd.DataFrame({"t": moments, "d": pd.to_timedelta([1, 2, 3], unit="s")}),
        "nullable": pd.DataFrame(
            {
                "i": pd.array([1, None], "Int8"),
                "b": pd.array([True, None], "boolean"),
                "f": pd.array([1.5, None], "Float64"),
            }
        ),
        "arrow": pd.DataFrame({"x": pd.Series([1, None], dtype="int64[pyarrow]")}),
        "periods": pd.DataFrame({"p": pd.period_range("2024-01", periods=2, freq="M")}),
        "intervals": pd.DataFrame({"i": pd.interval_range(0, 2)}),
        "objects": pd.DataFrame(
            {"a": pd.Series(["x", "y"], dtype=object), "n": pd.Series([1, 2], dtype=object)}
        ),
        "dates": pd.DataFrame({"d": [dt.date(2024, 1, 1), None]}),
        "seconds": pd.DataFrame({"t": np.array(["2024-01-01"], dtype="datetime64[s]")}),
        "index of seconds": pd.DataFrame(
            {"x": [1]}, index=pd.DatetimeIndex(["2024-01-01"], dtype="datetime64[s]")
        ),
        "category without rows": pd.DataFrame({"c": pd.Categorical([], categories=["b", "a"])}),
        "category of nothing": pd.DataFrame({"c": pd.Categorical([None, None], categories=["b", "a"])}),
        "category of numbers": pd.DataFrame({"c": pd.Categorical([3, 1, 3], categories=[3, 2, 1])}),
        "category index": pd.DataFrame({"x": [1]}, index=pd.CategoricalIndex(["a"], categories=["b", "a"])),
        "timedelta index": pd.DataFrame({"x": [1, 2]}, index=pd.timedelta_range(0, periods=2, freq="D")),
        "category of moments": pd.DataFrame(
            {"c": pd.Categorical(moments[:1], categories=moments, ordered=True)}
        ),
        "category index of numbers": pd.DataFrame(
            {"x": [1]}, index=pd.CategoricalIndex([2], categories=[2, 1], name="k")
        ),
        "dicts": pd.DataFrame({"x": [{"a": 1}, None]}),
        "arrays in cells": pd.DataFrame({"x": [np.array([1, 2]), None]}),
        "lists": pd.DataFrame({"x": [[1, 2], []]}),
        "attrs": notes,
    }


@pytest.mark.parametrize("name", _pandas())
def test_a_pandas_table_comes_back_exactly(name: str, store: BlobStore) -> None:
    value = _pandas()[name]

    found = there_and_back(pd.DataFrame, value, store)

    assert type(found) is pd.DataFrame
    pd.testing.assert_frame_equal(found, value, check_freq=True, check_exact=True)
    assert found.attrs == value.attrs
    assert type(found.index) is type(value.index)


@pytest.mark.parametrize("name", [None, "x", 5])
def test_a_pandas_series_comes_back_exactly(name: Any, store: BlobStore) -> None:
    value = pd.Series([1.5, None], index=["a", "b"], name=name)
    value.attrs = {"unit": "m"}

    found = there_and_back(pd.Series, value, store)

    pd.testing.assert_series_equal(found, value)
    assert found.attrs == value.attrs
    assert str(codec_for(pd.Series).type) == "series table"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (pd.DataFrame({"x": [1, "a"]}), "Conversion failed for column x with type object"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "Duplicate column names found: ['a', 'a']"),
        (pd.DataFrame({1: [1], "a": [2]}), "the labels of its columns are of several types"),
        (pd.DataFrame({"x": [(1, 2)]}), "column `x` holds tuple: make its cells lists"),
        (pd.DataFrame({"x": [1 + 2j]}), "Unsupported numpy type 15"),
    ],
)
def test_a_table_without_a_parquet_form_is_refused(value: Any, reason: str, store: BlobStore) -> None:
    with pytest.raises(EncodeError) as caught:
        codec_for(pd.DataFrame).encode(value, store)

    assert caught.value.message.startswith("This `DataFrame` has no Parquet form: ")
    assert reason in caught.value.message
    assert caught.value.hint == (
        "Give every column one type and a name of its own, or change the type hint to `Pickled[DataFrame]`"
    )


def test_attributes_that_json_cannot_hold_are_refused(store: BlobStore) -> None:
    value = pd.DataFrame({"x": [1]})
    value.attrs = {"t": (1, 2)}

    with pytest.raises(EncodeError) as caught:
        codec_for(pd.DataFrame).encode(value, store)

    assert caught.value.message == (
        "This `DataFrame` has no Parquet form: its `attrs` hold more than JSON values"
    )


def test_a_pyarrow_table_comes_back_with_its_metadata(store: BlobStore) -> None:
    schema = pa.schema(
        [
            pa.field("a", pa.int32(), nullable=False, metadata={"unit": "m"}),
            pa.field("d", pa.dictionary(pa.int8(), pa.string())),
            pa.field("t", pa.timestamp("ns", tz="Europe/Paris")),
            pa.field("l", pa.list_(pa.struct([("x", pa.decimal128(5, 2))]))),
            pa.field("s", pa.large_string()),
        ],
        metadata={"owner": "me"},
    )
    rows = [{"a": 1, "d": "x", "t": dt.datetime(2024, 1, 1), "l": [{"x": None}], "s": "y"}]
    value = pa.Table.from_pylist(rows, schema=schema)

    found = there_and_back(pa.Table, value, store)

    assert found.schema.equals(value.schema, check_metadata=True)
    assert found.equals(value)


def test_a_polars_table_comes_back_exactly(store: BlobStore) -> None:
    value = pl.DataFrame(
        {
            "i": [1, None],
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "e": pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])),
            "d": [dt.timedelta(1), None],
            "t": pl.Series([dt.time(1), None]),
            "l": [[1], []],
            "u": pl.Series([1, 2], dtype=pl.UInt8),
            "z": pl.Series([dt.datetime(2024, 1, 1), None], dtype=pl.Datetime("ms", "Europe/Paris")),
        }
    )

    found = there_and_back(pl.DataFrame, value, store)

    assert found.schema == value.schema
    assert found.equals(value)


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"x": [1], "y": ["a"]}),
        pa.table({"x": [1], "y": ["a"]}),
        pl.DataFrame({"x": [1], "y": ["a"]}),
    ],
    ids=["pandas", "pyarrow", "polars"],
)
@pytest.mark.parametrize("target", [pd.DataFrame, pa.Table, pl.DataFrame])
def test_every_flavour_reads_every_other(value: Any, target: Any, store: BlobStore) -> None:
    found = codec_for(target).decode(codec_for(type(value)).encode(value, store), store)

    assert type(found) is target
    rows = found.to_dict("records") if target is pd.DataFrame else pa.table(found).to_pylist()
    assert rows == [{"x": 1, "y": "a"}]


def test_a_table_that_is_not_parquet_is_refused(store: BlobStore) -> None:
    wire = msgspec.to_builtins(store.put_bytes(b"a,b\n1,2\n", format="parquet"))

    for hint in (pd.DataFrame, pl.DataFrame):
        with pytest.raises(DecodeError, match=r"Not a Parquet file that p.* reads"):
            codec_for(hint).decode(wire, store)


def test_flavours_are_told_apart() -> None:
    found = [codec_for(hint).type for hint in (pd.DataFrame, pa.Table, pl.DataFrame, pd.Series)]

    assert found == [FrameType("pandas"), FrameType("pyarrow"), FrameType("polars"), FrameType("series")]


def test_a_file_is_kept_and_fetched_under_its_name(tmp_path: Path, store: BlobStore) -> None:
    path = tmp_path / "train.csv"
    path.write_text("a\n1\n")
    wire = codec_for(File).encode(File(path), store)
    path.unlink()

    found = codec_for(File).decode(wire, store)

    assert (found.name, found.path.name, found.read_text(), found.read_bytes()) == (
        "train.csv",
        "train.csv",
        "a\n1\n",
        b"a\n1\n",
    )
    with found.open("r") as stream:
        assert stream.readline() == "a\n"
    assert pd.read_csv(found)["a"].tolist() == [1]
    assert found.path is found.path
    assert found == codec_for(File).decode(wire, store)
    assert codec_for(File).encode(found, store) == wire


def test_a_file_whose_name_is_not_text_comes_back(tmp_path: Path, store: BlobStore) -> None:
    path = tmp_path / "caf\udce9.bin"
    path.write_bytes(b"x")

    found = there_and_back(File, File(path), store)

    assert (found.name, found.path.name, found.read_bytes()) == ("caf\udce9.bin", "caf\udce9.bin", b"x")


def test_a_remote_file_is_copied_into_the_store(store: BlobStore) -> None:
    with fsspec.open("memory://elsewhere/x.txt", "wb") as stream:
        stream.write(b"remote")

    found = there_and_back(File, File("memory://elsewhere/x.txt"), store)

    assert (found.read_text(), found.name) == ("remote", "x.txt")


def test_a_folder_comes_back_with_everything_below_it(tmp_path: Path, store: BlobStore) -> None:
    folder = tmp_path / "model"
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "run.sh").write_text("#!/bin/sh\necho hi\n")
    (folder / "deep" / "run.sh").chmod(0o755)

    found = there_and_back(Directory, Directory(folder), store)

    assert (found.name, found.path.name) == ("model", "model")
    assert [str(path.relative_to(found.path)) for path in found.files()] == ["a.txt", "deep/run.sh"]
    assert (found.path / "deep" / "empty").is_dir()
    assert subprocess.run([found.path / "deep" / "run.sh"], capture_output=True, text=True).stdout == "hi\n"


@pytest.mark.parametrize(
    ("hint", "make", "message", "use"),
    [
        (File, lambda p: File(p / "no.txt"), "No file `{}/no.txt`", "Give the path of a file that exists"),
        (File, lambda p: File(p), "`{}` is a folder, not a file", "Use `Directory` for a folder"),
        (
            Directory,
            lambda p: Directory(p / "no"),
            "No folder `{}/no`",
            "Give the path of a local folder that exists",
        ),
        (File, lambda p: str(p), "Expected `File`, got str '{}'", "Pass `File(path)`"),
    ],
)
def test_what_is_not_there_is_said(
    hint: Any, make: Callable[[Path], Any], message: str, use: str, tmp_path: Path, store: BlobStore
) -> None:
    short = Path("/tmp/hp") if "Expected" in message else tmp_path

    with pytest.raises(EncodeError) as caught:
        codec_for(hint).encode(make(short), store)

    assert (caught.value.message, caught.value.hint) == (message.format(short), use)


class Model:
    """Something only a pickle can hold."""

    def __init__(self, weights: set[int]) -> None:
        self.weights = weights


class BigModel(Model):
    pass


def test_a_pickle_keeps_the_class_of_the_value(store: BlobStore) -> None:
    found = there_and_back(Pickled[Model], BigModel({1, 2}), store)

    assert type(found) is BigModel
    assert found.weights == {1, 2}
    assert str(codec_for(Pickled[Model]).type) == "Pickled[Model]"
    assert there_and_back(list[Pickled[set[int]] | None], [{1}, None], store) == [{1}, None]


def test_a_pickle_that_was_changed_is_never_read(store: BlobStore) -> None:
    codec = codec_for(Pickled[Model])
    wire = codec.encode(Model({1}), store)
    blob = Path(wire["uri"])
    blob.chmod(0o644)
    blob.write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")

    with pytest.raises(StoreError, match=r"The blob at `.*` is corrupt: its digest is `sha256:"):
        codec.decode(wire, store)


def test_plain_hints_import_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from hardpoint.core.types import codec_for\n"
        "from hardpoint.core.types.text import parse_text\n"
        "from hardpoint.core.types.natural import LiteralValues\n"
        "from hardpoint.core.store import BlobStore\n"
        f"store = BlobStore({str(tmp_path)!r})\n"
        "codec = codec_for(dict[str, list[int | None]])\n"
        "codec.decode(codec.encode({'a': [1, None]}, store), store)\n"
        "store.read_bytes(store.put_bytes(b'x', format='bytes'))\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'polars', 'pydantic', 'fsspec', 'sqlalchemy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
