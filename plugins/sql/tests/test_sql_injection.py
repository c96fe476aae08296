"""Whatever an input holds is data: no value and no name ever becomes other SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardpoint.plugin_api import SimpleKind, SimpleType, UserError
from hardpoint_sql.failure import QueryFailed

if TYPE_CHECKING:
    from tests.sql_attempts import Attempts

pytest_plugins = ["tests.sql_attempts"]

KINDS = ("duckdb", "sqlite", "postgresql")
INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)

CORPUS = [
    "",
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\'",
    "\\'; DROP TABLE kept; --",
    "'; DROP TABLE kept; --",
    "'); DROP TABLE kept; --",
    '"; DROP TABLE kept; --',
    "x; DROP TABLE kept",
    "; DROP TABLE kept;",
    "' OR '1'='1",
    "' UNION SELECT 1, 2 --",
    "-- comment",
    "/* comment",
    "*/ DROP TABLE kept /*",
    "# comment",
    "$$; DROP TABLE kept; $$",
    "$1",
    "?",
    ":x",
    ":n",
    "{table}",
    "%s %(x)s %%",
    "1",
    "1 OR 1=1",
    "0x1",
    "1e9",
    "-1--1",
    "NULL",
    "TRUE",
    "DATE '2026-01-01'",
    "\u2019; DROP TABLE kept; --",
    "\uff07 OR \uff071\uff07=\uff071",
    "\u02bc",
    "\u00a0\u200b\u202e\u2028",
    "\u65e5\u672c\U0001f980",
    "line\nbreak\r\n\ttab",
    "\x1b[31m",
    "x" * 100_000 + "'",
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
MIXED = st.lists(st.sampled_from(CORPUS[:-1]) | TEXTS, max_size=4).map("".join)
QUIET = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
ECHO = """
DELETE FROM kept WHERE word NOT IN ('a', 'b');
INSERT INTO kept VALUES (:x);
SELECT CAST(:x AS VARCHAR) AS x, (SELECT count(*) FROM kept WHERE word = :x) AS n, count(*) AS total
FROM kept;
"""


@pytest.fixture
def url(url_of: Callable[[str], str], attempt: Attempts, request: pytest.FixtureRequest) -> str:
    """A database with a table that nothing may harm."""
    found = url_of(request.param)
    attempt("CREATE TABLE kept (word VARCHAR(200000)); INSERT INTO kept VALUES ('a'), ('b')", url=found)
    return found


def expect_data(attempt: Attempts, url: str, text: str) -> None:
    found = attempt(ECHO, {"x": (STR, text)}, {"x": STR, "n": INT, "total": INT}, url=url)
    assert found == {"x": text, "n": 1, "total": 3}


@pytest.mark.parametrize("url", KINDS, indirect=True)
def test_every_text_of_the_corpus_is_data(attempt: Attempts, url: str) -> None:
    for text in CORPUS:
        expect_data(attempt, url, text)


@pytest.mark.parametrize("url", KINDS, indirect=True)
def test_any_text_is_data(attempt: Attempts, url: str) -> None:
    @QUIET
    @given(MIXED.filter(lambda text: text not in ("a", "b")))
    def holds(text: str) -> None:
        expect_data(attempt, url, text)

    holds()


@pytest.mark.parametrize("url", KINDS, indirect=True)
def test_no_text_is_more_than_the_name_of_a_table(attempt: Attempts, url: str) -> None:
    @QUIET
    @given(st.sampled_from(CORPUS) | MIXED)
    def holds(name: str) -> None:
        given = {"table": (STR, name)}
        if name.lower() == "kept":
            return
        with pytest.raises((UserError, QueryFailed)):
            attempt("SELECT count(*) FROM {table}", given, INT, url=url, slots=("table",))

    holds()
    assert attempt("SELECT count(*) FROM kept", outputs=INT, url=url) == 2


@pytest.mark.parametrize("url", KINDS, indirect=True)
def test_a_name_is_exactly_that_name(attempt: Attempts, url: str) -> None:
    @QUIET
    @given(st.from_regex(r"[A-Za-z_][\w$-]{0,9}", fullmatch=True))
    def holds(name: str) -> None:
        sql = "CREATE TEMPORARY TABLE {t} ({t} INTEGER); INSERT INTO {t} VALUES (7); SELECT {t} FROM {t}"
        assert attempt(sql, {"t": (STR, name)}, INT, url=url, slots=("t",)) == 7

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_names_another_input_is_not_replaced(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    given = {"x": (STR, ":y"), "y": (STR, "{x} :x $x"), "t": (STR, "t")}
    sql = "SELECT CAST(:x AS VARCHAR) AS x, CAST(:y AS VARCHAR) AS y, 1 AS {t}"
    found = attempt(sql, given, {"x": STR, "y": STR}, url=url_of(kind), slots=("t",))
    assert found == {"x": ":y", "y": "{x} :x $x"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_given_as_text_stays_text(
    attempt: Attempts, url_of: Callable[[str], str], kind: str
) -> None:
    sql = "SELECT count(*) FROM (SELECT '1' AS word UNION ALL SELECT '01') AS t WHERE word = :x"
    assert attempt(sql, {"x": (STR, "01")}, INT, url=url_of(kind)) == 1
