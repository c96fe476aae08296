"""What a function's signature and docstring say about its inputs and outputs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from hardpoint.core.compile_errors import DefinitionError, Place
from hardpoint.core.types import documentation_of
from hardpoint.plugin_api import SINGLE_OUTPUT, Parameter, Position


class Signature(msgspec.Struct, frozen=True):
    """A function's face, before its hints become literal types.

    Args:
        inputs: By name, in order.
        outputs: Type hints by name; empty for `-> None`.
        positional: How many of the inputs may be given by position.
        output_class: The NamedTuple that names the outputs, if one does.
        doc: First paragraph of the docstring.
    """

    inputs: dict[str, Parameter]
    outputs: dict[str, Any]
    positional: int
    output_class: type[Any] | None = None
    doc: str = ""


def function_position(fn: Callable[..., Any]) -> Position:
    """Where a function is defined: the line of its first decorator, or of its `def`."""
    code = inspect.unwrap(fn).__code__
    return Position(code.co_filename, code.co_firstlineno)


def require_function(fn: object, kind: str) -> FunctionType:
    """Return `fn` if it is a plain function that ends with one value.

    Args:
        fn: What the author decorated.
        kind: `Task` or `Workflow`, for messages.

    Raises:
        DefinitionError: It is no function, or an async or a generator function.
    """
    if not isinstance(fn, FunctionType):
        raise DefinitionError(
            f"`@{kind.lower()}` stands on a `{type(fn).__name__}`, not on a function",
            Place(""),
            hint="Decorate a function made with `def`; call other objects inside it",
        )
    inner = inspect.unwrap(fn)
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise refusal(
            fn,
            f"{kind} `{fn.__qualname__}` is an async function",
            "Write `def`, and `asyncio.run(...)` inside it",
        )
    if inspect.isgeneratorfunction(inner):
        raise refusal(
            fn, f"{kind} `{fn.__qualname__}` is a generator", "Return a list instead of using `yield`"
        )
    return fn


def refusal(fn: Callable[..., Any], text: str, hint: str) -> DefinitionError:
    """An error about a function, at its definition."""
    return DefinitionError(text, Place("", position=function_position(fn)), hint=hint)


def read_signature(fn: FunctionType, kind: str, names: Mapping[str, Any] | None = None) -> Signature:
    """Read inputs, outputs and help.

    Args:
        fn: What `require_function` let through.
        kind: `Task` or `Workflow`, for messages.
        names: Where hints may be found besides the function's module.

    Raises:
        DefinitionError: A parameter or hint that a boundary cannot have.
    """
    hints = _hints(fn, kind, names)
    docs = argument_docs(fn.__doc__ or "")
    inputs: dict[str, Parameter] = {}
    positional = 0
    for parameter in inspect.signature(fn).parameters.values():
        _check_parameter(fn, kind, parameter, hints)
        hint = hints[parameter.name]
        default = msgspec.UNSET if parameter.default is parameter.empty else parameter.default
        inputs[parameter.name] = Parameter(
            hint, default, documentation_of(hint) or docs.get(parameter.name, "")
        )
        positional += parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    if "return" not in hints:
        raise refusal(
            fn,
            f"{kind} `{fn.__qualname__}` does not say what it returns",
            "Annotate it, such as `-> float`; write `-> None` if it returns nothing",
        )
    outputs, output_class = _outputs(fn, kind, hints["return"])
    return Signature(inputs, outputs, positional, output_class, first_paragraph(fn.__doc__ or ""))


def _hints(fn: FunctionType, kind: str, names: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        return get_type_hints(fn, localns=dict(names or {}), include_extras=True)
    except NameError as error:
        raise refusal(
            fn,
            f"A hint of {kind.lower()} `{fn.__qualname__}` uses `{error.name}`, which is not defined there",
            f"Import `{error.name}` at the top of the file, not under `if TYPE_CHECKING`, "
            "or define it above the function",
        ) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise refusal(
            fn,
            f"A hint of {kind.lower()} `{fn.__qualname__}` is not a type: {error}",
            "Correct the annotation",
        ) from error


def _check_parameter(
    fn: FunctionType, kind: str, parameter: inspect.Parameter, hints: Mapping[str, Any]
) -> None:
    what = f"of {kind.lower()} `{fn.__qualname__}`"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
        instead = "list[...]" if stars == "*" else "dict[str, ...]"
        raise refusal(
            fn,
            f"Parameter `{stars}{parameter.name}` {what} takes any number of values",
            f"Inputs are fixed: write `{parameter.name}: {instead}` and pass one value",
        )
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise refusal(
            fn,
            f"Parameter `{parameter.name}` {what} has no name for callers",
            "Remove the `/` from its signature",
        )
    if parameter.name not in hints:
        raise refusal(
            fn,
            f"Parameter `{parameter.name}` {what} has no type",
            f"Annotate it, such as `{parameter.name}: int`",
        )


def _outputs(fn: FunctionType, kind: str, hint: Any) -> tuple[dict[str, Any], type[Any] | None]:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if bare is None or bare is type(None):
        return {}, None
    if isinstance(bare, type) and issubclass(bare, tuple) and hasattr(bare, "_fields"):
        fields = dict.fromkeys(bare._fields, Any) | get_type_hints(bare, include_extras=True)
        if tuple(fields) == (SINGLE_OUTPUT,):
            raise refusal(
                fn,
                f"{kind} `{fn.__qualname__}` names its only output `{SINGLE_OUTPUT}`, as an unnamed one is",
                f"Rename the field of `{bare.__name__}`, or return its value alone",
            )
        return fields, bare
    return {SINGLE_OUTPUT: hint}, None


def first_paragraph(doc: str) -> str:
    """The docstring's first paragraph on one line.

    >>> first_paragraph("Train a\\n    model.\\n\\n    More.")
    'Train a model.'
    """
    return " ".join(inspect.cleandoc(doc).split("\n\n")[0].split())


def argument_docs(doc: str) -> dict[str, str]:
    """Texts by parameter of a Google-style `Args:` section.

    >>> argument_docs("T.\\n\\nArgs:\\n    x: The\\n        data.\\n    n (int): Epochs.\\n\\nRaises:")
    {'x': 'The data.', 'n': 'Epochs.'}
    """
    lines = inspect.cleandoc(doc).splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() in ("Args:", "Arguments:")), None)
    found: dict[str, str] = {}
    if start is None:
        return found
    depth, name = 0, ""
    for line in lines[start + 1 :]:
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            break
        depth = depth or indent
        entry = re.match(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)", line.strip())
        if entry and indent == depth:
            name, text = entry.groups()
            found[name] = text
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
