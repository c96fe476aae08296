"""The kit of the task type `sql`: what `hardpoint plugins check sql` runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from hardpoint.plugin_api import (
    CreateRequest,
    FrameType,
    Interface,
    Secret,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.sql_text import SqlText
from hardpoint.plugin_api.testing.contract import FunctionContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint_sql import plugin
from hardpoint_sql.config import SqlConfig

NUMBERS = "SELECT :n * i AS x FROM range(1000) AS numbers(i) ORDER BY i"
FAIL = "CREATE TABLE t (x INTEGER CHECK (x < 0));\nINSERT INTO t VALUES (:n)"


class SqlKit(FunctionContract):
    """Real queries on a DuckDB in memory, whose URL is a secret."""

    vendor_modules = ("duckdb", "sqlalchemy", "pyarrow")
    secrets: ClassVar[Mapping[str, str]] = {"WAREHOUSE_URL": "duckdb:///:memory:?not=shown"}

    def task_type(self) -> TaskType:
        """The only one."""
        [declared] = plugin.task_types()
        return declared

    def request(self, code_dir: Path) -> CreateRequest:
        """A query that gives a table."""
        return _request("numbers", NUMBERS)

    def failing_request(self, code_dir: Path) -> CreateRequest:
        """A row that its table refuses."""
        return _request("fail", FAIL)


def _request(name: str, sql: str) -> CreateRequest:
    config = SqlConfig(SqlText(sql), url_secret="WAREHOUSE_URL")  # noqa: S106 - a name
    interface = Interface(
        (Variable("n", SimpleType(SimpleKind.INT)),), (Variable("result", FrameType("pandas")),)
    )
    secrets = (Secret("WAREHOUSE_URL"),)
    spec = TaskSpec(f"flow.py:{name}", "sql", "v1", interface, msgspec.to_builtins(config), secrets=secrets)
    return fake_request(spec, {"n": 21})
