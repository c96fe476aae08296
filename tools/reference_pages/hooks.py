"""`docs/reference/hooks.md`: every hook with its arguments and an example, from `hookspecs.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tools.reference_pages.markdown import NOTE, page, paragraphs, plain, table

from hardpoint.plugin_api import PROJECT_NAME, hookspecs

GROUPS = {
    "Declare": "What a plugin has to offer. Each is called once, when the plugin is loaded; `diagnose` "
    "whenever `hardpoint plugins doctor` asks.",
    "Decide": "What is asked before a run is accepted.",
    "Dispatch": "The calls that do the work. The host has an implementation of each; a plugin wraps it for "
    "its own task types.",
    "Observe": "What is told afterwards. The result is ignored.",
}
"""The moments in a node's life, in order; the docstring of a hook begins with its own."""

LIMITS = ("BUDGET_S", "FAILURES_MAX", "COOLING_S")


def hooks_page() -> str:
    """Every hook in the order of a node's life, by moment."""
    limits = [f"`{name}` is {getattr(hookspecs, name):g}" for name in LIMITS]
    parts = ["# Hooks", NOTE, inspect.cleandoc(hookspecs.__doc__ or ""), f"{', '.join(limits)}."]
    found = [function for function in vars(hookspecs).values() if _options(function) is not None]
    unknown = [each.__name__ for each in found if _moment(each) not in GROUPS]
    assert not unknown, f"docstrings begin with none of {', '.join(GROUPS)}: {unknown}"
    for moment, meaning in GROUPS.items():
        parts += [f"## {moment}", meaning]
        for function in found:
            if _moment(function) == moment:
                parts += _section(function)
    return page(parts)


def _options(function: object) -> Any:
    return getattr(function, f"{PROJECT_NAME}_spec", None)


def _moment(function: Callable[..., object]) -> str:
    return (function.__doc__ or "").partition(":")[0]


def _section(function: Callable[..., object]) -> Iterator[str]:
    signature = inspect.signature(function)
    arguments = [(f"`{each.name}`", f"`{plain(each.annotation)}`") for each in signature.parameters.values()]
    text, _, example = inspect.cleandoc(function.__doc__ or "").partition("\n\nExample:\n")
    meaning = paragraphs(text.partition(": ")[2])
    first = " The first answer that is not `None` counts." if _options(function)["firstresult"] else ""
    yield f"### `{function.__name__}`"
    yield meaning[:1].upper() + meaning[1:] + first
    yield table(("argument", "type"), arguments) or "No arguments."
    yield f"Returns `{plain(signature.return_annotation)}`."
    yield inspect.cleandoc(example)
