"""pandas and pyarrow tables as Parquet, and back.

What Parquet and pandas' own metadata do not keep of a pandas table (dtypes, categories, the frequency of
an index, `attrs`) stands in the file's metadata under `hardpoint`; other readers ignore it.
"""

from __future__ import annotations

import base64
import json
from typing import Any

_NOTES = b"hardpoint"
_UNNAMED = "hardpoint_unnamed"
_CATEGORIES = "categories"


def write_arrow(table: Any) -> bytes:
    """The Parquet form of a `pyarrow.Table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    # The compliant form renames the items of lists: a schema would not come back as it was.
    pq.write_table(table, sink, use_compliant_nested_type=False)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def read_arrow(data: bytes) -> Any:
    """The `pyarrow.Table` in a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data))


def write_pandas(frame: Any) -> bytes:
    """The Parquet form of a `pandas.DataFrame`.

    Raises:
        ValueError: Something in it would not come back as it is.
    """
    import pyarrow as pa

    if len({type(label) for label in frame.columns}) > 1:
        raise ValueError("the labels of its columns are of several types")
    table = pa.Table.from_pandas(frame)
    notes = _notes_on(frame, table)
    if notes:
        metadata = {**(table.schema.metadata or {}), _NOTES: json.dumps(notes).encode()}
        table = table.replace_schema_metadata(metadata)
    return write_arrow(table)


def _notes_on(frame: Any, table: Any) -> dict[str, Any]:
    """What would be lost, seen on the same table without rows."""
    restored = read_arrow(write_arrow(table.slice(0, 0))).to_pandas()
    if [*map(type, restored.columns)] != [*map(type, frame.columns)] or not restored.columns.equals(
        frame.columns
    ):
        raise ValueError("the labels of its columns would not come back")
    index = frame.index
    notes: dict[str, Any] = {
        "dtypes": _dtype_notes(frame.dtypes, restored.dtypes),
        "cells": [
            i for i in range(len(frame.columns)) if _holds_lists(frame.iloc[:, i], table.schema.field(i).type)
        ],
        "attrs": _checked_attrs(frame.attrs),
    }
    if index.nlevels == 1:
        notes["index"] = _dtype_notes([index.dtype], [restored.index.dtype]).get(0)
        notes["freq"] = index.freqstr if index.dtype.kind in "mM" and hasattr(index, "freq") else None
    if type(index).__name__ == "RangeIndex" and not len(frame.columns):
        notes["range"] = [index.start, index.stop, index.step]
    return {name: value for name, value in notes.items() if value}


def _dtype_notes(before: Any, after: Any) -> dict[int, Any]:
    pairs = enumerate(zip(before, after, strict=True))
    return {i: _dtype_note(was, now) for i, (was, now) in pairs if was != now or was.name == "category"}


def _dtype_note(was: Any, now: Any) -> Any:
    import pandas as pd

    if isinstance(was, pd.CategoricalDtype):
        categories = write_pandas(pd.DataFrame(index=was.categories))
        return {_CATEGORIES: base64.b64encode(categories).decode(), "ordered": bool(was.ordered)}
    if pd.api.types.pandas_dtype(str(was)) == was:
        return str(was)
    raise ValueError(f"dtype `{was}` would come back as `{now}`")


def _dtype_of(note: Any) -> Any:
    import pandas as pd

    if isinstance(note, str):
        return note
    categories = read_pandas(base64.b64decode(note[_CATEGORIES])).index
    return pd.CategoricalDtype(categories, ordered=note["ordered"])


def _holds_lists(column: Any, arrow_type: Any) -> bool:
    """Whether the cells are lists or dicts, which pyarrow gives back as arrays unless told."""
    import pyarrow as pa

    if column.dtype != "object" or not pa.types.is_nested(arrow_type):
        return False
    classes = {type(cell).__name__ for cell in column if cell is not None}
    if classes <= {"list", "dict"}:
        return True
    if classes == {"ndarray"}:
        return False
    raise ValueError(f"column `{column.name}` holds {' and '.join(sorted(classes))}: make its cells lists")


def _checked_attrs(attrs: dict[Any, Any]) -> dict[Any, Any]:
    try:
        if json.loads(json.dumps(attrs)) == attrs:
            return attrs
    except (TypeError, ValueError):
        pass
    raise ValueError("its `attrs` hold more than JSON values")


def read_pandas(data: bytes) -> Any:
    """The `pandas.DataFrame` in a Parquet file, whoever wrote it."""
    import pandas as pd

    table = read_arrow(data)
    frame = table.to_pandas()
    notes = json.loads((table.schema.metadata or {}).get(_NOTES, b"{}"))
    columns = frame.columns
    frame.columns = pd.RangeIndex(len(columns))
    if dtypes := notes.get("dtypes"):
        frame = frame.astype({int(position): _dtype_of(note) for position, note in dtypes.items()})
    for position in notes.get("cells", ()):
        cells = pd.Series(table.column(position).to_pylist(), index=frame.index, dtype=object)
        frame[position] = cells
    frame.columns = columns
    if bounds := notes.get("range"):
        frame.index = pd.RangeIndex(*bounds).rename(frame.index.name)
    if index := notes.get("index"):
        frame.index = frame.index.astype(_dtype_of(index))
    if freq := notes.get("freq"):
        frame.index.freq = freq
    frame.attrs = notes.get("attrs", {})
    return frame


def write_series(series: Any) -> bytes:
    """The Parquet form of a `pandas.Series`: a table of one column."""
    frame = series.to_frame(_UNNAMED if series.name is None else series.name)
    frame.attrs = series.attrs
    return write_pandas(frame)


def read_series(data: bytes) -> Any:
    """The `pandas.Series` in a Parquet file of one column."""
    frame = read_pandas(data)
    if frame.shape[1] != 1:
        raise ValueError(f"it has {frame.shape[1]} columns, and a Series has one")
    series = frame.iloc[:, 0]
    series.attrs = frame.attrs
    return series.rename(None) if series.name == _UNNAMED else series
