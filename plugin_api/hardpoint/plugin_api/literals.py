"""The types of values that cross a boundary, and how such values look on the wire.

A *wire value* is plain JSON (None, bool, int, float, str, list, dict): what the journal stores, the
command line prints and a worker receives. Its meaning comes from its `LiteralType`:

    none            null                          list[T]       [wire, …]
    int             number, of any size           tuple         [wire, …]
    float           number, "nan" "inf" "-inf"    dict[str, T]  {"k": wire}
    str, bool       itself                        dict[K, T]    [[wire, wire], …] in insertion order
    bytes           base64 text                   struct        {"field": wire}
    datetime        ISO 8601 text, see core       enum          the member's name
    date, time      ISO 8601 text                 choice        one of its wire values
    timedelta       [days, seconds, microseconds] union         see `UnionType`
    decimal, uuid   text                          file, directory, array, frame, pickled: a `Reference`
"""

from __future__ import annotations

import enum
from typing import Any, TypeAlias

import msgspec

Wire: TypeAlias = Any
"""A plain JSON value; its meaning comes from the `LiteralType` beside it."""


class SimpleKind(enum.Enum):
    """The types whose values are one JSON scalar (or a fixed short list of them)."""

    NONE = "none"
    INT = "int"
    FLOAT = "float"
    STR = "str"
    BOOL = "bool"
    BYTES = "bytes"
    DATETIME = "datetime"
    DATE = "date"
    TIME = "time"
    TIMEDELTA = "timedelta"
    DECIMAL = "decimal"
    UUID = "uuid"


class LiteralType(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Base of the closed set of literal types. `str()` of one is how messages and help show it."""


class SimpleType(LiteralType, frozen=True, tag="simple"):
    """A scalar.

    >>> str(SimpleType(SimpleKind.INT))
    'int'
    """

    kind: SimpleKind

    def __str__(self) -> str:
        return self.kind.value


class EnumType(LiteralType, frozen=True, tag="enum"):
    """A Python `Enum`; on the wire, the name of the member.

    >>> str(EnumType("Colour", ("RED", "BLUE")))
    'Colour{RED, BLUE}'
    """

    name: str
    members: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}{{{', '.join(self.members)}}}"


class ChoiceType(LiteralType, frozen=True, tag="choice"):
    """A `typing.Literal`: one of a few JSON scalars (str, int, bool, None).

    >>> str(ChoiceType(("fast", "exact")))
    "Literal['fast', 'exact']"
    """

    values: tuple[None | bool | int | str, ...]

    # Python's `True == 1` would make `Literal[True]` and `Literal[1]` one type, although their wires differ.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChoiceType) and self._typed() == other._typed()

    def __hash__(self) -> int:
        return hash(self._typed())

    def _typed(self) -> tuple[tuple[type, object], ...]:
        return tuple((type(value), value) for value in self.values)

    def __str__(self) -> str:
        return f"Literal[{', '.join(map(repr, self.values))}]"


class ListType(LiteralType, frozen=True, tag="list"):
    """A list of one item type.

    >>> str(ListType(SimpleType(SimpleKind.INT)))
    'list[int]'
    """

    item: AnyType

    def __str__(self) -> str:
        return f"list[{self.item}]"


class DictType(LiteralType, frozen=True, tag="dict"):
    """A dict; a JSON object when its keys are `str`, else a list of pairs.

    >>> str(DictType(SimpleType(SimpleKind.STR), SimpleType(SimpleKind.INT)))
    'dict[str, int]'
    """

    key: AnyType
    value: AnyType

    def __str__(self) -> str:
        return f"dict[{self.key}, {self.value}]"


class TupleType(LiteralType, frozen=True, tag="tuple"):
    """A tuple: fixed items, or any number of one item when `variadic`.

    >>> str(TupleType((SimpleType(SimpleKind.INT),), variadic=True))
    'tuple[int, ...]'
    """

    items: tuple[AnyType, ...]
    variadic: bool = False

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.items)) or "()"
        return f"tuple[{inner}, ...]" if self.variadic else f"tuple[{inner}]"


class UnionType(LiteralType, frozen=True, tag="union"):
    """One of several types, in the author's order.

    On the wire the bare value of its variant when the JSON shapes of all variants differ (so
    `int | None` is a number or null); otherwise `{"variant": index, "value": wire}`.
    `literal_rules.is_tagged` decides.

    >>> str(UnionType((SimpleType(SimpleKind.INT), SimpleType(SimpleKind.NONE))))
    'int | None'
    """

    variants: tuple[AnyType, ...]

    def __str__(self) -> str:
        return " | ".join("None" if str(v) == "none" else str(v) for v in self.variants)


class StructField(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named field of a struct; without `required` it may be absent on the wire."""

    name: str
    type: AnyType
    required: bool = True


class StructType(LiteralType, frozen=True, tag="struct"):
    """A dataclass, NamedTuple, TypedDict, msgspec Struct or pydantic model.

    Two structs are the same type when their names and fields are.

    >>> str(StructType("Metrics", (StructField("accuracy", SimpleType(SimpleKind.FLOAT)),)))
    'Metrics'
    """

    name: str
    fields: tuple[StructField, ...]

    def __str__(self) -> str:
        return self.name


class FileType(LiteralType, frozen=True, tag="file"):
    """One file, by reference."""

    def __str__(self) -> str:
        return "File"


class DirectoryType(LiteralType, frozen=True, tag="directory"):
    """A folder of files, by reference."""

    def __str__(self) -> str:
        return "Directory"


class ArrayType(LiteralType, frozen=True, tag="array"):
    """A numpy array, by reference as `.npy`."""

    def __str__(self) -> str:
        return "ndarray"


class FrameType(LiteralType, frozen=True, tag="frame"):
    """A table (pandas, pyarrow or polars), by reference as Parquet.

    Every flavour reads what any other wrote; only `pandas` keeps its index through another's hands.
    """

    flavour: str = ""

    def __str__(self) -> str:
        return f"{self.flavour} table" if self.flavour else "table"


class PickledType(LiteralType, frozen=True, tag="pickled"):
    """A pickled object, by reference; only where the author wrote `Pickled[T]`."""

    name: str

    def __str__(self) -> str:
        return f"Pickled[{self.name}]"


AnyType: TypeAlias = (
    SimpleType
    | EnumType
    | ChoiceType
    | ListType
    | DictType
    | TupleType
    | UnionType
    | StructType
    | FileType
    | DirectoryType
    | ArrayType
    | FrameType
    | PickledType
)
"""The closed set: `match` over it ends in `assert_never`."""


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a value that travels by reference lies, and what it must hash to.

    Args:
        uri: Absolute path or fsspec URL. Content-addressed: equal contents have equal digests.
        digest: `sha256:` and 64 hex digits of the content (for a folder, of its listing).
        size_bytes: Of the content.
        format: `bytes`, `npy`, `parquet`, `directory` or `pickle`.
        name: The file's own name, kept for the reader; empty when there was none.
    """

    uri: str
    digest: str
    size_bytes: int
    format: str
    name: str = ""
