"""Classes with named fields: dataclasses, NamedTuples, TypedDicts, msgspec Structs, pydantic models."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    NamedTuple,
    NotRequired,
    Optional,
    Required,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pydantic
import pytest
from typing_extensions import TypeAliasType

from hardpoint.core.store import BlobStore
from hardpoint.core.types import DecodeError, EncodeError, UnsupportedTypeError, codec_for, documentation_of
from hardpoint.plugin_api import StructType
from hardpoint.plugin_api.literal_rules import problem

T = TypeVar("T")


@dataclasses.dataclass
class Metrics:
    scores: list[float]
    name: str = "run"


@dataclasses.dataclass
class LookAlike:
    scores: list[float]
    name: str = "run"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    inner: Metrics
    tags: dict[str, int] = dataclasses.field(default_factory=dict)
    size: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", len(self.inner.scores))


@dataclasses.dataclass
class Sub(Metrics):
    extra: int = 0


class PlainSub(Metrics):
    pass


@dataclasses.dataclass
class OwnInit:
    x: int
    y: int

    def __init__(self, both: int) -> None:
        self.x = self.y = both


@dataclasses.dataclass
class Positive:
    x: int

    def __post_init__(self) -> None:
        if self.x <= 0:
            raise ValueError("x must be positive")


@dataclasses.dataclass
class Given:
    x: int
    seed: dataclasses.InitVar[int]


@dataclasses.dataclass(frozen=True)
class Key:
    a: int
    b: str


@dataclasses.dataclass
class Box(Generic[T]):
    item: T
    more: list[T] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Tree:
    children: list[Tree]


@dataclasses.dataclass
class Mute:
    run: Callable[[], int]


class Pair(NamedTuple):
    left: int
    right: Metrics | None = None


Bare = namedtuple("Bare", ["x"])


class Config(TypedDict):
    a: int
    b: NotRequired[str]


class Loose(TypedDict, total=False):
    a: Required[int]
    b: Annotated[str, "words"]


class Record(msgspec.Struct, frozen=True):
    x: int
    y: list[str] = []
    z: float | None = None


class Model(pydantic.BaseModel):
    number: int = pydantic.Field(alias="Number")
    metrics: Metrics
    note: Annotated[str, pydantic.Field(max_length=5)] = "x"


class Open(pydantic.BaseModel, extra="allow"):
    x: int


class Numbers(pydantic.RootModel[list[int]]):
    pass


VALUES: list[tuple[Any, Any]] = [
    (Metrics, Metrics([1.0, 2.5], "a")),
    (Frozen, Frozen(inner=Metrics([]), tags={"k": 1})),
    (Sub, Sub([1.0], "s", 3)),
    (OwnInit, OwnInit(3)),
    (Box[int], Box(1, [2])),
    (Box[Box[str] | None], Box(Box("x"))),
    (dict[Key, Pair], {Key(1, "a"): Pair(1, Metrics([]))}),
    (Pair, Pair(1)),
    (Config, {"a": 1}),
    (Config, {"b": "x", "a": 1}),
    (Loose, {"a": 1, "b": "x"}),
    (Record, Record(1, ["a"], 0.5)),
    (Model, Model(Number=3, metrics=Metrics([1.0]))),
    (Open, Open(x=1)),
    (list[Metrics | LookAlike], [LookAlike([1.0]), Metrics([1.0]), LookAlike([])]),
    (Optional[Record], None),  # noqa: UP045 (the older syntax is a case of its own)
]


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path)


@pytest.mark.parametrize(("hint", "value"), VALUES, ids=lambda each: str(each)[:40])
def test_a_value_comes_back_as_its_own_class(hint: Any, value: Any, store: BlobStore) -> None:
    codec = codec_for(hint)

    wire = msgspec.json.decode(msgspec.json.encode(codec.encode(value, store)))
    found = codec.decode(wire, store)

    assert problem(codec.type, wire) is None
    assert found == value
    assert type(found) is type(value)
    assert codec.matches(value)


def test_items_of_a_list_of_look_alikes_keep_their_classes(store: BlobStore) -> None:
    codec = codec_for(list[Metrics | LookAlike])

    found = codec.decode(codec.encode([LookAlike([]), Metrics([])], store), store)

    assert [type(each) for each in found] == [LookAlike, Metrics]


def test_the_items_of_a_typed_dict_keep_their_order(store: BlobStore) -> None:
    codec = codec_for(Config)

    assert [*codec.decode(codec.encode({"b": "x", "a": 1}, store), store)] == ["b", "a"]


def required(hint: Any) -> dict[str, bool]:
    found = codec_for(hint).type
    assert isinstance(found, StructType)
    return {field.name: field.required for field in found.fields}


def test_fields_with_defaults_may_be_left_out(store: BlobStore) -> None:
    assert required(Metrics) == {"scores": True, "name": False}
    assert codec_for(Metrics).decode({"scores": [1]}, store) == Metrics([1.0], "run")


def test_keys_of_typed_dicts_are_required_as_written() -> None:
    assert (required(Config), required(Loose)) == ({"a": True, "b": False}, {"a": True, "b": False})


def test_a_field_that_was_changed_after_init_comes_back_changed(store: BlobStore) -> None:
    value = Frozen(inner=Metrics([1.0]))
    object.__setattr__(value, "size", 99)
    codec = codec_for(Frozen)

    assert codec.decode(codec.encode(value, store), store).size == 99


def test_a_generic_class_shows_its_arguments() -> None:
    assert str(codec_for(Box[int]).type) == "Box[int]"


def test_documentation_is_the_first_text_of_annotated() -> None:
    assert documentation_of(Annotated[int, 5, "Rows", "more"]) == "Rows"
    assert documentation_of(int) == ""
    assert codec_for(Annotated[int, {"not": "hashable"}]) is codec_for(int)


def test_type_statements_stand_for_what_they_name() -> None:
    ids = TypeAliasType("ids", list[int])
    many = TypeAliasType("many", dict[str, T], type_params=(T,))
    maybe = TypeAliasType("maybe", Union[T, None], type_params=(T,))  # noqa: UP007 (`T | None` is no value here)

    assert codec_for(ids) is codec_for(list[int])
    assert str(codec_for(Optional[many[int]]).type) == "dict[str, int] | None"  # noqa: UP045
    assert str(codec_for(Union[maybe[int], str]).type) == "int | None | str"  # noqa: UP007


ENCODE_ERRORS: list[tuple[Any, Any, str]] = [
    (
        Metrics,
        Metrics([1.0, "x"]),  # type: ignore[list-item]
        "Expected `float`, got str 'x' at `scores[1]`\n\n"
        "hint: Pass a value of that type, or change the type hint",
    ),
    (
        dict[str, Frozen],
        {"best": Frozen(inner=Metrics([], 5))},  # type: ignore[arg-type]
        "Expected `str`, got int 5 at `['best'].inner.name`\n\n"
        "hint: Pass a value of that type, or change the type hint",
    ),
    (
        Metrics,
        Sub([1.0]),
        "Expected `Metrics`, got Sub Sub(scores=[1.0], name='run', extra=0)\n\n"
        "hint: `Sub` is a subclass and its own parts would be lost: name it in the type hint, or change the "
        "hint to `Pickled[Metrics]`",
    ),
    (Config, {"b": "x"}, "Field `a` of `Config` is missing\n\nhint: Give `a` a value"),
    (
        Config,
        {"a": 1, "c": 2},
        "`Config` has no field 'c'\n\nhint: Its fields are `a`, `b`: add it there, or leave it out",
    ),
    (
        Open,
        Open(x=1, other=2),  # type: ignore[call-arg]
        "`Open` has no field 'other'\n\nhint: Its fields are `x`: add it there, or leave it out",
    ),
    (
        Metrics | None,
        Metrics([None]),  # type: ignore[list-item]
        "Expected `float`, got None at `scores[0]`\n\n"
        "hint: Pass a value, or change the type hint to `float | None`",
    ),
]


@pytest.mark.parametrize(("hint", "value", "message"), ENCODE_ERRORS)
def test_a_wrong_value_is_refused_with_the_path_to_it(
    hint: Any, value: Any, message: str, store: BlobStore
) -> None:
    with pytest.raises(EncodeError) as caught:
        codec_for(hint).encode(value, store)

    assert str(caught.value) == message


DECODE_ERRORS: list[tuple[Any, Any, str]] = [
    (
        list[Positive],
        [{"x": 1}, {"x": -1}],
        "`Positive` refuses these fields: ValueError: x must be positive at `[1]`\n\n"
        "hint: Give values that its constructor takes",
    ),
    (Metrics, {}, "Field `scores` of `Metrics` is missing\n\nhint: Give `scores`"),
    (
        Metrics,
        {"scores": [], "size": 1},
        "`Metrics` has no field `size`\n\n"
        "hint: The value was written under another type; run the step that made it again",
    ),
    (
        Metrics,
        {"scores": [True]},
        "Expected the wire form of `float`, got True at `scores[0]`\n\n"
        "hint: The value was written under another type; run the step that made it again",
    ),
]


@pytest.mark.parametrize(("hint", "wire", "message"), DECODE_ERRORS)
def test_a_wrong_wire_is_refused_with_the_path_to_it(
    hint: Any, wire: Any, message: str, store: BlobStore
) -> None:
    with pytest.raises(DecodeError) as caught:
        codec_for(hint).decode(wire, store)

    assert str(caught.value) == message


UNSUPPORTED: list[tuple[Any, str]] = [
    (
        Tree,
        "Type `Tree` of `Tree.children` cannot cross a boundary\n\n"
        "hint: It contains itself: change the hint to `Pickled[Tree]`",
    ),
    (
        Mute,
        "Type `Callable[[], int]` of `Mute.run` cannot cross a boundary\n\n"
        "hint: Pass what the function needs as data, and choose the function inside the task",
    ),
    (
        Box,
        "Type `~T` of `Box.item` cannot cross a boundary\n\n"
        "hint: Give the generic class its arguments, such as `Box[int]`; "
        "in a subclass, write the field again",
    ),
    (
        Given,
        "Type `InitVar` of `Given.seed` cannot cross a boundary\n\n"
        "hint: Make it a field, or use `Pickled[...]`",
    ),
    (
        PlainSub,
        "Type `PlainSub` cannot cross a boundary\n\n"
        "hint: It inherits from a dataclass and is none itself: decorate it with `@dataclass`",
    ),
    (
        Bare,
        "Type `Bare` cannot cross a boundary\n\n"
        "hint: Say what its fields hold: make it a `typing.NamedTuple` or a dataclass",
    ),
    (Numbers, "Type `Numbers` cannot cross a boundary\n\nhint: Use the type of its root instead"),
]


@pytest.mark.parametrize(("hint", "message"), UNSUPPORTED)
def test_a_class_that_cannot_cross_says_what_to_write(hint: Any, message: str) -> None:
    with pytest.raises(UnsupportedTypeError) as caught:
        codec_for(hint)

    assert str(caught.value) == message


def test_names_that_the_module_does_not_have_are_said() -> None:
    @dataclasses.dataclass
    class Lost:
        x: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(UnsupportedTypeError) as caught:
        codec_for(Lost)

    assert str(caught.value) == (
        "Type `Lost` cannot cross a boundary\n\n"
        f"hint: Module `{__name__}` does not have the name `Nowhere` that its annotations use: "
        "define or import it there, at the top level and not under `if TYPE_CHECKING`"
    )
