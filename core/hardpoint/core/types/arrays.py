"""numpy arrays, by reference as `.npy`; numpy is imported when the first one crosses."""

from __future__ import annotations

import io
import warnings
from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import DecodeError, EncodeError, show_hint, wrong_value
from hardpoint.core.types.references import decode_reference, reference_wire
from hardpoint.plugin_api import ArrayType, Store, Wire


def is_array_class(cls: type) -> bool:
    """Whether `cls` is `numpy.ndarray`, told by name, so that other hints do not import numpy."""
    return cls.__name__ == "ndarray" and cls.__module__.partition(".")[0] == "numpy"


def array_codec() -> Codec:
    """The codec of `numpy.ndarray` and `numpy.typing.NDArray[...]`: dtype, shape and order are kept.

    The dtype that the hint names is not checked: numpy's own type checking does that.
    """
    import numpy as np

    return Codec(
        ArrayType(), encode_array, decode_array, lambda v: type(v) is np.ndarray, frozenset({np.ndarray})
    )


def encode_array(value: Any, store: Store) -> Wire:
    """Keep an array in the store."""
    import numpy as np

    if type(value) is not np.ndarray:
        is_kin = isinstance(value, np.ndarray)
        use = f"`{show_hint(type(value))}` would come back as a plain array: pass `np.asarray(value)`"
        raise wrong_value("ndarray", value, use=use if is_kin else "Pass `np.asarray(value)`")
    if value.dtype.hasobject:
        raise EncodeError(
            f"An array of dtype `{value.dtype}` holds Python objects",
            hint="Give it another dtype, or change the type hint to `Pickled[np.ndarray]`",
        )
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # A dtype's metadata says nothing about the values and is the one thing `.npy` leaves out.
        warnings.filterwarnings("ignore", message="metadata on a dtype", category=UserWarning)
        warnings.filterwarnings("ignore", message="Stored array in format", category=UserWarning)
        np.lib.format.write_array(buffer, value, allow_pickle=False)
    return reference_wire(store.put_bytes(buffer.getvalue(), format="npy"))


def decode_array(wire: Wire, store: Store) -> Any:
    """The array that `encode_array` was given."""
    import numpy as np

    data = store.read_bytes(decode_reference(ArrayType(), wire))
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DecodeError(
            f"Not a `.npy` file: {error}", hint="Write it with `numpy.save(path, array, allow_pickle=False)`"
        ) from error
