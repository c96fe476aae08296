"""`:name` in SQL, as the author writes it, and `?`, as the service takes it."""

from __future__ import annotations

import re
from collections.abc import Collection

import msgspec

from hardpoint.plugin_api import UsageError

# What must not be looked into comes first. A `:` after a value leads into a VARIANT, or is half of a cast.
_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"]|"")*" | \$\$.*?\$\$ | --[^\n]* | //[^\n]* | /\*.*?\*/
    | (?<![\w:$"\])]):(?P<name>[^\W\d]\w*) | (?P<bare>\?)""",
    re.DOTALL | re.VERBOSE,
)


class Placed(msgspec.Struct, frozen=True):
    """SQL for the service.

    Args:
        sql: With `?` for every value.
        names: Whose value each one is, in order.
    """

    sql: str
    names: tuple[str, ...]


def place(sql: str, inputs: Collection[str]) -> Placed:
    """Replace each `:name` of an input by `?`; quoted text and comments stay as they are.

    Other `:name`s stay too: they are variables of Snowflake Scripting.

    Args:
        sql: As the author wrote it.
        inputs: Names of the declared inputs.

    Raises:
        UsageError: There is a `?` in it that no name stands for, or an input that it never names.

    >>> place("select ':a', v:a::int from t where a > :a -- :a", {"a"})
    Placed(sql="select ':a', v:a::int from t where a > ? -- :a", names=('a',))
    """
    names: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        if found["bare"]:
            line = sql.count("\n", 0, found.start()) + 1
            raise UsageError(
                f"Line {line} of the SQL has a `?`, which names no input", hint="Write `:name` in its place"
            )
        if found["name"] not in inputs:
            return found[0]
        names.append(found["name"])
        return "?"

    placed = Placed(_TOKEN.sub(replaced, sql), tuple(names))
    unused = sorted(set(inputs) - set(names))
    if unused:
        raise UsageError(
            f"The SQL never uses the input `{unused[0]}`", hint=f"Write `:{unused[0]}` where its value goes"
        )
    return placed
