"""The face a task or workflow shows to a caller: literal types and codecs for its inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.core.types import Codec, codec_for
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    AnyType,
    HardpointError,
    Interface,
    LiteralType,
    Parameter,
    Reference,
    Store,
    TaskDefinition,
    UsageError,
    Variable,
    Wire,
)


class NothingStored:
    """The store of the compiler: what travels by reference cannot be written into a workflow."""

    def _refuse(self) -> UsageError:
        return UsageError(
            "A file, folder, table, array or pickled object cannot be written into a workflow",
            hint="Make it an input of the workflow, or create it in a task",
        )

    def put_bytes(self, data: bytes, *, format: str, name: str = "") -> Reference:
        """See `Store`."""
        raise self._refuse()

    def put_file(self, path: Path, *, format: str = "bytes", name: str = "") -> Reference:
        """See `Store`."""
        raise self._refuse()

    def put_directory(self, path: Path) -> Reference:
        """See `Store`."""
        raise self._refuse()

    def read_bytes(self, reference: Reference) -> bytes:
        """See `Store`."""
        raise self._refuse()

    def fetch(self, reference: Reference) -> Path:
        """See `Store`."""
        raise self._refuse()


NOTHING_STORED: Store = NothingStored()


class NaturalCodec:
    """A codec for a plugin's declaration that gives a literal type instead of a Python hint."""

    def __init__(self, type: AnyType) -> None:
        self.type = type

    def encode(self, value: Any, store: Store) -> Wire:
        """See `Codec`."""
        return LiteralValues(store).encode(self.type, value)

    def decode(self, wire: Wire, store: Store) -> Any:
        """See `Codec`."""
        return LiteralValues(store).decode(self.type, wire)


def codec_of(hint: Any) -> Codec | NaturalCodec:
    """The codec of a Python hint, or of a literal type that stands for one."""
    return NaturalCodec(hint) if isinstance(hint, LiteralType) else codec_for(hint)  # type: ignore[arg-type]


class Slot:
    """One input or output; without a codec its annotation is wrong, which was reported."""

    __slots__ = ("codec", "hint", "name", "type")

    def __init__(self, name: str, hint: Any, codec: Codec | NaturalCodec | None) -> None:
        self.name = name
        self.hint = hint
        self.codec = codec
        self.type: AnyType | None = codec.type if codec else None


class FaceProblem(msgspec.Struct, frozen=True):
    """Something wrong with an annotation or a default."""

    text: str
    hint: str
    about_default: bool = False


class Face:
    """What a caller sees of a task or workflow.

    Args:
        name: Short, for node ids and messages.
        kind: `task` or `workflow`, for messages.
        inputs: As declared.
        outputs: Hints by name.
        positional: How many inputs may be given by position; None: all.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        inputs: Mapping[str, Parameter],
        outputs: Mapping[str, Any],
        positional: int | None = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.problems: list[FaceProblem] = []
        self.inputs = {key: self._slot("Input", key, parameter.hint) for key, parameter in inputs.items()}
        self.outputs = {key: self._slot("Output", key, hint) for key, hint in outputs.items()}
        self.names = tuple(inputs)[:positional]
        self.single = tuple(outputs) == (SINGLE_OUTPUT,)
        self.interface = Interface(
            tuple(self._variables(inputs)),
            tuple(Variable(key, slot.type) for key, slot in self.outputs.items() if slot.type),
        )
        self.required = frozenset(key for key, each in inputs.items() if each.default is msgspec.UNSET)

    def _slot(self, role: str, name: str, hint: Any) -> Slot:
        try:
            return Slot(name, hint, codec_of(hint))
        except HardpointError as error:
            text = f"{role} `{name}` of {self.kind} `{self.name}`: {error.message}"
            self.problems.append(FaceProblem(text, error.hint))
            return Slot(name, hint, None)

    def _variables(self, inputs: Mapping[str, Parameter]) -> Iterator[Variable]:
        for name, parameter in inputs.items():
            slot = self.inputs[name]
            if slot.type is not None:
                yield Variable(name, slot.type, parameter.doc, self._default(slot, parameter.default))

    def _default(self, slot: Slot, value: Any) -> Wire | msgspec.UnsetType:
        if value is msgspec.UNSET or slot.codec is None:
            return msgspec.UNSET
        try:
            return slot.codec.encode(value, NOTHING_STORED)
        except HardpointError as error:
            text = f"The default of input `{slot.name}` of {self.kind} `{self.name}` "
            text += f"does not fit `{slot.type}`: {error.message}"
            self.problems.append(FaceProblem(text, error.hint, about_default=True))
            return None


def face_of(definition: TaskDefinition) -> Face:
    """The face of a task, made once for each definition and its copies."""
    face: Face | None = vars(definition).get("_face")
    if face is None:
        positional = vars(definition).get("positional")
        name = re.sub(r"[^\w-]", "_", definition.name.rpartition(".")[2])
        face = Face(name, "task", definition.inputs, definition.outputs, positional)
        vars(definition)["_face"] = face
    return face
