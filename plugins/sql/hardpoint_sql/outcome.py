"""What the last statement gives, as the outputs of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hardpoint.plugin_api import (
    SINGLE_OUTPUT,
    FrameType,
    FunctionContext,
    Outputs,
    UserError,
    Variable,
    Wire,
)
from hardpoint_sql.client import Client, Rows
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.scalars import natural
from hardpoint_sql.statements import Statement

SHOWN_CHARS = 80


def run_last(
    context: FunctionContext,
    config: SqlConfig,
    client: Client,
    statement: Statement,
    values: Mapping[str, Any],
) -> Outputs:
    """Run the last statement; return its table, the values of its row, or the name of its destination.

    Raises:
        UserError: It gives something else than the task declares.
    """
    outputs = context.spec.interface.outputs
    if config.destination is not None:
        client.execute(statement, values)
        return {each.name: config.destination.table.name for each in outputs}
    match outputs:
        case ():
            client.execute(statement, values)
            return {}
        case (Variable(type=FrameType()) as only,):
            file = context.scratch_dir / "result.parquet"
            if not client.write(statement, values, file):
                raise _no_result(outputs)
            return {only.name: msgspec.to_builtins(context.store.put_file(file, format="parquet"))}
        case _ if tables := [each.name for each in outputs if isinstance(each.type, FrameType)]:
            raise UserError(
                f"The output `{tables[0]}` is a table, and there are others besides",
                hint="Declare the table as the only output, and query it for the others",
            )
        case _:
            found = client.rows(statement, values, at_most=2)
            if found is None:
                raise _no_result(outputs)
            return _from_row(context, outputs, found)


def _from_row(context: FunctionContext, outputs: Sequence[Variable], found: Rows) -> Outputs:
    if len(found.rows) != 1:
        raise UserError(
            "The outputs are the columns of one row, and the query gave "
            + ("several" if found.rows else "none"),
            hint="Aggregate, add `LIMIT 1`, or declare a table as the output",
        )
    row = dict(zip(found.columns, found.rows[0], strict=True))
    if len(found.columns) == 1 and len(outputs) == 1 and outputs[0].name == SINGLE_OUTPUT:
        row = {SINGLE_OUTPUT: found.rows[0][0]}
    folded = {name.casefold(): value for name, value in row.items()}
    missing = [each.name for each in outputs if each.name not in row and each.name.casefold() not in folded]
    if missing:
        columns = ", ".join(f"`{name}`" for name in found.columns)
        raise UserError(
            f"There is no column for the output `{missing[0]}`; the query gave {columns}",
            hint=f"Name a column so: `… AS {missing[0]}`",
        )
    return {
        each.name: _encoded(context, each, row.get(each.name, folded[each.name.casefold()]))
        for each in outputs
    }


def _encoded(context: FunctionContext, variable: Variable, value: Any) -> Wire:
    try:
        return context.values.encode(variable.type, natural(variable.type, value))
    except UserError as error:
        shown = "NULL" if value is None else f"`{type(value).__name__}`: {str(value)[:SHOWN_CHARS]}"
        raise UserError(
            f"Output `{variable.name}` is declared `{variable.type}`, but the query gave {shown}",
            hint="Cast the column in the query, or change `outputs`"
            + ("; `… | None` takes NULL" if value is None else ""),
        ) from error


def _no_result(outputs: Sequence[Variable]) -> UserError:
    names = ", ".join(f"`{each.name}`" for each in outputs)
    return UserError(
        f"The last statement gives no rows for the outputs {names}",
        hint="End with a SELECT, or leave out `outputs`",
    )
