"""`Pickled[T]`: the one way in which a pickle crosses a boundary, and only where the author wrote it."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import DecodeError, EncodeError, short_repr, show_hint, wrong_value
from hardpoint.core.types.references import decode_reference, reference_wire
from hardpoint.plugin_api import PickledType, Store, Wire

_T = TypeVar("_T")


class PickledMarker:
    """What tells `Pickled[T]` from `T`."""

    def __repr__(self) -> str:
        return "Pickled"


Pickled = Annotated[_T, PickledMarker()]
"""A value of any class, pickled. Type checkers read `Pickled[Model]` as `Model`.

Reading it runs code that the pickle names, so a pickle is read only where the hint says so, and only
when its digest is the one that was written.
"""


def pickled_codec(inside: Any, name: str = "") -> Codec:
    """The codec of `Pickled[inside]`; a class is checked with `isinstance`, any other hint is not."""
    expected = PickledType(name or show_hint(inside))
    cls: type = inside if isinstance(inside, type) else object

    def encode(value: Any, store: Store) -> Wire:
        if not isinstance(value, cls):
            raise wrong_value(expected, value)
        import pickle  # here, as few workflows need it, and every process would pay 2 ms

        try:
            data = pickle.dumps(value, protocol=5)
        except Exception as error:  # pickling runs the author's `__reduce__`, which may raise anything
            raise EncodeError(
                f"{show_hint(type(value))} {short_repr(value)} cannot be pickled: {error}",
                hint="Define its class at the top level of a module, and leave open files and locks out",
            ) from error
        return reference_wire(store.put_bytes(data, format="pickle"))

    def decode(wire: Wire, store: Store) -> Any:
        import pickle

        data = store.read_bytes(decode_reference(expected, wire))
        try:
            return pickle.loads(data)  # noqa: S301 (asked for by the hint; the digest was checked)
        except Exception as error:  # unpickling runs the author's code
            raise DecodeError(
                f"The pickled `{expected.name}` cannot be read: {type(error).__name__}: {error}",
                hint="Read it with the code and the library versions that wrote it",
            ) from error

    return Codec(expected, encode, decode, lambda value: isinstance(value, cls), frozenset())
