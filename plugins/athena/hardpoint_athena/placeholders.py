"""`:name` in a query, as the author writes it, and `?`, as Athena takes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

import msgspec

from hardpoint.plugin_api import UsageError

# Quoted text and comments first, so that nothing in them is taken for a name.
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]* | /\*.*?\*/
    | (?<![:\w]):(?P<name>[A-Za-z_]\w*) | (?P<bare>\?)""",
    re.DOTALL | re.VERBOSE,
)


ONE_EACH: Mapping[str, int] = MappingProxyType({})


class Placed(msgspec.Struct, frozen=True):
    """A query for the service.

    Args:
        sql: With `?` for every value.
        names: Whose value each one is, in order.
    """

    sql: str
    names: tuple[str, ...]


def place(sql: str, parameters: Mapping[str, int] = ONE_EACH) -> Placed:
    """Replace each `:name` by `?`; quoted text and comments stay as they are.

    Args:
        sql: As the author writes it.
        parameters: How many a value takes; one if it is not named here.

    Raises:
        UsageError: There is a `?` in it that no name stands for.

    >>> place("SELECT ':a' FROM t WHERE day = :day AND x > :x OR y = :day -- :b")
    Placed(sql="SELECT ':a' FROM t WHERE day = ? AND x > ? OR y = ? -- :b", names=('day', 'x', 'day'))
    >>> place("SELECT json_parse(:rows)", {"rows": 2}).sql
    'SELECT json_parse((? || ?))'
    """
    names: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        if found["bare"]:
            line = sql.count("\n", 0, found.start()) + 1
            raise UsageError(
                f"Line {line} of the query has a `?`, which names no input", hint="Write `:name` in its place"
            )
        if found["name"] is None:
            return found[0]
        names.append(found["name"])
        count = parameters.get(found["name"], 1)
        return "?" if count == 1 else f"({' || '.join('?' * count)})"

    return Placed(_TOKEN.sub(replaced, sql), tuple(names))


def check_names(sql: str, inputs: Collection[str], origin: str) -> None:
    """Hold a query to its declared inputs.

    Raises:
        UsageError: It names an input that is not declared, or a declared one is not in it.
    """
    used = set(place(sql).names)
    if unknown := sorted(used - set(inputs)):
        raise UsageError(
            f"{origin} has `:{unknown[0]}`, but no input of that name is declared",
            hint=f"Add it: `inputs={{{unknown[0]!r}: str}}`",
        )
    if unused := sorted(set(inputs) - used):
        raise UsageError(
            f"Input `{unused[0]}` is nowhere in {origin}", hint=f"Write `:{unused[0]}` where its value goes"
        )
