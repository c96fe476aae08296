"""What a task shows when it runs once for each item of lists: its interface and face, with lists."""

from __future__ import annotations

import copy
from collections.abc import Collection

import msgspec

from hardpoint.core.compiled import Mapped
from hardpoint.core.face import Face, NaturalCodec, Slot, codec_of
from hardpoint.core.mapped_types import mapped_output
from hardpoint.plugin_api import Interface, ListType, LiteralType


def mapped_interface(interface: Interface, mapped: Mapped) -> Interface:
    """The inputs and outputs of a mapped node.

    Args:
        interface: Of its task.
        mapped: How it is mapped.

    >>> from hardpoint.plugin_api import SimpleKind, SimpleType, Variable
    >>> number = SimpleType(SimpleKind.INT)
    >>> face = Interface((Variable("x", number), Variable("k", number)), (Variable("result", number),))
    >>> print(mapped_interface(face, Mapped(("x",), min_successes=1)))
    (x: list[int], k: int) -> list[int | None]
    """
    inputs = (
        msgspec.structs.replace(each, type=ListType(each.type), default=msgspec.UNSET)
        if each.name in mapped.over
        else each
        for each in interface.inputs
    )
    outputs = (
        msgspec.structs.replace(each, type=mapped_output(each.type, tolerant=mapped.tolerant))
        for each in interface.outputs
    )
    return Interface(tuple(inputs), tuple(outputs))


def mapped_face(face: Face, mapped: Mapped, positional: Collection[str]) -> Face:
    """The face of a mapped node.

    Args:
        face: Of its task.
        mapped: How it is mapped.
        positional: Names of the inputs that a call may give by position.
    """
    made = copy.copy(face)
    made.names = tuple(positional)
    made.inputs = {
        name: _list_slot(slot) if name in mapped.over else slot for name, slot in face.inputs.items()
    }
    made.outputs = {name: _output_slot(slot, mapped) for name, slot in face.outputs.items()}
    made.interface = mapped_interface(face.interface, mapped)
    return made


def _list_slot(slot: Slot) -> Slot:
    if slot.codec is None:
        return slot
    hint = ListType(slot.hint) if isinstance(slot.hint, LiteralType) else list[slot.hint]  # type: ignore[arg-type, name-defined]
    return Slot(slot.name, hint, codec_of(hint))


def _output_slot(slot: Slot, mapped: Mapped) -> Slot:
    if slot.type is None:
        return slot
    type = mapped_output(slot.type, tolerant=mapped.tolerant)
    return Slot(slot.name, type, NaturalCodec(type))
