"""Python values to and from a folder, between the worker and the kernel it started.

A packed value is JSON; what JSON cannot say is `{"$": kind, "value": …}`, and tables, arrays and pickles
are files in the folder. Whoever reads needs no type: the literal types stay with the worker.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import json
import pickle
import uuid
import zoneinfo
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import UsageError

TAG = "$"


def pack(value: Any, folder: Path, *, allow_pickle: bool = False) -> Any:
    """The JSON form of `value`; what does not fit into JSON is written below `folder`.

    Args:
        value: Scalars, dates, paths, lists, tuples, dicts, arrays, tables, and classes with fields.
        folder: Where files go.
        allow_pickle: Whether a value of any other class may be pickled.

    Raises:
        UsageError: There is a value of another class in it.
    """
    if isinstance(value, enum.Enum):
        return value.name
    if type(value).__module__ == "numpy":
        return _pack_numpy(value, folder, allow_pickle)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [pack(item, folder, allow_pickle=allow_pickle) for item in value]
    if isinstance(value, dict):
        return _pack_dict(value, folder, allow_pickle)
    if (scalar := _pack_scalar(value)) is not None:
        return scalar
    if (names := _field_names(value)) is not None:
        return _pack_dict({name: getattr(value, name) for name in names}, folder, allow_pickle)
    if isinstance(value, tuple):
        return {TAG: "tuple", "value": [pack(item, folder, allow_pickle=allow_pickle) for item in value]}
    if type(value).__name__ in ("DataFrame", "Table"):
        path = _table_file(value, folder)
        if path is not None:
            return {TAG: "table", "value": str(path)}
    if allow_pickle:
        return _pickled(value, folder)
    raise UsageError(
        f"A value of class `{type(value).__module__}.{type(value).__qualname__}` cannot leave the notebook",
        hint="Record plain values, dates, paths, arrays, tables or dataclasses of them, "
        "or declare the output `Pickled[…]`",
    )


def unpack(packed: Any) -> Any:
    """The value that was packed; classes with fields come back as dicts, tables as pandas."""
    if isinstance(packed, list):
        return [unpack(item) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if TAG not in packed:
        return {key: unpack(item) for key, item in packed.items()}
    return _unpack_tagged(packed[TAG], packed["value"], packed.get("zone"))


def write_json(path: Path, content: Any) -> None:
    """Replace `path` at once, so that a kernel killed meanwhile leaves no half file."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content), encoding="utf-8")
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """What `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _pack_scalar(value: Any) -> dict[str, Any] | None:
    match value:
        case bytes() | bytearray():
            return {TAG: "bytes", "value": base64.b64encode(value).decode()}
        case dt.datetime():
            zone = getattr(value.tzinfo, "key", None)
            return {TAG: "datetime", "value": value.isoformat(), "zone": zone}
        case dt.date() | dt.time():
            return {TAG: type(value).__name__, "value": value.isoformat()}
        case dt.timedelta():
            return {TAG: "timedelta", "value": [value.days, value.seconds, value.microseconds]}
        case decimal.Decimal():
            return {TAG: "decimal", "value": str(value)}
        case uuid.UUID():
            return {TAG: "uuid", "value": str(value)}
        case Path():
            return {TAG: "path", "value": str(value.absolute())}
    return None


def _pack_numpy(value: Any, folder: Path, allow_pickle: bool) -> Any:
    import numpy as np

    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        path = _new_file(folder, "npy")
        np.save(path, value, allow_pickle=False)
        return {TAG: "array", "value": str(path)}
    if isinstance(value, np.generic):
        return pack(value.item(), folder, allow_pickle=allow_pickle)
    if allow_pickle:
        return _pickled(value, folder)
    raise UsageError(
        f"A numpy value of dtype `{getattr(value, 'dtype', '?')}` cannot leave the notebook",
        hint="Arrays of Python objects have no portable form: convert it, such as with `.astype(str)`",
    )


def _pickled(value: Any, folder: Path) -> dict[str, Any]:
    path = _new_file(folder, "pickle")
    path.write_bytes(pickle.dumps(value))
    return {TAG: "pickle", "value": str(path)}


def _new_file(folder: Path, ending: str) -> Path:
    return folder / f"{uuid.uuid4().hex}.{ending}"


def _pack_dict(value: dict[Any, Any], folder: Path, allow_pickle: bool) -> dict[str, Any]:
    if all(isinstance(key, str) for key in value) and TAG not in value:
        return {key: pack(item, folder, allow_pickle=allow_pickle) for key, item in value.items()}
    pairs = [[pack(part, folder, allow_pickle=allow_pickle) for part in pair] for pair in value.items()]
    return {TAG: "dict", "value": pairs}


def _field_names(value: Any) -> Iterable[str] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [field.name for field in dataclasses.fields(value)]
    # In order: NamedTuple, msgspec Struct, pydantic model.
    for attribute in ("_fields", "__struct_fields__", "__pydantic_fields__"):
        names = getattr(type(value), attribute, None)
        if names is not None:
            return tuple(names)
    return None


def _table_file(value: Any, folder: Path) -> Path | None:
    path = _new_file(folder, "parquet")
    match type(value).__module__.partition(".")[0]:
        case "pandas":
            value.to_parquet(path)
        case "polars":
            value.write_parquet(path)
        case "pyarrow":
            import pyarrow.parquet

            pyarrow.parquet.write_table(value, path)
        case _:
            return None
    return path


def _unpack_tagged(kind: str, value: Any, zone: str | None) -> Any:
    match kind:
        case "tuple":
            return tuple(unpack(item) for item in value)
        case "dict":
            return {unpack(key): unpack(item) for key, item in value}
        case "bytes":
            return base64.b64decode(value)
        case "datetime":
            moment = dt.datetime.fromisoformat(value)
            return moment.astimezone(zoneinfo.ZoneInfo(zone)) if zone else moment
        case "date":
            return dt.date.fromisoformat(value)
        case "time":
            return dt.time.fromisoformat(value)
        case "timedelta":
            return dt.timedelta(*value)
        case "decimal":
            return decimal.Decimal(value)
        case "uuid":
            return uuid.UUID(value)
        case "path":
            return Path(value)
        case _:
            return _read_file(kind, Path(value))


def _read_file(kind: str, path: Path) -> Any:
    match kind:
        case "array":
            import numpy as np

            return np.load(path, allow_pickle=False)
        case "table":
            import pandas as pd

            return pd.read_parquet(path)
        case "pickle":
            return pickle.loads(path.read_bytes())  # noqa: S301 - written where the author said Pickled[…]
    raise ValueError(f"`{kind}` is no kind of packed value")
