"""Every value comes back exactly: the same class, the same bits, through JSON text."""

from __future__ import annotations

import datetime as dt
import enum
import math
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple, NewType, Optional, Union
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardpoint.core.store import BlobStore
from hardpoint.core.types import codec_for
from hardpoint.core.types.natural import natural_codec
from hardpoint.plugin_api.literal_rules import assignable, convert, problem
from hardpoint.plugin_api.literals import UnionType


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"
    CRIMSON = RED  # an alias


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"
    EXACT = "exact"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Point(NamedTuple):
    x: int
    y: float


class Spot(NamedTuple):
    x: int
    y: float


UserId = NewType("UserId", int)
PARIS = ZoneInfo("Europe/Paris")


def same(left: Any, right: Any) -> bool:
    """Equal to the last bit, and of the same classes all the way down."""
    if type(left) is not type(right):
        return False
    match left:
        case float():
            return struct.pack("d", left) == struct.pack("d", right) or (
                math.isnan(left) and math.isnan(right)
            )
        case list() | tuple():
            return len(left) == len(right) and all(map(same, left, right))
        case dict():
            return same([*left.items()], [*right.items()])
        case dt.datetime() | dt.time():
            equal = left.replace(tzinfo=None) == right.replace(tzinfo=None) and left.fold == right.fold
            return bool(equal) and _same_zone(left.tzinfo, right.tzinfo)
        case Decimal():
            return bool(left.as_tuple() == right.as_tuple())
        case _:
            return bool(left == right)


def _same_zone(left: Any, right: Any) -> bool:
    if isinstance(left, dt.timezone):
        return type(right) is dt.timezone and left == right and left.tzname(None) == right.tzname(None)
    return left is right


def there_and_back(hint: Any, value: Any, store: BlobStore) -> Any:
    codec = codec_for(hint)
    wire = codec.encode(value, store)
    assert problem(codec.type, wire) is None
    travelled = msgspec.json.decode(msgspec.json.encode(wire))
    assert same(travelled, wire)
    assert problem(codec.type, travelled) is None
    return codec.decode(travelled, store)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore(tmp_path_factory.mktemp("blobs"))


TABLE: list[tuple[Any, list[Any]]] = [
    (None, [None]),
    (bool, [True, False]),
    (int, [0, -1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 2**64 + 1, 10**400, 10**4300 - 1, -(10**4299) + 1]),
    (float, [0.0, -0.0, 1.5, 5.0, math.nan, math.inf, -math.inf, 5e-324, 1.7976931348623157e308, 1e22]),
    (
        str,
        ["", "a", "naïve", "\x00", "\U0001f600", "\ud800", "a\udcff\ufdd0", "\ufdd0d800", "\ufdd0", "null"],
    ),
    (bytes, [b"", b"\x00\xff", bytes(range(256))]),
    (
        Decimal,
        [
            Decimal(text)
            for text in ("0", "-0", "1E+5", "1.50", "NaN", "-NaN12", "sNaN", "Infinity", "-Infinity")
        ],
    ),
    (uuid.UUID, [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)]),
    (dt.date, [dt.date.min, dt.date.max, dt.date(2024, 2, 29)]),
    (dt.timedelta, [dt.timedelta.min, dt.timedelta.max, dt.timedelta(0), dt.timedelta(microseconds=-1)]),
    (
        dt.datetime,
        [
            dt.datetime.min,
            dt.datetime.max,
            dt.datetime(2024, 5, 1, 12),
            dt.datetime(2024, 5, 1, 12, fold=1),
            dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC),
            dt.datetime(
                2024, 5, 1, 12, 0, 0, 5, tzinfo=dt.timezone(dt.timedelta(seconds=-4530, microseconds=7))
            ),
            dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2), "CEST")),
            dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2), "a]b [=%\ud800")),
            dt.datetime(2024, 5, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2), ""), fold=1),
            dt.datetime(2024, 5, 1, 12, tzinfo=ZoneInfo("UTC")),
            dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS),
            dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1),
            dt.datetime(2024, 3, 31, 2, 30, tzinfo=PARIS),
            dt.datetime(2024, 3, 31, 2, 30, tzinfo=PARIS, fold=1),
            dt.datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")),
            dt.datetime(1890, 1, 1, tzinfo=PARIS),
        ],
    ),
    (
        dt.time,
        [
            dt.time.min,
            dt.time.max,
            dt.time(2, 30, fold=1),
            dt.time(2, 30, tzinfo=dt.UTC),
            dt.time(2, 30, tzinfo=dt.timezone(dt.timedelta(hours=-3, seconds=1))),
            dt.time(2, 30, tzinfo=PARIS, fold=1),
        ],
    ),
    (Colour, [*Colour, Colour.CRIMSON]),
    (Level, [*Level]),
    (Mode, [*Mode]),
    (Rights, [Rights.READ, Rights.BOTH, Rights.READ | Rights.WRITE]),
    (Literal["a", 1, True, None, "\ud800"], ["a", 1, True, None, "\ud800"]),
    (Literal[Colour.RED], [Colour.RED]),
    (list[int], [[], [1, 2]]),
    (list[list[str]], [[], [[]], [["a"], []]]),
    (tuple[()], [()]),
    (tuple[int, str], [(1, "a")]),
    (tuple[int, ...], [(), (1,), (1, 2)]),
    (dict[str, int], [{}, {"b": 1, "a": 2}, {"\ud800": 1}]),
    (dict[int, str], [{}, {2: "b", 1: "a"}]),
    (dict[float, int], [{math.inf: 1, -0.0: 2, 5.0: 3}]),
    (dict[tuple[int, str], int], [{(1, "a"): 2}]),
    (dict[Colour, list[Mode]], [{Colour.BLUE: [Mode.FAST], Colour.RED: []}]),
    (dict[dt.date, dict[bool, None]], [{dt.date(2024, 1, 1): {True: None}}]),
    (int | None, [1, None]),
    (Optional[int], [1, None]),  # noqa: UP045 (the older syntax is a case of its own)
    (Union[int, str], [1, "1"]),  # noqa: UP007
    (int | bool, [1, True, 0, False]),
    (bool | int, [1, True, 0, False]),
    (int | float, [5, 5.0, -0.0, math.nan]),
    (float | int, [5, 5.0, 10**400]),
    (float | str, ["nan", math.nan, "inf", 1.0]),
    (
        str | uuid.UUID | dt.datetime | Mode,
        [str(uuid.UUID(int=1)), uuid.UUID(int=1), dt.datetime.min, "FAST", Mode.FAST],
    ),
    (list[int] | list[str], [[], [1], ["a"]]),
    (list[int] | list[float], [[1], [1.0], []]),
    (Decimal | str, [Decimal("1"), "1"]),
    (dt.date | dt.datetime, [dt.date(2024, 1, 1), dt.datetime(2024, 1, 1)]),
    (Point | Spot, [Point(1, 2.0), Spot(1, 2.0)]),
    (list[int | list[str | None]] | None, [None, [1, ["a", None], 2]]),
    (UserId, [UserId(5)]),
    (int | UserId | None, [5, None]),
    (dict[str, Any] if False else dict[str, dict[str, tuple[int | str, ...]]], [{"a": {"b": (1, "x")}}]),
]
CASES = [(hint, value) for hint, values in TABLE for value in values]


@pytest.mark.parametrize(("hint", "value"), CASES, ids=lambda each: ascii(each)[:40])
def test_a_value_comes_back_exactly(hint: Any, value: Any, store: BlobStore) -> None:
    assert same(there_and_back(hint, value, store), value)


def test_text_without_surrogates_is_itself_on_the_wire(store: BlobStore) -> None:
    wires = [codec_for(str).encode(text, store) for text in ("a", "naïve", "\U0001f600", "\ufffd")]

    assert wires == ["a", "naïve", "\U0001f600", "\ufffd"]


def test_an_offset_picks_the_fold_that_was_not_said(store: BlobStore) -> None:
    found = codec_for(dt.datetime).decode("2024-10-27T02:30:00+01:00[Europe/Paris]", store)

    assert same(found, dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1))


def test_a_wall_clock_time_outlives_a_change_of_the_rules_of_its_zone(store: BlobStore) -> None:
    found = codec_for(dt.datetime).decode("2024-07-01T12:00:00+09:00[Europe/Paris]", store)

    assert same(found, dt.datetime(2024, 7, 1, 12, tzinfo=PARIS))


def test_two_keys_that_are_not_a_number_stay_two(store: BlobStore) -> None:
    found = there_and_back(dict[float, int], {float("nan"): 1, float("nan"): 2}, store)

    assert [*found.values()] == [1, 2]


def test_the_order_of_a_union_is_the_authors_although_python_calls_both_equal() -> None:
    assert (str(codec_for(int | str).type), str(codec_for(str | int).type)) == ("int | str", "str | int")


def test_equal_literals_of_other_classes_are_other_types(store: BlobStore) -> None:
    assert codec_for(Literal[1]).encode(1, store) == 1
    assert codec_for(Literal[True]).encode(True, store) is True
    assert codec_for(Literal[1]).type != codec_for(Literal[True]).type


def test_a_codec_is_made_once() -> None:
    assert codec_for(dict[str, list[int]]) is codec_for(dict[str, list[int]])


# Random hints with random values of them. Leaves are pairs of a hint and a strategy for its values.

_zones = st.one_of(
    st.none(),
    st.sampled_from([PARIS, ZoneInfo("UTC"), ZoneInfo("America/New_York")]),
    st.builds(lambda s: dt.timezone(dt.timedelta(seconds=s)), st.integers(-86399, 86399)),
)
_text = st.text(st.characters(), max_size=5)
_datetimes = st.builds(
    lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold),
    st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1)),
    _zones,
    st.integers(0, 1),
)
_times = st.builds(
    lambda value, zone, fold: value.replace(tzinfo=zone, fold=fold), st.times(), _zones, st.integers(0, 1)
)
LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (None, st.none()),
    (bool, st.booleans()),
    (int, st.integers()),
    (float, st.floats()),
    (str, _text),
    (bytes, st.binary(max_size=5)),
    (Decimal, st.decimals()),
    (uuid.UUID, st.uuids()),
    (dt.date, st.dates()),
    (dt.datetime, _datetimes),
    (dt.time, _times),
    (dt.timedelta, st.timedeltas()),
    (Colour, st.sampled_from(Colour)),
    (Mode, st.sampled_from(Mode)),
    (Literal[1, "1", True], st.sampled_from([1, "1", True])),
    (Point, st.builds(Point, st.integers(), st.floats())),
    (Spot, st.builds(Spot, st.integers(), st.floats())),
]
Typed = tuple[Any, st.SearchStrategy[Any]]
_HASHABLE = [leaf for leaf in LEAVES if leaf[0] is not Decimal]  # a signalling NaN has no hash


def _of(generic: Any, arguments: Any) -> Any:
    return generic[arguments]


def _containers(children: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    def of_list(item: Typed) -> Typed:
        return _of(list, item[0]), st.lists(item[1], max_size=3)

    def of_tuple(items: list[Typed]) -> Typed:
        return _of(tuple, tuple(hint for hint, _ in items)), st.tuples(*(values for _, values in items))

    def of_many(item: Typed) -> Typed:
        return _of(tuple, (item[0], ...)), st.lists(item[1], max_size=3).map(tuple)

    def of_dict(key: Typed, value: Typed) -> Typed:
        return _of(dict, (key[0], value[0])), st.dictionaries(key[1], value[1], max_size=3)

    def of_union(variants: list[Typed]) -> Typed:
        return Union[tuple(hint for hint, _ in variants)], st.one_of([values for _, values in variants])  # noqa: UP007

    return st.one_of(
        children.map(of_list),
        st.lists(children, max_size=3).map(of_tuple),
        children.map(of_many),
        st.builds(of_dict, st.sampled_from(_HASHABLE), children),
        st.lists(children, min_size=2, max_size=3).map(of_union),
    )


TYPED = st.recursive(st.sampled_from(LEAVES), _containers, max_leaves=5)
BOUNDED = settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(typed=TYPED, data=st.data())
@BOUNDED
def test_any_value_of_any_hint_comes_back_exactly(
    typed: Typed, data: st.DataObject, store: BlobStore
) -> None:
    hint, values = typed
    value = data.draw(values)

    assert codec_for(hint).matches(value)
    assert same(there_and_back(hint, value, store), value)


@given(one=TYPED, other=TYPED, data=st.data())
@BOUNDED
def test_a_value_of_one_variant_is_the_same_value_of_the_union(
    one: Typed, other: Typed, data: st.DataObject, store: BlobStore
) -> None:
    source, target = codec_for(one[0]), codec_for(Union[other[0], one[0]])  # noqa: UP007
    value = data.draw(one[1])
    assert assignable(source.type, target.type)

    wire = convert(source.encode(value, store), source.type, target.type)

    assert problem(target.type, wire) is None
    assert same(target.decode(wire, store), value)


WRAPS: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = [
    (lambda hint: _of(list, hint), lambda value: [value, value]),
    (lambda hint: _of(tuple, (hint, int)), lambda value: (value, 1)),
    (lambda hint: _of(tuple, (hint, ...)), lambda value: (value,)),
    (lambda hint: _of(dict, (str, hint)), lambda value: {"k": value}),
    (lambda hint: _of(dict, (int, hint)), lambda value: {1: value}),
]


@given(one=TYPED, other=TYPED, wrap=st.sampled_from(WRAPS), data=st.data())
@BOUNDED
def test_a_container_of_one_variant_is_the_same_container_of_the_union(
    one: Typed, other: Typed, wrap: Any, data: st.DataObject, store: BlobStore
) -> None:
    wrap_hint, wrap_value = wrap
    source, target = codec_for(wrap_hint(one[0])), codec_for(wrap_hint(Union[other[0], one[0]]))  # noqa: UP007
    value = wrap_value(data.draw(one[1]))
    assert assignable(source.type, target.type)

    wire = convert(source.encode(value, store), source.type, target.type)

    assert problem(target.type, wire) is None
    assert same(target.decode(wire, store), value)


@given(typed=TYPED, data=st.data())
@BOUNDED
def test_the_natural_value_of_any_wire_encodes_to_that_wire(
    typed: Typed, data: st.DataObject, store: BlobStore
) -> None:
    hint, values = typed
    codec = codec_for(hint)
    wire = codec.encode(data.draw(values), store)
    natural = natural_codec(codec.type)

    again = natural.encode(natural.decode(wire, store), store)

    # Enums become text and structs dicts, so that a union may find an earlier variant that fits as well.
    if not _has_union(codec.type):
        assert again == wire
    assert problem(codec.type, again) is None


def _has_union(type: Any) -> bool:
    if isinstance(type, UnionType):
        return True
    parts = [getattr(type, name, ()) for name in ("items", "item", "key", "value")]
    return any(_has_union(p) for part in parts for p in (part if isinstance(part, tuple) else (part,)))


def test_files_of_the_store_fixture_stay_unused_by_plain_values(tmp_path: Path) -> None:
    root = tmp_path / "never"

    there_and_back(dict[str, list[int]], {"a": [1]}, BlobStore(root))

    assert not root.exists()
