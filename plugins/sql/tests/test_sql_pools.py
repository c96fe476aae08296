"""Connections to a database are counted, by the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.core.loading import find_workflow
from hardpoint.executor import Executor
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.pools import claims_of

pytest_plugins = ["tests.sql_attempts"]

SQL = SqlText("SELECT 1")


@pytest.mark.parametrize(
    "url", ["", "duckdb:////data/x.duckdb", "duckdb:///:memory:", "sqlite:////data/x.db", "sqlite://"]
)
def test_a_database_without_a_server_has_no_pool(url: str) -> None:
    assert claims_of(SqlConfig(SQL, url)) == ()


def test_drivers_of_one_database_share_its_pool() -> None:
    urls = ("postgresql://db/x", "postgresql+psycopg://me@DB/x", "postgresql+asyncpg://you@db/x?ssl=on")
    assert {claims_of(SqlConfig(SQL, url))[0].pool for url in urls} == {"sql:postgresql/db/x"}


WORDS = st.text("abc:/?#%=&!", min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_no_password_is_in_a_pools_name(before: str, after: str) -> None:
    password = f"{before}S3CRET{after}"
    url = f"postgresql://me:{password}@db.example:5432/sales?password={password}"
    [claim] = claims_of(SqlConfig(SQL, url))
    assert "S3CRET" not in claim.pool


FLOW = """
from hardpoint.core import workflow
from hardpoint_sql import SqlQuery

naps = [SqlQuery(f"nap_{{n}}", sql="SELECT 1 FROM pg_sleep(0.3)", outputs=int, url={url!r}) for n in range(3)]

@workflow
def night() -> list[int]:
    return [nap() for nap in naps]
"""


def most_at_once(kinds: list[str]) -> int:
    """Attempts that were on their way at the same time."""
    now = most = 0
    for kind in kinds:
        now += (kind == "AttemptStarted") - (kind == "AttemptSucceeded")
        most = max(most, now)
    return most


def test_no_more_queries_run_than_there_are_connections(postgres_url: str, tmp_path: Path) -> None:
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://")
    (tmp_path / "night.py").write_text(FLOW.format(url=url))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "hardpoint.toml").write_text('[pools."sql:*"]\ncapacity = 1\n')
    night = find_workflow(tmp_path / "night.py", "night")
    with Executor(tmp_path / "home", workers=3) as executor:
        execution = executor.submit(night)
        assert execution.result(timeout_s=60) == [1, 1, 1]
        events = list(execution.events())
    assert most_at_once([each.kind for each in events]) == 1
    told = [each for each in events if each.kind == "AttemptPrepared"]
    assert [each.data["claims"][0]["pool"].partition("/")[0] for each in told] == ["sql:postgresql"] * 3
