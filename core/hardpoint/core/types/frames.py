"""Tables of pandas, pyarrow and polars, by reference as Parquet; each library is imported when used.

Every flavour reads what any other wrote; only pandas keeps its index.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import DecodeError, EncodeError, show_hint, wrong_value
from hardpoint.core.types.parquet import (
    read_arrow,
    read_pandas,
    read_series,
    write_arrow,
    write_pandas,
    write_series,
)
from hardpoint.core.types.references import decode_reference, reference_wire
from hardpoint.plugin_api import FrameType, Store, Wire
from hardpoint.plugin_api.literal_rules import SERIES

PANDAS, PYARROW, POLARS = "pandas", "pyarrow", "polars"
_FLAVOURS = {
    ("pandas", "DataFrame"): PANDAS,
    ("pandas", "Series"): SERIES,
    ("pyarrow", "Table"): PYARROW,
    ("polars", "DataFrame"): POLARS,
}


def flavour_of(cls: type) -> str | None:
    """The flavour of a class of tables, told by name, so that other hints import none of the libraries."""
    return _FLAVOURS.get((cls.__module__.partition(".")[0], cls.__name__))


def frame_codec(cls: type, flavour: str) -> Codec:
    """The codec of `pandas.DataFrame`, `pandas.Series`, `pyarrow.Table` or `polars.DataFrame`."""
    expected = FrameType(flavour)
    write = _WRITERS[flavour]

    def encode(value: Any, store: Store) -> Wire:
        if type(value) is not cls:
            raise wrong_value(expected, value, use=_kin_hint(cls, value))
        try:
            data = write(value)
        except Exception as error:
            if not _is_about_the_table(error):
                raise
            raise _not_parquet(cls, error) from error
        return reference_wire(store.put_bytes(data, format="parquet"))

    def decode(wire: Wire, store: Store) -> Any:
        return read_frame(expected, flavour, wire, store)

    return Codec(expected, encode, decode, lambda value: type(value) is cls, frozenset({cls}))


def read_frame(expected: FrameType, flavour: str, wire: Wire, store: Store) -> Any:
    """The stored table, as one of `flavour`, whoever wrote it."""
    data = store.read_bytes(decode_reference(expected, wire))
    try:
        return _READERS[flavour](data)
    except Exception as error:
        if not _is_about_the_table(error):
            raise
        raise DecodeError(
            f"Not a Parquet file that {flavour} reads: {error}",
            hint="Write it with `DataFrame.to_parquet(path)`",
        ) from error


def _is_about_the_table(error: Exception) -> bool:
    known = isinstance(error, (OSError, ValueError, TypeError, LookupError, NotImplementedError))
    return known or type(error).__module__.partition(".")[0] in ("pyarrow", "polars")


def _kin_hint(cls: type, value: Any) -> str:
    if isinstance(value, cls):
        plain = cls.__name__
        return f"`{show_hint(type(value))}` would come back as a plain `{plain}`: pass `{plain}(value)`"
    if type(value).__name__ == "LazyFrame":
        return "Pass `value.collect()`"
    return ""


def _not_parquet(cls: type, error: Exception) -> EncodeError:
    reason = " ".join(str(error).split())[:300]
    return EncodeError(
        f"This `{cls.__name__}` has no Parquet form: {reason}",
        hint="Give every column one type and a name of its own, or change the type hint to "
        f"`Pickled[{cls.__name__}]`",
    )


def _write_polars(frame: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _read_polars(data: bytes) -> Any:
    import polars as pl

    return pl.read_parquet(io.BytesIO(data))


_WRITERS = {PANDAS: write_pandas, SERIES: write_series, PYARROW: write_arrow, POLARS: _write_polars}
_READERS = {PANDAS: read_pandas, SERIES: read_series, PYARROW: read_arrow, POLARS: _read_polars}


def csv_to_parquet(path: Path) -> bytes:
    """The Parquet form of a CSV file with a header, its column types found by looking at the values."""
    from pyarrow import csv

    return write_arrow(csv.read_csv(str(path)))
