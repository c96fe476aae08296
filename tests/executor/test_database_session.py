"""A connection that is let go of in the middle of a transaction keeps nothing locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardpoint.executor.journal.database import Session
from hardpoint.executor.journal.opening import open_journal
from hardpoint.executor.journal.sql import SqlJournal

MARK = "INSERT INTO pools (name, version) VALUES (:name, 0)"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_closed_session_takes_its_transaction_with_it(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if kind == "postgresql" else kind
    journal = open_journal(tmp_path, url)
    assert isinstance(journal, SqlJournal)
    first, second = Session(journal._database), Session(journal._database)
    try:
        first.begin()
        first.run_many(MARK, [{"name": f"p{number}"} for number in range(3)])
        # An iteration that nobody ends keeps its statement alive, and so does a cursor in a traceback.
        kept = first._connection.cursor()
        kept.execute("SELECT name FROM pools")
        first.close()
        with second.transaction():
            assert second.run_many(MARK, [{"name": "p0"}, {"name": "p1"}]) == 2
        del kept
    finally:
        second.close()
        journal.close()
