"""Whether SQL could run here, found out on a DuckDB in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module

from hardpoint.plugin_api import Finding, Severity

LIBRARIES = ("duckdb", "sqlalchemy", "pyarrow", "pytz")


def findings() -> Iterator[Finding]:
    """What is there, and what is missing."""
    broken = list(_broken_libraries())
    yield from broken
    if not broken:
        yield Finding(Severity.OK, "libraries", f"{', '.join(LIBRARIES)} can be imported")
        yield _duckdb()


def _broken_libraries() -> Iterator[Finding]:
    for library in LIBRARIES:
        try:
            import_module(library)
        except Exception as error:  # whatever a damaged installation raises
            yield Finding(
                Severity.ERROR,
                "libraries",
                f"`{library}` cannot be imported: {type(error).__name__}: {error}",
                f"Run `{sys.executable} -m pip install --force-reinstall {library}`",
            )


def _duckdb() -> Finding:
    # With its libraries: a flow that only mentions a query must not wait for them.
    import duckdb

    try:
        with duckdb.connect() as connection:
            connection.execute("SELECT 1").fetchall()
    except duckdb.Error as error:
        return Finding(
            Severity.ERROR,
            "duckdb",
            f"DuckDB {duckdb.__version__} does not answer: {error}",
            f"Run `{sys.executable} -m pip install --force-reinstall duckdb`",
        )
    return Finding(Severity.OK, "duckdb", f"DuckDB {duckdb.__version__} answers")
