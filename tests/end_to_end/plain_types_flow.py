"""One task for each type whose values are plain JSON: it checks what it was given and returns another."""

# ruff: noqa: UP007, UP045 (authors write unions in both ways)
from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, Optional, TypeVar, Union
from uuid import UUID

from hardpoint.core import task, workflow

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "#f00"
    BLUE = "#00f"


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Size:
    width: float
    unit: str = "m"


def given(value: T, cls: type) -> T:
    assert type(value) is cls, f"{type(value)} is not {cls}"
    return value


@task
def an_int(value: int) -> int:
    return given(value, int) + 1


@task
def a_float(value: float) -> float:
    return given(value, float) * 2


@task
def a_str(value: str) -> str:
    return given(value, str)[::-1]


@task
def a_bool(value: bool) -> bool:
    return not given(value, bool)


@task
def some_bytes(value: bytes) -> bytes:
    return given(value, bytes) + bytes([0, 255])


@task
def nothing(value: None) -> str:
    return repr(value)


@task
def a_datetime(value: datetime) -> datetime:
    return given(value, datetime) + timedelta(days=1)


@task
def a_date(value: date) -> date:
    return given(value, date) + timedelta(days=1)


@task
def a_time(value: time) -> time:
    return given(value, time).replace(minute=59)


@task
def a_timedelta(value: timedelta) -> timedelta:
    return -given(value, timedelta)


@task
def a_decimal(value: Decimal) -> Decimal:
    return given(value, Decimal) * Decimal("1.10")


@task
def a_uuid(value: UUID) -> UUID:
    return UUID(int=given(value, UUID).int + 1)


@task
def an_enum(value: Colour) -> Colour:
    return {Colour.RED: Colour.BLUE, Colour.BLUE: Colour.RED}[value]


@task
def a_literal(value: Literal["fast", "exact"]) -> Literal["fast", "exact"]:
    return "exact" if value == "fast" else "fast"


@task
def an_optional(value: Optional[int]) -> int | None:
    return 1 if value is None else None


@task
def a_union(value: Union[int, str, Size]) -> int | str | Size:
    match value:
        case int():
            return "was int"
        case str():
            return Size(1.5)
        case Size():
            return 7


@task
def a_list(value: list[int]) -> list[float]:
    return [each / 2 for each in given(value, list)]


@task
def a_dict(value: dict[str, Colour]) -> dict[int, list[str]]:
    return {len(key): [key, given(each, Colour).value] for key, each in value.items()}


@task
def a_tuple(value: tuple[int, str]) -> tuple[str, ...]:
    return (str(value[0]), given(value, tuple)[1])


@task
def a_named_tuple(value: Point) -> Point:
    return Point(given(value, Point).y, value.x)


@task
def named_tuples(value: list[Point]) -> list[Point]:
    return [Point(given(each, Point).y, each.x) for each in value]


class Plain(NamedTuple):
    an_int: int
    a_big_int: int
    a_float: float
    not_a_number: float
    a_str: str
    a_bool: bool
    some_bytes: bytes
    nothing: str
    a_datetime: datetime
    a_date: date
    a_time: time
    a_timedelta: timedelta
    a_decimal: Decimal
    a_uuid: UUID
    an_enum: Colour
    a_literal: Literal["fast", "exact"]
    an_optional: Optional[int]
    a_union: Union[int, str, Size]
    a_list: list[float]
    a_dict: dict[int, list[str]]
    a_tuple: tuple[str, ...]
    named_tuples: list[Point]
    x_of_point: int


@workflow
def plain(
    whole: int,
    big: int,
    real: float,
    odd: float,
    text: str,
    flag: bool,
    raw: bytes,
    none: None,
    moment: datetime,
    day: date,
    clock: time,
    span: timedelta,
    price: Decimal,
    key: UUID,
    colour: Colour,
    mode: Literal["fast", "exact"],
    maybe: Optional[int],
    either: Union[int, str, Size],
    numbers: list[int],
    colours: dict[str, Colour],
    pair: tuple[int, str],
    point: Point,
) -> Plain:
    return Plain(
        an_int=an_int(whole),
        a_big_int=an_int(big),
        a_float=a_float(real),
        not_a_number=a_float(odd),
        a_str=a_str(text),
        a_bool=a_bool(flag),
        some_bytes=some_bytes(raw),
        nothing=nothing(none),
        a_datetime=a_datetime(moment),
        a_date=a_date(day),
        a_time=a_time(clock),
        a_timedelta=a_timedelta(span),
        a_decimal=a_decimal(price),
        a_uuid=a_uuid(key),
        an_enum=an_enum(colour),
        a_literal=a_literal(mode),
        an_optional=an_optional(maybe),
        a_union=a_union(either),
        a_list=a_list(numbers),
        a_dict=a_dict(colours),
        a_tuple=a_tuple(pair),
        named_tuples=named_tuples([point, point]),
        x_of_point=a_named_tuple(point).x,
    )


@workflow
def single(value: Decimal = Decimal("1.00")) -> Decimal:
    return a_decimal(value)


@workflow
def turned(point: Point) -> Point:
    return a_named_tuple(point)


@workflow
def silent(value: int = 1) -> None:
    an_int(value)
