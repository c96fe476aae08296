"""What can be wrong with a workflow before it runs; each has a place in the author's file.

CompileErrors                all that is wrong with one workflow, in `.errors`
CompileError
├── UnknownInputError        an input is given, or read, that is not there
├── UnboundInputError        an input has no value and no default
├── DoublyBoundInputError    an input is given twice
├── TypeMismatchError        a value of another type than its place wants
├── UnsupportedAnnotationError  an annotation whose values cannot cross a boundary
├── UnknownFieldError        a field, item or key that a promised value does not have
├── UnknownOutputError       an output that a node does not have
├── MissingOutputError       an output that the workflow declares and does not return
├── CycleError               nodes, or workflows, that wait for each other
├── UnreachableNodeError     a node that waits for what is not there or can never run
├── DuplicateIdError         two nodes of one name
├── UnknownTaskError         a node that names no task, or one that is not there
├── ForeignPromiseError      a promise of another workflow
├── PromiseError             a promise used as if it were its value
├── OverrideError            an override that does not apply
├── MapError                 a task that cannot be mapped as it is written
├── IdentityError            code that another process could not find again
└── DefinitionError          a function that cannot be a task or a workflow
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hardpoint.plugin_api import Position, UsageError


class Place(msgspec.Struct, frozen=True):
    """Where a problem is: names for the reader, and the line if there is one."""

    workflow: str
    node: str = ""
    position: Position | None = None


class CompileError(UsageError):
    """One thing that is wrong with a workflow.

    Args:
        text: What is wrong, with which values; no trailing period.
        place: The workflow, the node and the line.
        hint: The edit that helps.
    """

    def __init__(self, text: str, place: Place, *, hint: str = "") -> None:
        where = f"\n  --> {place.position}" if place.position else ""
        super().__init__(text + where, hint=hint)
        self.text = text
        self.place = place

    def to_dict(self) -> dict[str, Any]:
        """This error for `--json`."""
        position = self.place.position
        return {
            "code": self.code,
            "message": self.text,
            "hint": self.hint,
            "workflow": self.place.workflow,
            "node": self.place.node,
            "file": position.file if position else None,
            "line": position.line if position else None,
        }


class UnknownInputError(CompileError):
    """An input is given to a node, or read from a workflow, that has none of that name."""


class UnboundInputError(CompileError):
    """A node's input has neither a value nor a default."""


class DoublyBoundInputError(CompileError):
    """A node's input is given twice."""


class TypeMismatchError(CompileError):
    """A value of another type than the place it is used in wants."""


class UnsupportedAnnotationError(CompileError):
    """An annotation whose values cannot cross a boundary."""


class UnknownFieldError(CompileError):
    """A field, item or key that a promised value does not have."""


class UnknownOutputError(CompileError):
    """An output that a node does not have."""


class MissingOutputError(CompileError):
    """An output that a workflow declares and does not return."""


class CycleError(CompileError):
    """Nodes, or workflows, that wait for each other."""


class UnreachableNodeError(CompileError):
    """A node that waits for one that is not there, or that can never run."""


class DuplicateIdError(CompileError):
    """Two nodes of one name in one workflow, or a name that cannot be one."""


class UnknownTaskError(CompileError):
    """A node that names no task and no workflow, both, or one that is not there."""


class ForeignPromiseError(CompileError):
    """A promise that belongs to another workflow."""


class PromiseError(CompileError):
    """A promise was used as if it were its value; raised at once, as the body cannot go on."""


class OverrideError(CompileError):
    """An override that does not apply to what it is set on."""


class MapError(CompileError):
    """A task cannot be run for each item of lists as it is written; raised at once by `map_task` itself."""


class IdentityError(CompileError):
    """Code that another process could not find again."""


class DefinitionError(CompileError):
    """A function that cannot be a task or a workflow; raised where it is decorated."""


class CompileErrors(UsageError):
    """Everything that is wrong with one workflow.

    Args:
        errors: In the order they were met. At least one.
    """

    def __init__(self, errors: Sequence[CompileError]) -> None:
        self.errors = tuple(errors)
        if len(self.errors) == 1:
            (only,) = self.errors
            super().__init__(only.message, hint=only.hint)
            return
        shown = "\n\n".join(f"{number}. {error}" for number, error in enumerate(self.errors, 1))
        super().__init__(
            f"{len(self.errors)} problems in workflow `{self.errors[0].place.workflow}`\n\n{shown}"
        )

    def to_dict(self) -> dict[str, Any]:
        """All of them for `--json`."""
        return {"code": self.code, "errors": [error.to_dict() for error in self.errors]}


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names what is spelled almost like `name`, else `otherwise`.

    >>> did_you_mean("ephocs", ["epochs", "data"])
    'Did you mean `epochs`?'
    >>> did_you_mean("x", ["epochs"], "Its inputs are `epochs`")
    'Its inputs are `epochs`'
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean `{close[0]}`?" if close else otherwise


def listed(names: Iterable[str]) -> str:
    """Names for a sentence.

    >>> listed(["a", "b"]), listed([])
    ('`a`, `b`', 'none')
    """
    return ", ".join(f"`{name}`" for name in names) or "none"
