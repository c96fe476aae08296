"""SQL as an author gives it: text or a file, names in it, and the line that failed.

Values never become part of SQL: a plugin binds them by its service's own mechanism. Names cannot be bound,
so `Identifier` checks and quotes them.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from hardpoint.plugin_api.errors import UsageError, UserError

_PART = re.compile(r"\w[\w$-]*")
_SLOT = re.compile(r"\{([^\W\d]\w*)\}")
_WIDE = ("W", "F")
_SHOWN_COLUMNS = 80


class Dialect(msgspec.Struct, frozen=True):
    """How a service writes names.

    Args:
        quote: Stands on both sides of every part of a name.
        longest: Characters a part may have.
    """

    quote: str = '"'
    longest: int = 255


class Identifier(msgspec.Struct, frozen=True):
    """The name of a table, column or schema, with or without the names of what it lies in.

    Between dots: letters, digits, `_`, `$` and `-`, in the case in which the service keeps them. No such name
    can hold a quote of any dialect, so a quoted one never ends early.

    Args:
        name: Such as `orders` or `sales.orders`.

    Raises:
        UserError: The name holds something else.

    >>> Identifier("sales.orders").quoted(Dialect())
    '"sales"."orders"'
    >>> Identifier('orders"; DROP TABLE orders; --')
    Traceback (most recent call last):
    hardpoint.plugin_api.errors.UserError: `orders"; DROP TABLE orders; --` is not a name of a table or column
    <BLANKLINE>
    hint: A name is made of letters, digits, `_`, `$` and `-`, with dots between its parts
    """

    name: str

    def __post_init__(self) -> None:
        if not all(map(_PART.fullmatch, self.name.split("."))):
            raise UserError(
                f"`{self.name[:200]}` is not a name of a table or column",
                hint="A name is made of letters, digits, `_`, `$` and `-`, with dots between its parts",
            )

    def quoted(self, dialect: Dialect) -> str:
        """The name as SQL.

        Raises:
            UserError: A part is longer than the dialect allows.
        """
        parts = self.name.split(".")
        for part in parts:
            if len(part) > dialect.longest:
                raise UserError(
                    f"`{part[:50]}…` has {len(part)} characters, a name has at most {dialect.longest}",
                    hint="Give a shorter name",
                )
        return ".".join(f"{dialect.quote}{part}{dialect.quote}" for part in parts)


class SqlText(msgspec.Struct, frozen=True, omit_defaults=True):
    """SQL with its origin. A field of a task's config, so that the compiled workflow holds the text.

    Args:
        text: As written, with `\\n` between lines.
        file: Path of the `.sql` file, relative to the folder of the file that defines the task; empty for
            SQL in the Python source.
        names: What stands in its `{slots}`.
        inputs: Inputs of the task that are names as well: each fills the slot that is called like it.

    >>> sql = SqlText("SELECT count(*) FROM {table}", names={"table": Identifier("sales.orders")})
    >>> sql.named(Dialect("`"), {})
    'SELECT count(*) FROM `sales`.`orders`'
    """

    text: str
    file: str = ""
    names: dict[str, Identifier] = {}
    inputs: tuple[str, ...] = ()

    @classmethod
    def given(cls, *, sql: str | None, file: str | None, folder: Path) -> SqlText:
        """What the author gave: `sql`, or the content of `file` in `folder`.

        Raises:
            UsageError: Both or none is given, there is no such file, or there is no SQL in it.
        """
        if (sql is None) == (file is None):
            found = "neither `sql` nor `file` is" if sql is None else "both `sql` and `file` are"
            raise UsageError(
                f"A query needs its SQL once: {found} given",
                hint='Write `sql="SELECT …"` or `file="name.sql"`',
            )
        text = (
            cls(_lines(sql))
            if sql is not None
            else cls(_read(folder, file or ""), Path(file or "").as_posix())
        )
        if not text.text.strip():
            raise UsageError(f"There is no SQL in {text.origin}", hint="Write at least one statement")
        return text

    @property
    def origin(self) -> str:
        """For messages: the file, or `the query`."""
        return f"`{self.file}`" if self.file else "the query"

    def digest(self) -> str:
        """For `TaskDefinition(version=…)`: of the text, wherever it lies, and the names in it."""
        told = msgspec.json.encode((self.text, self.names, self.inputs), order="sorted")
        return hashlib.sha256(told).hexdigest()

    def path(self, folder: Path) -> tuple[Path, ...]:
        """The file, for `TaskDefinition(files=…)`; empty for SQL in the Python source."""
        return (folder / self.file,) if self.file else ()

    def check_slots(self) -> None:
        """Hold the names to the SQL.

        Raises:
            UsageError: It has no slot for one of them.
        """
        present = {found[1] for found in _SLOT.finditer(self.text)}
        for slot in (*self.names, *self.inputs):
            if slot not in present:
                raise UsageError(
                    f"The name `{slot}` is not used in {self.origin}",
                    hint=f"A name of a table or column is written `{{{slot}}}`",
                )

    def named(self, dialect: Dialect, inputs: Mapping[str, Any]) -> str:
        """The SQL with quoted names in its slots; lines stay where they are, and other braces too.

        Args:
            dialect: Of the service.
            inputs: Values by name, of which those that are names are taken.

        Raises:
            UserError: A value is no name, or is too long for the dialect.
        """
        names = {**self.names, **{each: Identifier(str(inputs[each])) for each in self.inputs}}
        quoted = {slot: name.quoted(dialect) for slot, name in names.items()}
        return _SLOT.sub(lambda found: quoted.get(found[1], found[0]), self.text)


def caret(sql: str, line: int, column: int | None = None) -> str:
    """A line of `sql` with its number, and a caret below the column that failed.

    Args:
        sql: What was sent.
        line: From 1.
        column: In characters, from 1; None if the service told the line only, then there is no caret.

    Returns:
        One or two lines; empty if `sql` has no such line, as services count strangely at times.

    >>> print(caret("SELECT 1,\\n  amonut FROM orders", 2, 3))
    2 |   amonut FROM orders
      |   ^
    """
    lines = sql.split("\n")
    if not 1 <= line <= len(lines):
        return ""
    source = lines[line - 1].rstrip()
    at = min(max((column or 1) - 1, 0), len(source))
    start = max(0, at - _SHOWN_COLUMNS // 2) if len(source) > _SHOWN_COLUMNS else 0
    shown = _shown(source[start : start + _SHOWN_COLUMNS])
    before, after = "…" if start else "", "…" if start + _SHOWN_COLUMNS < len(source) else ""
    numbered = f"{line} | {before}{shown}{after}".rstrip()
    if column is None:
        return numbered
    indent = " " * (len(before) + _width(_shown(source[start:at])))
    return f"{numbered}\n{' ' * len(str(line))} | {indent}^"


def _shown(text: str) -> str:
    """Without what would move the caret or the cursor: a tab is one space, a control character a dot."""
    plain = text.replace("\t", " ")
    return "".join("·" if unicodedata.category(each) in ("Cc", "Cf") else each for each in plain)


def _width(text: str) -> int:
    """Columns of a terminal."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in _WIDE else 1
        for each in text
    )


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _read(folder: Path, file: str) -> str:
    if Path(file).is_absolute():
        raise UsageError(
            f"The path `{file}` of the SQL is absolute",
            hint=f"Give it relative to `{folder}`, so that the workflow also runs elsewhere",
        )
    try:
        return _lines((folder / file).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(f"No SQL file `{file}` in `{folder}`", hint=_nearby(folder / file)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"SQL file `{folder / file}` cannot be read: {error}", hint="Save it as UTF-8"
        ) from error


def _nearby(path: Path) -> str:
    present = sorted(each.name for each in path.parent.glob("*.sql"))
    if close := get_close_matches(path.name, present, n=1):
        return f"Did you mean `{close[0]}`?"
    return "The path is relative to the folder of the file that defines the task"
