"""What can go wrong with types: a hint that cannot cross a boundary, a value that does not fit its hint.

UserError
├── UnsupportedTypeError    a type hint whose values cannot be encoded
└── BoundaryError           a value and its type do not agree
    ├── EncodeError         a Python value does not fit the hint
    ├── DecodeError         a wire value does not fit the hint
    └── InputTextError      what somebody typed does not fit the type of an input
"""

from __future__ import annotations

import reprlib
import types
import typing
from typing import Any

from hardpoint.plugin_api import AnyType, UserError

_REPR_LENGTH = 60


class UnsupportedTypeError(UserError):
    """A type hint whose values cannot cross a boundary.

    Args:
        hint_shown: The hint, as messages show it.
        use: What to write instead.
        where: The field that has the hint, such as `Config.tags`.
    """

    def __init__(self, hint_shown: str, *, use: str, where: str = "") -> None:
        self.hint_shown = hint_shown
        self.where = where
        of = f" of `{where}`" if where else ""
        super().__init__(f"Type `{hint_shown}`{of} cannot cross a boundary", hint=use)

    def inside(self, where: str) -> UnsupportedTypeError:
        """The same error, told of the innermost field that has the hint."""
        return self if self.where else UnsupportedTypeError(self.hint_shown, use=self.hint, where=where)


class BoundaryError(UserError):
    """A value and its type do not agree.

    Args:
        problem: What is wrong, without where.
        path: The way from the outermost value to the part at fault, such as `.scores[3]`.
        hint: The edit that helps.
    """

    def __init__(self, problem: str, *, path: str = "", hint: str = "") -> None:
        super().__init__(problem, hint=hint)
        self.problem = problem
        self.path = ""
        self.add_step(path)

    def add_step(self, step: str) -> None:
        """Prepend where the value stands in the one around it: `metrics`, `.scores` or `[3]`."""
        self.path = step + self.path
        shown = self.path.removeprefix(".")
        self.message = f"{self.problem} at `{shown}`" if shown else self.problem
        self.args = (self.message,)


class EncodeError(BoundaryError):
    """A Python value does not fit the type hint it is passed under."""


class DecodeError(BoundaryError):
    """A wire value does not fit the type hint it is read under."""


class InputTextError(BoundaryError):
    """Text typed on a command line, or read from a file, does not fit the type of an input."""


def wrong_value(expected: AnyType | str, value: Any, *, use: str = "") -> EncodeError:
    """The error for a value of another type than its hint says.

    >>> print(wrong_value("int", "x"))
    Expected `int`, got str 'x'
    <BLANKLINE>
    hint: Pass a value of that type, or change the type hint
    """
    if not use and value is None:
        use = f"Pass a value, or change the type hint to `{expected} | None`"
    use = use or "Pass a value of that type, or change the type hint"
    shown = "None" if value is None else f"{show_hint(type(value))} {short_repr(value)}"
    return EncodeError(f"Expected `{expected}`, got {shown}", hint=use)


def wrong_wire(expected: AnyType | str, wire: Any) -> DecodeError:
    """The error for a wire value of another shape than its type says."""
    return DecodeError(
        f"Expected the wire form of `{expected}`, got {short_repr(wire)}",
        hint="The value was written under another type; run the step that made it again",
    )


def short_repr(value: Any) -> str:
    """A `repr` of at most some 60 characters and one line, whatever `value` is.

    >>> short_repr(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, ...]'
    """
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = _REPR_LENGTH
    try:
        return " ".join(short.repr(value).split())
    except Exception:  # a broken `__repr__`, or an int of too many digits, must not hide the real error
        return f"<{type(value).__name__}>"


def show_hint(hint: Any) -> str:
    """A hint as its author would write it, without the modules, which differ between processes.

    >>> show_hint(int), show_hint(dict[str, set[int] | None]), show_hint(typing.Any), show_hint(None)
    ('int', 'dict[str, set[int] | None]', 'Any', 'None')
    """
    if hint is None or hint is type(None):
        return "None"
    if isinstance(hint, list):  # the parameters of a `Callable`
        return f"[{', '.join(map(show_hint, hint))}]"
    args, origin = typing.get_args(hint), typing.get_origin(hint)
    if isinstance(hint, type) and not args:
        return hint.__qualname__.rpartition("<locals>.")[2]
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(show_hint, args))
    if origin is typing.Annotated:
        return show_hint(args[0])
    if isinstance(origin, type) and args:
        star = "*" if getattr(hint, "__unpacked__", False) else ""
        return (
            f"{star}{show_hint(origin)}[{', '.join('...' if a is Ellipsis else show_hint(a) for a in args)}]"
        )
    return repr(hint).removeprefix("typing.")
