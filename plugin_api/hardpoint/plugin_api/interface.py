"""Named, typed inputs and outputs of a task or a workflow."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hardpoint.plugin_api.literals import AnyType, Wire

SINGLE_OUTPUT = "result"
"""The name of the one output of a function that does not name its outputs."""


class Variable(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input or output.

    Args:
        name: As the author wrote it.
        type: What crosses.
        doc: From the docstring or `Annotated[T, "…"]`; shown by `run --help`.
        default: The encoded default of an input; `msgspec.UNSET` makes the input required.
    """

    name: str
    type: AnyType
    doc: str = ""
    default: Wire | msgspec.UnsetType = msgspec.UNSET

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is msgspec.UNSET


class Interface(msgspec.Struct, frozen=True, omit_defaults=True):
    """Inputs and outputs, each in the author's order.

    >>> from hardpoint.plugin_api.literals import SimpleKind, SimpleType
    >>> number = SimpleType(SimpleKind.INT)
    >>> inputs = (Variable("x", number), Variable("n", number, default=3))
    >>> face = Interface(inputs, (Variable("result", number),))
    >>> print(face)
    (x: int, n: int = 3) -> int
    >>> [variable.name for variable in face.missing({"n"})]
    ['x']
    """

    inputs: tuple[Variable, ...] = ()
    outputs: tuple[Variable, ...] = ()

    def input(self, name: str) -> Variable | None:
        """The input of that name, if there is one."""
        return next((variable for variable in self.inputs if variable.name == name), None)

    def output(self, name: str) -> Variable | None:
        """The output of that name, if there is one."""
        return next((variable for variable in self.outputs if variable.name == name), None)

    def missing(self, given: set[str]) -> Iterator[Variable]:
        """The inputs that must still be given."""
        return (variable for variable in self.inputs if variable.required and variable.name not in given)

    def __str__(self) -> str:
        shown = ", ".join(
            f"{v.name}: {v.type}" + ("" if v.required else f" = {v.default!r}") for v in self.inputs
        )
        match self.outputs:
            case ():
                result = "None"
            case (only,) if only.name == SINGLE_OUTPUT:
                result = str(only.type)
            case several:
                result = "(" + ", ".join(f"{v.name}: {v.type}" for v in several) + ")"
        return f"({shown}) -> {result}"
