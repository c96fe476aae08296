"""What is refused, and what the message says instead."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pydantic
import pytest

from hardpoint.core.store import BlobStore
from hardpoint.core.types import EncodeError, Pickled, UnsupportedTypeError, codec_for
from hardpoint.plugin_api import ErrorKind


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    LOW = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Nobody(enum.Enum):
    pass


class OddZone(dt.tzinfo):
    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=1)

    def dst(self, moment: dt.datetime | None) -> None:
        return None

    def tzname(self, moment: dt.datetime | None) -> str:
        return "odd"

    def __str__(self) -> str:
        return "odd"


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


PASS = "Pass a value of that type, or change the type hint"
VALUES: list[tuple[Any, Any, str, str]] = [
    (int, "1", "Expected `int`, got str '1'", PASS),
    (int, True, "Expected `int`, got bool True", "Pass `int(value)`, or change the type hint to `bool`"),
    (int, 1.0, "Expected `int`, got float 1.0", PASS),
    (int, None, "Expected `int`, got None", "Pass a value, or change the type hint to `int | None`"),
    (
        int,
        Level.LOW,
        "Expected `int`, got Level <Level.LOW: 1>",
        "`Level` is more than a `int` and would come back as one: pass a plain `int`",
    ),
    (
        int,
        10**4300,
        "An `int` of 14285 bits has more than 4300 characters, the most that Python prints",
        "Pass it as `bytes`: `value.to_bytes(length, signed=True)`",
    ),
    (float, 10**400, "An `int` of 1329 bits is too large for `float`", "Change the type hint to `int`"),
    (float, "nan", "Expected `float`, got str 'nan'", PASS),
    (float, np.longdouble(1), "Expected `float`, got longdouble np.longdouble('1.0')", PASS),
    (bool, 1, "Expected `bool`, got int 1", PASS),
    (str, b"x", "Expected `str`, got bytes b'x'", PASS),
    (bytes, bytearray(b"x"), "Expected `bytes`, got bytearray bytearray(b'x')", "Pass `bytes(value)`"),
    (None, 1, "Expected `None`, got int 1", "Return nothing, or change the type hint"),
    (str, Rude(), "Expected `str`, got Rude <Rude instance at", PASS),
    (
        dt.date,
        dt.datetime(2024, 1, 1),
        "Expected `date`, got datetime datetime.datetime(2024, 1, 1, 0, 0)",
        "`datetime` is more than a `date` and would come back as one: pass a plain `date`",
    ),
    (
        dt.datetime,
        dt.datetime(2024, 1, 1, tzinfo=OddZone()),
        "Time zone OddZone 'odd' has no portable name",
        "Use `zoneinfo.ZoneInfo('Area/City')` or `datetime.timezone`",
    ),
    (Colour, 1, "Expected `Colour{RED, BLUE}`, got int 1", "Pass `Colour.RED`"),
    (Colour, "BLU", "Expected `Colour{RED, BLUE}`, got str 'BLU'", "Pass `Colour.BLUE`"),
    (
        Rights,
        Rights.READ | Rights.WRITE,
        "Expected a member of `Rights{READ, WRITE}`, got <Rights.READ|WRITE: 3>",
        "Give the combination a name of its own in the enum, or pass `list` of its members",
    ),
    (Literal["fast", 1], "fats", "Expected `Literal['fast', 1]`, got str 'fats'", "Pass `'fast'`"),
    (Literal["fast", 1], True, "Expected `Literal['fast', 1]`, got bool True", PASS),
    (
        list[int],
        (1, 2),
        "Expected `list[int]`, got tuple (1, 2)",
        "Pass `list(value)`, or change the type hint",
    ),
    (
        list[list[int]],
        [[1], [2, "x"]],
        "Expected `int`, got str 'x' at `[1][1]`",
        PASS,
    ),
    (
        dict[str, int],
        collections.OrderedDict(),
        "Expected `dict[str, int]`, got OrderedDict OrderedDict()",
        "`OrderedDict` is more than a `dict` and would come back as one: pass `dict(value)`",
    ),
    (
        dict[str, int],
        {"a": None},
        "Expected `int`, got None at `['a']`",
        "Pass a value, or change the type hint to `int | None`",
    ),
    (dict[int, int], {"a": 1}, "Expected `int`, got str 'a' at `['a']`", PASS),
    (
        tuple[int, str],
        (1,),
        "Expected `tuple[int, str]`, got 1 items (1,)",
        "Pass 2 items, or change the type hint",
    ),
    (int | str, 1.5, "Expected `int | str`, got float 1.5", PASS),
    (list[int] | list[bool], ["x"], "Expected `int`, got str 'x' at `[0]`", PASS),
    (Literal["fast"] | int, "fats", "Expected `Literal['fast']`, got str 'fats'", "Pass `'fast'`"),
    (list[int] | None, ["x"], "Expected `int`, got str 'x' at `[0]`", PASS),
    (
        Pickled[dict],  # type: ignore[type-arg]
        {"f": lambda: 1},
        "dict {'f': <function <lambda> at ",
        "Define its class at the top level of a module, and leave open files and locks out",
    ),
    (Pickled[Colour], 1, "Expected `Pickled[Colour]`, got int 1", PASS),
]


@pytest.mark.parametrize(("hint", "value", "message", "use"), VALUES, ids=[row[2][:50] for row in VALUES])
def test_a_wrong_value_is_refused(hint: Any, value: Any, message: str, use: str, tmp_path: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        codec_for(hint).encode(value, BlobStore(tmp_path))

    error = caught.value
    # A default `repr` ends in an address.
    shown = (
        error.message[: len(message)]
        if "object at" in error.message or " at 0x" in error.message
        else error.message
    )
    assert shown == message
    assert error.hint == use
    assert error.kind is ErrorKind.USER


def test_the_caller_names_the_outermost_value(tmp_path: Path) -> None:
    with pytest.raises(EncodeError) as caught:
        codec_for(list[int]).encode([1, "x"], BlobStore(tmp_path))

    caught.value.add_step("scores")

    assert caught.value.message == "Expected `int`, got str 'x' at `scores[1]`"
    assert caught.value.info().message == caught.value.message


@pytest.mark.parametrize(
    ("hint", "value", "plain"),
    [
        (int, np.int64(5), 5),
        (float, np.float64(0.5), 0.5),
        (float, np.float32(0.5), 0.5),
        (float, np.int8(3), 3.0),
        (float, 5, 5.0),
        (bool, np.bool_(True), True),
        (str, np.str_("x"), "x"),
        (int | None, np.int64(5), 5),
        (float | None, 5, 5.0),
        (Literal[1] | float | None, 5, {"variant": 1, "value": 5.0}),
        (list[str] | list[float], [1], {"variant": 1, "value": [1.0]}),
    ],
)
def test_a_number_of_another_class_is_taken_where_nothing_is_lost(
    hint: Any, value: Any, plain: Any, tmp_path: Path
) -> None:
    wire = codec_for(hint).encode(value, BlobStore(tmp_path))

    assert (wire, type(wire)) == (plain, type(plain))


T = typing.TypeVar("T")
HINTS: list[tuple[Any, str, str]] = [
    (Any, "Any", "Name the type, or use `Pickled[Any]`"),
    (object, "object", "Name the type, or use `Pickled[object]`"),
    (list, "list", "Say what it holds, such as `list[int]`"),
    (typing.List, "List", "Say what it holds, such as `list[int]`"),  # noqa: UP006
    (dict, "dict", "Say what it holds, such as `dict[str, int]`"),
    (tuple, "tuple", "Say what it holds, such as `tuple[int, str]` or `tuple[int, ...]`"),
    (set[int], "set[int]", "Use `list[int]`, or `Pickled[set[int]]`"),
    (frozenset, "frozenset", "Use `list[...]`, or `Pickled[frozenset]`"),
    (collections.abc.Sequence[int], "Sequence[int]", "Use `list[int]`, or `Pickled[Sequence[int]]`"),
    (
        typing.Callable[[int], int],
        "Callable[[int], int]",
        "Pass what the function needs as data, and choose the function inside the task",
    ),
    (
        T,
        "~T",
        "Give the generic class its arguments, such as `Box[int]`; in a subclass, write the field again",
    ),
    ("int", "'int'", "Resolve it first: `typing.get_type_hints(function, include_extras=True)`"),
    (complex, "complex", "Use `tuple[float, float]`, or `Pickled[complex]`"),
    (Path, "Path", "Use `File` or `Directory`, or `str` for a path that is only a name"),
    (Rude, "Rude", "Make it a dataclass, or use `Pickled[Rude]`"),
    (tuple[int, *tuple[str, ...]], "*tuple[str, ...]", "Use `tuple[T, ...]`, or a tuple of a fixed length"),
    (msgspec.Struct, "Struct", "Make it a dataclass, or use `Pickled[Struct]`"),
    (pydantic.BaseModel, "BaseModel", "Make it a dataclass, or use `Pickled[BaseModel]`"),
    (Nobody, "Nobody", "Give the enum members with plain names"),
    (Pickled, "Pickled", "Say what is pickled, such as `Pickled[MyClass]`"),
    (
        Literal[b"x"],
        "Literal[b'x']",
        "Use `str`, `int`, `bool` or `None` in a `Literal`, or members of one enum",
    ),
    (list[set[int]], "set[int]", "Use `list[int]`, or `Pickled[set[int]]`"),
    (5, "5", "Make it a dataclass, or use `Pickled[5]`"),
]


@pytest.mark.parametrize(("hint", "shown", "use"), HINTS)
def test_an_unsupported_hint_says_what_to_write_instead(hint: Any, shown: str, use: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        codec_for(hint)

    assert caught.value.message == f"Type `{shown}` cannot cross a boundary"
    assert caught.value.hint == use
    assert caught.value.kind is ErrorKind.USER
