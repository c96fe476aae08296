"""The author's classes: dataclasses, NamedTuples, TypedDicts, msgspec Structs and pydantic models."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any

import msgspec

from hardpoint.core.types.codec import Codec, Inner
from hardpoint.core.types.errors import UnsupportedTypeError, show_hint
from hardpoint.core.types.structs import Field, Layout, dict_layout, struct_codec
from hardpoint.core.types.surrogates import escape

_PYDANTIC_BASE = ("pydantic.main", "BaseModel")
_PYDANTIC_BY_NAME = (2, 11)


def class_builder(cls: type) -> Callable[[Any, Inner], Codec] | None:
    """The function that makes the codec of a class with named fields; None for any other class."""
    if cls is msgspec.Struct or (cls.__module__, cls.__name__) == _PYDANTIC_BASE:
        return None  # a base without fields: its subclasses' parts would be lost
    if dataclasses.is_dataclass(cls):
        return _dataclass
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return _named_tuple
    if issubclass(cls, dict) and hasattr(cls, "__required_keys__"):
        return _typed_dict
    if issubclass(cls, msgspec.Struct):
        return _msgspec_struct
    if any((base.__module__, base.__name__) == _PYDANTIC_BASE for base in cls.__mro__):
        return _pydantic_model
    return None


def _dataclass(hint: Any, inner: Inner) -> Codec:
    cls, hints = _class_and_hints(hint)
    for name, each in hints.items():
        if each is dataclasses.InitVar or isinstance(each, dataclasses.InitVar):
            raise UnsupportedTypeError(
                "InitVar", use="Make it a field, or use `Pickled[...]`", where=f"{show_hint(hint)}.{name}"
            )
    if "__dataclass_fields__" not in vars(cls):
        raise UnsupportedTypeError(
            show_hint(hint),
            use="It inherits from a dataclass and is none itself: decorate it with `@dataclass`",
        )
    has_init = _takes_fields(cls)
    none = dataclasses.MISSING
    fields = tuple(
        Field(
            field.name,
            _field_codec(hint, field.name, hints[field.name], inner),
            required=not has_init or (field.init and field.default is none and field.default_factory is none),
            settable=has_init and field.init,
        )
        for field in dataclasses.fields(cls)
    )
    build = (lambda parts: cls(**parts)) if has_init else (lambda parts: cls.__new__(cls))
    return struct_codec(Layout(show_hint(hint), cls, fields, getattr, build))


def _takes_fields(cls: Any) -> bool:
    """Whether `cls(**fields)` works; with an `__init__` of the author's own, fields are set one by one."""
    taken = inspect.signature(cls).parameters
    wanted = {field.name for field in dataclasses.fields(cls) if field.init}
    return bool(cls.__dataclass_params__.init) and wanted <= taken.keys()


def _named_tuple(hint: Any, inner: Inner) -> Codec:
    cls, hints = _class_and_hints(hint)
    if any(name not in hints for name in cls._fields):
        raise UnsupportedTypeError(
            show_hint(hint), use="Say what its fields hold: make it a `typing.NamedTuple` or a dataclass"
        )
    fields = tuple(
        Field(name, _field_codec(hint, name, hints[name], inner), required=name not in cls._field_defaults)
        for name in cls._fields
    )
    return struct_codec(Layout(show_hint(hint), cls, fields, getattr, lambda parts: cls(**parts)))


def _typed_dict(hint: Any, inner: Inner) -> Codec:
    cls, hints = _class_and_hints(hint)
    fields = []
    for name, each in hints.items():
        required = name in cls.__required_keys__
        while (marker := getattr(typing.get_origin(each), "_name", "")) in _MARKERS:
            required = _MARKERS[marker] if marker != "ReadOnly" else required
            each = typing.get_args(each)[0]
        fields.append(Field(name, _field_codec(hint, name, each, inner), required))
    return struct_codec(dict_layout(show_hint(hint), tuple(fields)))


# With annotations as text, `__required_keys__` does not know of these.
_MARKERS = {"Required": True, "NotRequired": False, "ReadOnly": True}


def _msgspec_struct(hint: Any, inner: Inner) -> Codec:
    cls, hints = _class_and_hints(hint)
    names, defaults = cls.__struct_fields__, cls.__struct_defaults__
    defaults = (msgspec.NODEFAULT,) * (len(names) - len(defaults)) + defaults
    fields = tuple(
        Field(name, _field_codec(hint, name, hints[name], inner), required=default is msgspec.NODEFAULT)
        for name, default in zip(names, defaults, strict=True)
    )
    return struct_codec(Layout(show_hint(hint), cls, fields, getattr, lambda parts: cls(**parts)))


def _pydantic_model(hint: Any, inner: Inner) -> Codec:
    import pydantic

    cls = hint
    if tuple(map(int, pydantic.VERSION.split(".")[:2])) < _PYDANTIC_BY_NAME:
        raise UnsupportedTypeError(show_hint(hint), use="Run `pip install --upgrade 'pydantic>=2.11'`")
    if issubclass(cls, pydantic.RootModel):
        raise UnsupportedTypeError(show_hint(hint), use="Use the type of its root instead")
    fields = tuple(
        Field(name, _field_codec(hint, name, info.annotation, inner), required=info.is_required())
        for name, info in cls.model_fields.items()
    )
    return struct_codec(
        Layout(
            show_hint(hint),
            cls,
            fields,
            getattr,
            # By name, whatever aliases the model has for other people's JSON.
            lambda parts: cls.model_validate(parts, by_name=True, by_alias=False),
            surplus=lambda value: value.model_extra or (),
        )
    )


def _field_codec(hint: Any, name: str, field_hint: Any, inner: Inner) -> Codec:
    if escape(name) != name:
        raise UnsupportedTypeError(show_hint(hint), use="Give its fields names that are valid text")
    try:
        return inner(field_hint)
    except UnsupportedTypeError as error:
        raise error.inside(f"{show_hint(hint)}.{name}") from None


def _class_and_hints(hint: Any) -> tuple[Any, dict[str, Any]]:
    """The class, and the hints of its fields with the arguments of a generic class put in."""
    cls = typing.get_origin(hint) or hint
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise UnsupportedTypeError(
            show_hint(hint),
            use=f"Module `{cls.__module__}` does not have the name `{error.name}` that its annotations use: "
            "define or import it there, at the top level and not under `if TYPE_CHECKING`",
        ) from error
    if cls is hint:
        return cls, hints
    bound = dict(zip(cls.__parameters__, typing.get_args(hint), strict=True))
    return cls, {name: _substituted(each, bound) for name, each in hints.items()}


def _substituted(hint: Any, bound: dict[Any, Any]) -> Any:
    if hint in bound:
        return bound[hint]
    free = getattr(hint, "__parameters__", ())
    if not free or isinstance(hint, type):
        return hint
    return hint[tuple(bound.get(each, each) for each in free)]
