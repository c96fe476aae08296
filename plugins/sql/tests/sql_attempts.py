"""An attempt of a `sql` task as a worker makes it, and the databases for it.

PYTEST_DONT_REWRITE: it may be imported, for its doctests, before a test module names it as a plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from postgres_fixtures import postgres_database, postgres_server, postgres_url

from hardpoint.core.store import BlobStore
from hardpoint.core.types.natural import LiteralValues
from hardpoint.plugin_api import SINGLE_OUTPUT, AnyType, Interface, Outputs, TaskSpec, Variable
from hardpoint.plugin_api.sql_text import Identifier, SqlText
from hardpoint.plugin_api.testing.function_context import FakeFunctionContext
from hardpoint_sql.config import SqlConfig
from hardpoint_sql.handler import SqlHandler

__all__ = ["postgres_database", "postgres_server", "postgres_url"]

Given = Mapping[str, tuple[AnyType, Any]]


class Attempts:
    """Runs attempts with the store and the types of a worker.

    Args:
        folder: For all that they leave.
    """

    def __init__(self, folder: Path) -> None:
        self.store = BlobStore(str(folder / "blobs"))
        self.values = LiteralValues(self.store)
        self.noted: list[str] = []
        self._folder = folder
        self._numbers = count(1)

    def __call__(
        self,
        sql: str,
        inputs: Given | None = None,
        outputs: AnyType | Mapping[str, AnyType] | None = None,
        secrets: Mapping[str, str] | None = None,
        file: str = "",
        slots: tuple[str, ...] = (),
        names: Mapping[str, str] | None = None,
        **config: Any,
    ) -> Any:
        """Run SQL; return the value of the only output, else a dict."""
        given = inputs or {}
        named = outputs if isinstance(outputs, Mapping) else {SINGLE_OUTPUT: outputs} if outputs else {}
        interface = Interface(
            tuple(Variable(name, type) for name, (type, _) in given.items()),
            tuple(Variable(name, type) for name, type in named.items()),
        )
        fixed = {slot: Identifier(name) for slot, name in (names or {}).items()}
        written = msgspec.to_builtins(SqlConfig(SqlText(sql, file, fixed, slots), **config))
        wires = {name: self.values.encode(type, value) for name, (type, value) in given.items()}
        found = self._run(TaskSpec("flow.py:query", "sql", "1", interface, written), wires, secrets or {})
        decoded = {name: self.values.decode(named[name], wire) for name, wire in found.items()}
        return decoded.get(SINGLE_OUTPUT, decoded)

    def _run(self, spec: TaskSpec, wires: dict[str, Any], secrets: Mapping[str, str]) -> Outputs:
        folder = self._folder / f"attempt-{next(self._numbers)}"
        context = FakeFunctionContext(spec, self._folder, folder, secrets)
        context.store, context.values = self.store, self.values  # type: ignore[assignment]
        try:
            return SqlHandler().run(context, wires)
        finally:
            self.noted += [note for _, _, note in context.noted]


@pytest.fixture
def attempts_in(tmp_path: Path) -> Callable[[str], Attempts]:
    """The same in a folder of that name."""

    def attempts(name: str) -> Attempts:
        (tmp_path / name).mkdir()
        return Attempts(tmp_path / name)

    return attempts


@pytest.fixture
def attempt(tmp_path: Path) -> Attempts:
    """Runs SQL on a DuckDB in memory, unless a `url` is given."""
    return Attempts(tmp_path)


@pytest.fixture
def url_of(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """The URL of an empty database of a kind, that several attempts can use."""

    def url(kind: str) -> str:
        match kind:
            case "postgresql":
                found: str = request.getfixturevalue("postgres_url")
                return found.replace("postgresql://", "postgresql+psycopg://")
            case "sqlite":
                return f"sqlite:///{tmp_path}/data.sqlite"
            case _:
                return f"duckdb:///{tmp_path}/data.duckdb"

    return url
