"""SQL from text or file, names that cannot become SQL, and the line that failed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.plugin_api import UsageError, UserError
from hardpoint.plugin_api.sql_text import Dialect, Identifier, SqlText, caret

DIALECTS = [Dialect('"'), Dialect("`")]
HOSTILE = [
    "",
    ".",
    "a..b",
    "orders; DROP TABLE orders",
    'orders" --',
    "orders` --",
    "orders'",
    "--",
    "orders/*",
    "orders\\",
    "orders\n",
    "orders\x00",
    "my orders",
    "[orders]",
    "{orders}",
    "orders\u2019",
    "orders\u200b",
    "orders\uff02",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not a name"):
        Identifier(name)


@given(st.text(max_size=20), st.sampled_from(DIALECTS))
def test_a_quoted_name_is_one_name_whatever_was_given(name: str, dialect: Dialect) -> None:
    try:
        quoted = Identifier(name).quoted(dialect)
    except UserError:
        return
    parts = quoted.split(".")
    assert all(part[0] == part[-1] == dialect.quote for part in parts)
    assert [part[1:-1] for part in parts] == name.split(".")
    assert not any(set(part[1:-1]) & set("\"`'\\;\n\0 ") for part in parts)


@given(st.from_regex(r"\w[\w$-]{0,20}", fullmatch=True))
def test_a_database_takes_a_quoted_name_for_exactly_that_name(name: str) -> None:
    quoted = Identifier(name).quoted(Dialect())
    cursor = sqlite3.connect(":memory:").execute(f"SELECT 1 AS {quoted}")
    assert cursor.description[0][0] == name
    cursor.connection.close()


def test_a_name_decoded_from_json_is_checked_too() -> None:
    with pytest.raises(UserError, match="is not a name"):
        msgspec.json.decode(b'{"name": "a;b"}', type=Identifier)


def test_a_name_longer_than_the_service_takes_is_refused() -> None:
    with pytest.raises(UserError, match="has 64 characters, a name has at most 63"):
        Identifier("a." + "b" * 64).quoted(Dialect(longest=63))


def test_only_the_slots_that_are_named_are_replaced() -> None:
    sql = SqlText(
        "SELECT {'a': 1}, {b} FROM {a}\nWHERE {c}.x = 1", names={"a": Identifier("s.b")}, inputs=("c",)
    )
    replaced = sql.named(Dialect(), {"b": "no", "c": "t"})
    assert replaced == 'SELECT {\'a\': 1}, {b} FROM "s"."b"\nWHERE "t".x = 1'


def test_a_name_among_the_inputs_is_checked_where_it_becomes_sql() -> None:
    sql = SqlText("SELECT 1 FROM {t}", inputs=("t",))
    with pytest.raises(UserError, match="`a; DROP TABLE a` is not a name"):
        sql.named(Dialect(), {"t": "a; DROP TABLE a"})


def test_the_digest_tells_names_apart() -> None:
    text = "SELECT 1 FROM {t}"
    digests = {SqlText(text, names={"t": Identifier(name)}).digest() for name in ("a", "b")}
    assert len(digests | {SqlText(text).digest()}) == 3


def test_sql_of_a_file_travels_as_text(tmp_path: Path) -> None:
    (tmp_path / "daily.sql").write_bytes(b"\xef\xbb\xbfSELECT 1\r\nFROM t")
    sql = SqlText.given(sql=None, file="daily.sql", folder=tmp_path)
    assert sql == SqlText("SELECT 1\nFROM t", "daily.sql")
    assert sql.path(tmp_path) == (tmp_path / "daily.sql",)
    assert msgspec.convert(msgspec.to_builtins(sql), SqlText) == sql


def test_sql_in_the_source_has_no_file(tmp_path: Path) -> None:
    sql = SqlText.given(sql="SELECT 1", file=None, folder=tmp_path)
    assert (sql.text, sql.path(tmp_path), sql.origin) == ("SELECT 1", (), "the query")


@pytest.mark.parametrize(
    ("sql", "file", "message"),
    [
        (None, None, "neither `sql` nor `file`"),
        ("SELECT 1", "daily.sql", "both `sql` and `file`"),
        (" \n", None, "There is no SQL in the query"),
        (None, "dayly.sql", "No SQL file `dayly.sql`.*\n\nhint: Did you mean `daily.sql`"),
        (None, "/daily.sql", "is absolute"),
        (None, "latin.sql", "cannot be read"),
        (None, "empty.sql", "There is no SQL in `empty.sql`"),
    ],
)
def test_sql_that_is_not_there_is_the_authors_mistake(
    tmp_path: Path, sql: str | None, file: str | None, message: str
) -> None:
    (tmp_path / "daily.sql").write_text("SELECT 1")
    (tmp_path / "empty.sql").write_text("")
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe4'")
    with pytest.raises(UsageError) as raised:
        SqlText.given(sql=sql, file=file, folder=tmp_path)
    assert raised.match(f"(?s){message}")


def test_the_caret_stands_below_its_column() -> None:
    assert caret("SELECT 1\n\tFROM näme x", 2, 12).split("\n") == ["2 |  FROM näme x", "  |            ^"]


def test_wide_and_combining_characters_do_not_move_the_caret() -> None:
    assert caret("SELECT '日本', x", 1, 14).split("\n")[1] == "  | " + " " * 15 + "^"
    assert caret("SELECT 'e\u0301', x", 1, 13).split("\n")[1] == "  | " + " " * 11 + "^"


def test_a_long_line_is_cut_around_the_caret() -> None:
    line, below = caret("x" * 500 + "!" + "y" * 500, 1, 501).split("\n")
    assert len(line) < 100
    assert line[below.index("^")] == "!"


def test_without_a_column_there_is_no_caret() -> None:
    assert caret("SELECT 1\nFORM t", 2) == "2 | FORM t"


@given(st.text(max_size=200), st.integers(-1, 10), st.none() | st.integers(-1, 300))
def test_any_position_gives_at_most_two_printable_lines(sql: str, line: int, column: int | None) -> None:
    shown = caret(sql, line, column)
    assert shown.count("\n") <= 1
    assert not set(shown) & {"\r", "\t", "\x1b", "\x00", "\u202e"}
