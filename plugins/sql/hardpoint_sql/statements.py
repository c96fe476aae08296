"""SQL cut into statements, and statements at the inputs they name.

Only as much of SQL is read as it takes to tell code from strings, quoted names and comments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

_COMMENT = r"--[^\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*)|(?>/\*.*?\*/))*+\*/"
_DOLLARS = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$"
_NAMES = r'"(?:[^"]|"")*"|`[^`]*`'
_INPUT = r"(?<![\w:\\\])\"'`}]):(?P<input>[^\W\d]\w*)"


class Lexis(msgspec.Struct, frozen=True):
    """How a family of databases writes strings and comments.

    Args:
        token: Finds what must not be looked into, the inputs and the `;`.
        blank: Matches blanks and comments.
    """

    token: re.Pattern[str]
    blank: re.Pattern[str]


def _lexis(comment: str, strings: str) -> Lexis:
    token = f"{comment}|{strings}|{_NAMES}|{_INPUT}|;"
    return Lexis(re.compile(token, re.DOTALL), re.compile(rf"(?:\s|{comment})*+", re.DOTALL))


STANDARD = _lexis(_COMMENT, rf"(?<!\w)[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|{_DOLLARS}")
"""DuckDB, PostgreSQL, SQLite and most others."""
MYSQL = _lexis(r"--[^\n]*|\#[^\n]*|/\*.*?\*/", r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*\"""")
"""MySQL and MariaDB: a backslash in a string takes the next character along."""


class Statement(msgspec.Struct, frozen=True):
    """One statement.

    Args:
        parts: SQL and names of inputs by turns, SQL first and last.
        line, column: Where it begins in the whole text, from 1.
        lead: SQL in front of it, on its first line, that the author did not write.
    """

    parts: tuple[str, ...]
    line: int
    column: int
    lead: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Each input it binds, once."""
        return tuple(dict.fromkeys(self.parts[1::2]))

    def render(self, placeholder: Callable[[str], str], text: Callable[[str], str] = str) -> str:
        """The SQL as a driver takes it, with its lead.

        Args:
            placeholder: How the driver writes the input of that name.
            text: Escapes SQL that the driver would take for placeholders.
        """
        rendered = [placeholder(part) if at % 2 else text(part) for at, part in enumerate(self.parts)]
        return text(self.lead) + "".join(rendered)

    @property
    def source(self) -> str:
        """As the author wrote it."""
        return self.render(lambda name: f":{name}")[len(self.lead) :]


def split(sql: str, inputs: frozenset[str] | set[str], lexis: Lexis = STANDARD) -> list[Statement]:
    """The statements of `sql`, without those that are only comments.

    Args:
        sql: The whole text.
        inputs: Names to take as inputs where `:name` stands in the code.
        lexis: Of the database.

    >>> [first, second] = split("SELECT ':n', :n::int; -- done\\nSELECT 2;", {"n"})
    >>> first.parts
    ("SELECT ':n', ", 'n', '::int')
    >>> second.line, second.column
    (2, 1)
    """
    return list(_split(sql, inputs, lexis))


def _split(sql: str, inputs: frozenset[str] | set[str], lexis: Lexis) -> Iterator[Statement]:
    begin = _after_blanks(sql, 0, lexis)
    while begin < len(sql):
        parts, at, end = [], begin, len(sql)
        for token in lexis.token.finditer(sql, begin):
            if token[0] == ";":
                end = token.start()
                break
            if token["input"] in inputs:
                parts += [sql[at : token.start()], token["input"]]
                at = token.end()
        if end > begin:
            line, column = position_of(sql, begin)
            yield Statement((*parts, sql[at:end].rstrip()), line, column)
        begin = _after_blanks(sql, end + 1, lexis)


def unknown_inputs(sql: str, inputs: set[str], lexis: Lexis = STANDARD) -> Iterator[tuple[str, int]]:
    """Each `:name` in the code that is no input, with its line."""
    for token in lexis.token.finditer(sql):
        name = token["input"]
        # `x[:n]` is a slice, unless it is an input.
        if name is not None and name not in inputs and sql[token.start() - 1 : token.start()] != "[":
            yield name, position_of(sql, token.start())[0]


def position_of(sql: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `offset`."""
    line_start = sql.rfind("\n", 0, offset) + 1
    return sql.count("\n", 0, offset) + 1, offset - line_start + 1


def _after_blanks(sql: str, at: int, lexis: Lexis) -> int:
    found = lexis.blank.match(sql, at)
    return found.end() if found else len(sql)
