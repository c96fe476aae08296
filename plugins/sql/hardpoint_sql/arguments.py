"""Inputs on their way into SQL: values to bind, names to quote, tables to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    ArrayType,
    DirectoryType,
    FileType,
    FrameType,
    FunctionContext,
    Inputs,
    PickledType,
    Reference,
    UserError,
)
from hardpoint_sql.config import SqlConfig


class Arguments(msgspec.Struct, frozen=True):
    """The inputs of an attempt, by what becomes of them."""

    values: dict[str, Any]
    names: dict[str, Any]
    tables: dict[str, Path]


def read_arguments(context: FunctionContext, config: SqlConfig, inputs: Inputs) -> Arguments:
    """Decode the inputs, defaults included.

    Args:
        context: Of the attempt.
        config: Of the task.
        inputs: Wire values.

    Raises:
        UserError: One is of a type that SQL has no value for.
    """
    found = Arguments({}, {}, {})
    for variable in context.spec.interface.inputs:
        wire = inputs.get(variable.name, variable.default)
        match variable.type:
            case FrameType():
                found.tables[variable.name] = context.store.fetch(msgspec.convert(wire, Reference))
            case FileType() | DirectoryType() | ArrayType() | PickledType():
                raise UserError(
                    f"The input `{variable.name}` is a `{variable.type}`, which no database takes as a value",
                    hint="Pass numbers, texts, dates or tables; pass the path of a file as text",
                )
            case _ if variable.name in config.sql.inputs:
                found.names[variable.name] = wire
            case _:
                found.values[variable.name] = context.values.decode(variable.type, wire)
    return found
