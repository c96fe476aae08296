"""The kit, as `hardpoint plugins check sql` runs it."""

from __future__ import annotations

from hardpoint_sql.conformance import SqlKit


class TestSql(SqlKit):
    """Every case of the contract."""
