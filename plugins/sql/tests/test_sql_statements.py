"""SQL cut into statements and at its inputs."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hardpoint_sql.sqlalchemy_client import _escaped
from hardpoint_sql.statements import MYSQL, Statement, split, unknown_inputs

PIECES = st.sampled_from(
    [
        ":n",
        "::int",
        "'",
        "''",
        '"',
        "`",
        "--",
        "/*",
        "*/",
        "$$",
        "$t$",
        ";",
        "\n",
        " ",
        "\\",
        "x",
        "[",
        "]",
        "(",
        "%",
        "?",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=20).map("".join)


@pytest.mark.parametrize(
    ("sql", "sources"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' ; ; -- ; done\n", ["SELECT ';'"]),
        ("-- first;\n/* a; /* b; */ c; */ SELECT 1 /* ; */;", ["SELECT 1 /* ; */"]),
        ("SELECT 'it''s; ' AS \"a;b\", `c;d`", ["SELECT 'it''s; ' AS \"a;b\", `c;d`"]),
        (r"SELECT E'it\'s;', 1; SELECT 2", [r"SELECT E'it\'s;', 1", "SELECT 2"]),
        ("DO $do$ BEGIN; END $do$; SELECT $$;$$", ["DO $do$ BEGIN; END $do$", "SELECT $$;$$"]),
        ("  \n-- only a comment", []),
        ("", []),
    ],
)
def test_statements_end_where_code_says_so(sql: str, sources: list[str]) -> None:
    assert [each.source for each in split(sql, {"n"})] == sources


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ':n'",
        "SELECT x::n",
        "SELECT x[1:n]",
        "-- :n\nSELECT 1",
        '":n"',
        "{'a':n}",
        "$$ :n $$",
        "x\\:n",
    ],
)
def test_what_looks_like_an_input_but_is_none_stays(sql: str) -> None:
    assert all(each.inputs == () for each in split(sql, {"n"}))


@pytest.mark.parametrize(
    "sql", ["(:n)", "x=:n", "x>=:n::int", "x[:n]", "a,:n", "'a'||:n||'b'", "-:n", "\n:n\n"]
)
def test_an_input_is_found_beside_any_operator(sql: str) -> None:
    [statement] = split(sql, {"n"})
    assert statement.inputs == ("n",)


def test_mysql_takes_a_backslash_along() -> None:
    [statement] = split(r"SELECT 'it\'s; :n', :n # it's", {"n"}, MYSQL)
    assert statement.parts == (r"SELECT 'it\'s; :n', ", "n", " # it's")


def test_a_misspelt_input_is_found_with_its_line() -> None:
    sql = "SELECT ':a', x::b, y[:c]\nFROM t WHERE x = :d"
    assert list(unknown_inputs(sql, {"n"})) == [("d", 2)]


@given(TEXTS)
def test_nothing_but_blanks_comments_and_semicolons_is_lost(sql: str) -> None:
    at = 0
    lines = sql.split("\n")
    for each in split(sql, {"n"}):
        start = sql.index(each.source, at)
        assert sum(len(line) + 1 for line in lines[: each.line - 1]) + each.column - 1 == start
        at = start + len(each.source)


@given(TEXTS)
def test_sqlalchemy_finds_our_inputs_and_no_others(sql: str) -> None:
    for each in split(sql, {"n"}):
        text = sa.text(each.render(lambda name: f":{name}", _escaped))
        compiled = str(text.bindparams(**dict.fromkeys(each.inputs, 1)).compile())
        assert compiled == each.source


def test_an_input_counts_once_however_often_it_stands_there() -> None:
    assert Statement(("", "a", " + ", "b", " + ", "a", ""), 1, 1).inputs == ("a", "b")


def test_unclosed_comments_are_read_in_no_time() -> None:
    assert len(split("SELECT 1 " + "/*" * 2000 + "*/" * 1000, set())) == 1
