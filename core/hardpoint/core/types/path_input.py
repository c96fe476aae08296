"""Arrays and tables that people name by path."""

from __future__ import annotations

from pathlib import Path

from hardpoint.core.types.errors import EncodeError, InputTextError
from hardpoint.core.types.examples import form
from hardpoint.core.types.frames import csv_to_parquet
from hardpoint.core.types.references import put_file, reference_wire
from hardpoint.plugin_api import ArrayType, FrameType, Store, Wire

_NPY, _PARQUET = b"\x93NUMPY", b"PAR1"


def array_wire(type: ArrayType, path: str, store: Store) -> Wire:
    """The array in a `.npy` file."""
    if not path.lower().endswith(".npy"):
        raise _not_this(type, path)
    return _put(path, store, format="npy", magic=_NPY)


def frame_wire(type: FrameType, path: str, store: Store) -> Wire:
    """The table in a `.parquet` or `.csv` file."""
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        return _put(path, store, format="parquet", magic=_PARQUET)
    if suffix != ".csv":
        raise _not_this(type, path)
    try:
        data = csv_to_parquet(Path(path))
    except ImportError as error:
        raise InputTextError(f"Reading `{path}` needs pyarrow", hint="Run `pip install pyarrow`") from error
    except (OSError, ValueError) as error:
        raise InputTextError(f"Cannot read `{path}` as CSV: {error}", hint=f"Write {form(type)}") from error
    return reference_wire(store.put_bytes(data, format="parquet", name=f"{Path(path).stem}.parquet"))


def _not_this(type: ArrayType | FrameType, path: str) -> InputTextError:
    return InputTextError(f"Expected `{type}`, got `{path}`", hint=f"Write {form(type)}")


def _put(path: str, store: Store, *, format: str, magic: bytes) -> Wire:
    if "://" not in path and Path(path).is_file():
        with Path(path).open("rb") as stream:
            if stream.read(len(magic)) != magic:
                raise InputTextError(
                    f"`{path}` is not a .{format} file by its content",
                    hint="Write it again, or name another file",
                )
    try:
        return reference_wire(put_file(path, store, format=format))
    except EncodeError as error:
        raise InputTextError(error.problem, hint=error.hint) from error
