"""Shapes of unions, what fits a type, what is assignable, and how it converts."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hardpoint.plugin_api import (
    AnyType,
    ArrayType,
    ChoiceType,
    DictType,
    DirectoryType,
    EnumType,
    FileType,
    FrameType,
    ListType,
    PickledType,
    SimpleKind,
    SimpleType,
    StructField,
    StructType,
    TupleType,
    UnionType,
    UserError,
)
from hardpoint.plugin_api.literal_rules import assignable, convert, is_tagged, problem
from hardpoint.plugin_api.literal_shapes import Shape, shapes, variant_of

NONE, INT, FLOAT, STR, BOOL, BYTES, DATETIME, DATE, TIME, TIMEDELTA, DECIMAL, UUID = map(
    SimpleType, SimpleKind
)
COLOUR = EnumType("Colour", ("RED", "BLUE"))
POINT = StructType("Point", (StructField("x", INT), StructField("y", FLOAT, required=False)))
BY_NAME = DictType(STR, INT)
BY_NUMBER = DictType(INT, STR)


def union(*variants: AnyType) -> UnionType:
    return UnionType(variants)


def listed(item: AnyType) -> ListType:
    return ListType(item)


@pytest.mark.parametrize(
    ("variants", "tagged"),
    [
        ((INT, NONE), False),
        ((INT, STR, NONE, BOOL), False),
        ((INT, BOOL), False),
        ((INT, FLOAT), True),
        ((FLOAT, NONE), False),
        ((FLOAT, STR), True),  # "nan"
        ((STR, DATETIME), True),
        ((STR, COLOUR), True),
        ((listed(INT), listed(STR)), True),
        ((listed(INT), TIMEDELTA), True),
        ((listed(INT), BY_NUMBER), True),
        ((listed(INT), BY_NAME), False),
        ((POINT, BY_NAME), True),
        ((POINT, FileType()), True),
        ((POINT, INT, listed(INT), STR), False),
        ((ChoiceType((1, "a")), BOOL), False),
        ((ChoiceType((True,)), INT), False),
        ((ChoiceType((1,)), INT), True),
        ((union(INT, FLOAT), POINT), True),  # what is tagged is an object
        ((union(INT, NONE), STR), False),
        ((union(INT, NONE), BOOL, ArrayType()), False),
    ],
)
def test_a_union_is_tagged_where_shapes_meet(variants: tuple[AnyType, ...], tagged: bool) -> None:
    assert is_tagged(union(*variants)) is tagged
    assert is_tagged(union(*reversed(variants))) is tagged


def test_every_type_has_shapes() -> None:
    assert shapes(TupleType((INT,))) == {Shape.ARRAY}
    assert shapes(FrameType()) == shapes(PickledType("T")) == shapes(DirectoryType()) == {Shape.OBJECT}
    assert shapes(ChoiceType((None, True, 1, "a"))) == {Shape.NULL, Shape.BOOL, Shape.NUMBER, Shape.STRING}


REFERENCE = {"uri": "/blobs/ab/abc", "digest": "sha256:" + "0" * 64, "size_bytes": 3, "format": "npy"}
FITS: list[tuple[AnyType, list[Any]]] = [
    (NONE, [None]),
    (INT, [0, 2**64, -1]),
    (FLOAT, [0.5, 5, "nan", "inf", "-inf"]),
    (STR, ["", "naïve"]),
    (BOOL, [True]),
    (BYTES, ["", "aGk="]),
    (DATETIME, ["2024-05-01T12:00:00", "2024-05-01T12:00:00+02:00[Europe/Paris][_fold=1]"]),
    (DATE, ["2024-05-01"]),
    (TIME, ["12:00:00", "12:00:00+02:00[_name=CEST]"]),
    (TIMEDELTA, [[0, 0, 0], [-999999999, 86399, 999999]]),
    (DECIMAL, ["1.50", "sNaN", "-0"]),
    (UUID, ["12345678-1234-5678-1234-567812345678"]),
    (COLOUR, ["RED"]),
    (ChoiceType((1, "a", None)), [1, "a", None]),
    (listed(INT), [[], [1]]),
    (TupleType((INT, STR)), [[1, "a"]]),
    (TupleType(()), [[]]),
    (TupleType((INT,), variadic=True), [[], [1, 2]]),
    (BY_NAME, [{}, {"a": 1}]),
    (BY_NUMBER, [[], [[1, "a"]]]),
    (POINT, [{"x": 1}, {"y": 2.5, "x": 1}]),
    (union(INT, NONE), [1, None]),
    (union(INT, FLOAT), [{"variant": 0, "value": 1}, {"variant": 1, "value": "nan"}]),
    (ArrayType(), [REFERENCE, {**REFERENCE, "name": "x.npy"}]),
    (FileType(), [REFERENCE]),
]


@pytest.mark.parametrize(("type", "wire"), [(type, wire) for type, wires in FITS for wire in wires])
def test_what_fits_has_no_problem(type: AnyType, wire: Any) -> None:
    assert problem(type, wire) is None


PROBLEMS: list[tuple[AnyType, Any, str]] = [
    (NONE, 0, "Expected `none`, got 0"),
    (INT, True, "Expected `int`, got true"),
    (INT, 1.0, "Expected `int`, got 1.0"),
    (INT, "1", 'Expected `int`, got "1"'),
    (INT, None, "Expected `int`, got null"),
    (INT, 10**4300, "Expected `int`, got a number of 14285 bits"),
    (FLOAT, True, "Expected `float`, got true"),
    (FLOAT, "NaN", 'Expected `float`, got "NaN"'),
    (FLOAT, math.nan, "Expected `float`, got nan"),
    (FLOAT, math.inf, "Expected `float`, got inf"),
    (FLOAT, 10**400, f"Expected `float`, got {'1' + '0' * 27}...{'0' * 29}"),
    (STR, 5, "Expected `str`, got 5"),
    (STR, "a\ud800", 'Expected `str`, got "a�"'),
    (STR, None, "Expected `str`, got null"),
    (BYTES, "a", 'Expected `bytes`, got "a"'),
    (DATETIME, "tomorrow", 'Expected `datetime`, got "tomorrow"'),
    (DATE, "2024-02-30", 'Expected `date`, got "2024-02-30"'),
    (TIME, "25:00", 'Expected `time`, got "25:00"'),
    (TIMEDELTA, [0, 86400, 0], "Expected `timedelta`, got [0, 86400, 0]"),
    (TIMEDELTA, "PT1H", 'Expected `timedelta`, got "PT1H"'),
    (DECIMAL, "1,5", 'Expected `decimal`, got "1,5"'),
    (UUID, "x", 'Expected `uuid`, got "x"'),
    (COLOUR, "GREEN", 'Expected `Colour{RED, BLUE}`, got "GREEN"'),
    (ChoiceType((1, "a")), True, "Expected `Literal[1, 'a']`, got true"),
    (listed(INT), {"a": 1}, "Expected `list[int]`, got {'a': 1}"),
    (listed(listed(INT)), [[1], [2, "x"]], 'Expected `int`, got "x" at `[1][1]`'),
    (TupleType((INT, STR)), [1], "Expected `tuple[int, str]`, got 1 items"),
    (TupleType((INT, STR)), [1, 2], "Expected `str`, got 2 at `[1]`"),
    (BY_NAME, {"a": "b"}, 'Expected `int`, got "b" at `["a"]`'),
    (BY_NUMBER, {"1": "b"}, "Expected `dict[int, str]` as a list of [key, value] pairs, got {'1': 'b'}"),
    (BY_NUMBER, [[1]], "Expected a [key, value] pair, got [1] at `[0]`"),
    (BY_NUMBER, [[1, 2]], "Expected `str`, got 2 at `[1]`"),
    (POINT, {}, "Field `x` of `Point` is missing"),
    (POINT, {"x": 1, "z": 2}, '`Point` has no field "z"; it has `x`, `y`'),
    (
        StructType("Job", (StructField("points", listed(POINT)),)),
        {"points": [{"x": "1"}]},
        'Expected `int`, got "1" at `points[0].x`',
    ),
    (union(INT, NONE), "x", 'Expected `int | None`, got "x"'),
    (union(listed(INT), NONE), ["x"], 'Expected `int`, got "x" at `[0]`'),
    (union(INT, FLOAT), 5, 'Expected `int | float` as {"variant": index, "value": …}, got 5'),
    (union(INT, FLOAT), {"variant": 2, "value": 5}, "Expected a variant from 0 to 1 of `int | float`, got 2"),
    (
        union(INT, FLOAT),
        {"variant": True, "value": 5},
        "Expected a variant from 0 to 1 of `int | float`, got true",
    ),
    (union(INT, FLOAT), {"variant": 0, "value": "x"}, 'Expected `int`, got "x"'),
    (
        FrameType("pandas"),
        REFERENCE,
        'Expected a reference of format `parquet` to a `pandas table`, got "npy"',
    ),
    (FileType(), {"uri": "x"}, "Expected a reference to a `File`, got {'uri': 'x'}"),
    (FileType(), "x.txt", 'Expected `File`, got "x.txt"'),
]


@pytest.mark.parametrize(("type", "wire", "message"), PROBLEMS, ids=[row[2][:50] for row in PROBLEMS])
def test_what_does_not_fit_is_said_with_the_path_to_it(type: AnyType, wire: Any, message: str) -> None:
    assert problem(type, wire) == message


ASSIGNABLE: list[tuple[AnyType, AnyType]] = [
    (INT, INT),
    (INT, FLOAT),
    (INT, union(STR, INT)),
    (INT, union(STR, FLOAT)),
    (union(INT, STR), union(STR, NONE, INT)),
    (union(INT, FLOAT), FLOAT),
    (listed(INT), listed(FLOAT)),
    (listed(listed(INT)), listed(listed(union(INT, NONE)))),
    (BY_NAME, DictType(STR, FLOAT)),
    (BY_NAME, DictType(union(STR, INT), INT)),
    (TupleType((INT, INT)), TupleType((FLOAT, INT))),
    (TupleType((INT, STR)), TupleType((union(INT, STR),), variadic=True)),
    (TupleType((INT,), variadic=True), TupleType((FLOAT,), variadic=True)),
    (TupleType(()), TupleType((STR,), variadic=True)),
    (POINT, StructType("Point", (StructField("x", FLOAT), StructField("y", FLOAT, required=False)))),
    (StructType("Point", (StructField("y", FLOAT), StructField("x", INT))), POINT),
    (ChoiceType(("a", "b")), STR),
    (ChoiceType((1,)), FLOAT),
    (ChoiceType(("a", 1)), union(STR, INT)),
    (ChoiceType(("a",)), ChoiceType(("b", "a"))),
    (EnumType("Colour", ("RED",)), COLOUR),
    (FrameType("pandas"), FrameType("polars")),
    (FrameType("series"), FrameType("pandas")),
    (PickledType("Model"), PickledType("Any")),
    (FileType(), union(FileType(), NONE)),
]
NOT_ASSIGNABLE: list[tuple[AnyType, AnyType]] = [
    (FLOAT, INT),
    (BOOL, INT),
    (INT, BOOL),
    (INT, STR),
    (NONE, INT),
    (union(INT, NONE), INT),
    (union(INT, STR), union(INT, NONE)),
    (STR, ChoiceType(("a",))),
    (ChoiceType((1,)), ChoiceType((True,))),
    (ChoiceType(("a", 1)), STR),
    (listed(FLOAT), listed(INT)),
    (listed(INT), TupleType((INT,), variadic=True)),
    (TupleType((INT,), variadic=True), TupleType((INT,))),
    (TupleType((INT, INT)), TupleType((INT,))),
    (DictType(STR, FLOAT), BY_NAME),
    (COLOUR, EnumType("Colour", ("RED",))),
    (COLOUR, STR),
    (POINT, StructType("Spot", POINT.fields)),
    (POINT, StructType("Point", (StructField("x", INT),))),
    (POINT, StructType("Point", (StructField("x", INT), StructField("y", FLOAT)))),
    (FrameType("pandas"), FrameType("series")),
    (FileType(), DirectoryType()),
    (PickledType("A"), PickledType("B")),
    (DATE, DATETIME),
]


@pytest.mark.parametrize(("source", "target"), ASSIGNABLE, ids=str)
def test_assignable(source: AnyType, target: AnyType) -> None:
    assert assignable(source, target)


@pytest.mark.parametrize(("source", "target"), NOT_ASSIGNABLE, ids=str)
def test_not_assignable(source: AnyType, target: AnyType) -> None:
    assert not assignable(source, target)


CONVERTED: list[tuple[AnyType, AnyType, Any, Any]] = [
    (INT, INT, 5, 5),
    (INT, FLOAT, 5, 5.0),
    (INT, union(INT, NONE), 5, 5),
    (INT, union(FLOAT, INT), 5, {"variant": 1, "value": 5}),
    (INT, union(FLOAT, STR), 5, {"variant": 0, "value": 5.0}),
    (union(INT, NONE), union(INT, FLOAT, NONE), None, {"variant": 2, "value": None}),
    (union(INT, FLOAT), union(NONE, INT, FLOAT), {"variant": 1, "value": 5.0}, {"variant": 2, "value": 5.0}),
    (union(INT, FLOAT), FLOAT, {"variant": 0, "value": 5}, 5.0),
    (listed(INT), listed(FLOAT), [1, 2], [1.0, 2.0]),
    (listed(union(INT, STR)), listed(union(STR, INT)), [1, "a"], [1, "a"]),
    (listed(INT), union(listed(STR), listed(INT)), [], {"variant": 1, "value": []}),
    (BY_NAME, DictType(union(STR, INT), FLOAT), {"b": 1, "a": 2}, [["b", 1.0], ["a", 2.0]]),
    (DictType(ChoiceType(("a",)), INT), BY_NAME, [["a", 1]], {"a": 1}),
    (
        TupleType((INT, STR)),
        TupleType((union(INT, STR, FLOAT),), variadic=True),
        [1, "a"],
        [{"variant": 0, "value": 1}, {"variant": 1, "value": "a"}],
    ),
    (
        POINT,
        StructType("Point", (StructField("x", FLOAT), StructField("y", FLOAT, required=False))),
        {"x": 1},
        {"x": 1.0},
    ),
    (ChoiceType(("a", 1)), union(STR, FLOAT), 1, {"variant": 1, "value": 1.0}),
    (ChoiceType(("a",)), STR, "a", "a"),
    (EnumType("Colour", ("RED",)), COLOUR, "RED", "RED"),
    (FrameType("pandas"), union(FrameType("polars"), NONE), REFERENCE, REFERENCE),
]


@pytest.mark.parametrize(("source", "target", "wire", "converted"), CONVERTED)
def test_a_converted_value_fits_the_target(
    source: AnyType, target: AnyType, wire: Any, converted: Any
) -> None:
    found = convert(wire, source, target)

    assert assignable(source, target)
    assert (found, repr(found)) == (converted, repr(converted))
    assert isinstance(target, UnionType) or found is wire or problem(target, found) is None


def test_an_int_that_no_float_can_hold_is_refused() -> None:
    with pytest.raises(UserError) as caught:
        convert([10**400], listed(INT), listed(FLOAT))

    assert caught.value.message == "An `int` of 1329 bits is too large for `float`"
    assert caught.value.hint == "Make both sides `int`, or `Decimal`"


def test_choices_of_other_classes_are_other_types() -> None:
    assert ChoiceType((1,)) != ChoiceType((True,))
    assert listed(ChoiceType((1,))) != listed(ChoiceType((True,)))
    assert ChoiceType((1, "a")) == ChoiceType((1, "a"))
    assert len({ChoiceType((0,)), ChoiceType((False,)), ChoiceType((0,))}) == 2


def test_the_variant_of_a_value_is_found() -> None:
    assert variant_of(union(INT, STR, NONE), "x") == (1, "x")
    assert variant_of(union(INT, STR), None) is None
    assert variant_of(union(INT, FLOAT), {"variant": 7, "value": 1}) is None
    assert variant_of(union(INT, FLOAT), 5) is None
