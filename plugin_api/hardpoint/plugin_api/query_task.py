"""What tasks that are queries have in common, whichever service runs them: for their `__init__`."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from hardpoint.plugin_api.definition import Parameter, Position, defining_file
from hardpoint.plugin_api.errors import UsageError
from hardpoint.plugin_api.interface import SINGLE_OUTPUT
from hardpoint.plugin_api.sql_text import Identifier, SqlText

Write = Literal["create", "append", "replace"]
WRITES: tuple[Write, ...] = ("create", "append", "replace")


class Destination(msgspec.Struct, frozen=True, omit_defaults=True):
    """The table that a query's result becomes. A field of a task's config.

    Args:
        table: Its name, such as `sales.totals`.
        write: `create`: there must be no such table yet; `append`: there must be one; `replace`: either.
    """

    table: Identifier
    write: Write = "create"

    @classmethod
    def given(
        cls, table: str | Identifier | None, write: str, known: Collection[Write] = WRITES
    ) -> Destination | None:
        """What the author gave, if anything.

        Args:
            table, write: As above; a table that is None is no destination.
            known: What the service can do.

        Raises:
            UsageError: The service has no such way to write.
            UserError: The table's name is none.

        >>> Destination.given("sales.totals", "append").write
        'append'
        """
        if table is None:
            return None
        for each in known:
            if each == write:
                return cls(_identifier(table), each)
        raise UsageError(f"`write` is `{write}`", hint="One of " + ", ".join(f"`{each}`" for each in known))


class QueryParts(msgspec.Struct, frozen=True):
    """What an author gave to a query, checked.

    Names of tables and columns travel as text: an input or output of the hint `Identifier` is a `str` in the
    workflow's interface, and is checked again where it becomes SQL.

    Args:
        position: Where the task is defined.
        file: The Python file of that position.
        text: The SQL, with the names that stand in its slots.
        inputs: By name, for `TaskDefinition`.
        outputs: Type hints by name, for `TaskDefinition`.
        bound: Inputs whose values the service binds: all but those that are names.
        table_outputs: Outputs that are the name of the table in which the result is.
    """

    position: Position
    file: Path
    text: SqlText
    inputs: dict[str, Parameter]
    outputs: dict[str, Any]
    bound: tuple[str, ...]
    table_outputs: tuple[str, ...]

    @classmethod
    def given(
        cls,
        position: Position,
        *,
        sql: str | None,
        file: str | None,
        inputs: Mapping[str, Any] | None,
        outputs: Any,
        names: Mapping[str, str | Identifier] | None = None,
    ) -> QueryParts:
        """What the author wrote, in one piece.

        Args:
            position: Of the line that calls the task's class.
            sql, file: The one or the other.
            inputs: Type hints by name, or `Parameter`s.
            outputs: Type hints by name; one hint alone for the only output; None for none.
            names: For each `{slot}` of the SQL that no input fills.

        Raises:
            UsageError: There is no SQL, an input or output is no Python name, or a slot is not in the SQL.
            UserError: One of `names` is no name.
        """
        source = defining_file(position)
        parameters = {name: Parameter.given(value) for name, value in (inputs or {}).items()}
        text = SqlText.given(sql=sql, file=file, folder=source.parent)
        slots = tuple(name for name, each in parameters.items() if each.hint is Identifier)
        text = msgspec.structs.replace(
            text, names={slot: _identifier(name) for slot, name in (names or {}).items()}, inputs=slots
        )
        _check_names("Input", parameters, text)
        hints = by_name(outputs)
        _check_names("Output", hints, text)
        text.check_slots()
        return cls(
            position,
            source,
            text,
            {name: as_text(each) for name, each in parameters.items()},
            {name: str if hint is Identifier else hint for name, hint in hints.items()},
            tuple(name for name in parameters if name not in slots),
            tuple(name for name, hint in hints.items() if hint is Identifier),
        )

    def name(self, given: str, default: str) -> str:
        """For listings: what the author says, else what the `.sql` file is called, else `default`."""
        return given or re.sub(r"\W", "_", Path(self.text.file).stem) or default

    def check_destination(self, destination: object) -> None:
        """Hold outputs that name a table to there being one.

        Raises:
            UsageError: There is none.
        """
        if self.table_outputs and destination is None:
            raise UsageError(
                f"Output `{self.table_outputs[0]}` of {self.text.origin} is the name of a table, "
                "and the result goes into none",
                hint='Give it one: `destination="schema.table"`',
            )


def _identifier(name: str | Identifier) -> Identifier:
    return name if isinstance(name, Identifier) else Identifier(name)


def by_name(outputs: Any) -> dict[str, Any]:
    """Type hints of outputs by name; one hint alone is that of the only output.

    >>> by_name(int), by_name({"n": int}), by_name(None)
    ({'result': <class 'int'>}, {'n': <class 'int'>}, {})
    """
    if outputs is None:
        return {}
    return dict(outputs) if isinstance(outputs, Mapping) else {SINGLE_OUTPUT: outputs}


def as_text(parameter: Parameter) -> Parameter:
    """An input that is a name as the text that it travels as; any other as it is.

    Raises:
        UserError: Its default is no name.
    """
    if parameter.hint is not Identifier:
        return parameter
    default = parameter.default
    if isinstance(default, str):
        default = Identifier(default)
    return Parameter(str, default.name if isinstance(default, Identifier) else default, parameter.doc)


def _check_names(kind: str, names: Collection[str], text: SqlText) -> None:
    for name in names:
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError(
                f"{kind} `{name}` of {text.origin} is not a Python name",
                hint="Use letters, digits and `_`; a column of the result gets such a name with `AS`",
            )
