"""URLs of databases, before any library reads them."""

from __future__ import annotations

import re
from pathlib import Path

from hardpoint.plugin_api import UsageError
from hardpoint_sql.statements import MYSQL, STANDARD, Lexis

IN_MEMORY = ":memory:"
_USER = r"[^:/@]*(?::[^@]*)?@"
_PASSWORD = re.compile(r"://[^:/@]*:[^@]*@|[?&](?:password|passwd|pwd)=", re.IGNORECASE)
_FORM = re.compile(r"(?P<backend>[A-Za-z]\w*)(?:\+\w+)?://")


def backend_of(url: str) -> str:
    """Which database, such as `postgresql`; `duckdb` if there is no URL.

    >>> backend_of("mysql+pymysql://db/sales"), backend_of("")
    ('mysql', 'duckdb')
    """
    found = _FORM.match(url)
    return found["backend"].lower() if found else "duckdb"


def place_of(url: str) -> str:
    """Host, port and database: neither user nor password, nor what follows `?`.

    >>> place_of("mysql+pymysql://me:pass/word@DB:3306/sales?charset=utf8"), place_of("postgresql:///sales")
    ('db:3306/sales', '/sales')
    """
    place = re.sub(rf"^{_USER}", "", _FORM.sub("", url, count=1)).partition("?")[0]
    host, slash, database = place.partition("/")
    return f"{host.lower()}{slash}{database}"


def lexis_of(url: str) -> Lexis:
    """How the database writes strings and comments."""
    return MYSQL if backend_of(url) in ("mysql", "mariadb") else STANDARD


def check_plain(url: str, query: str) -> str:
    """The URL of a task's config: with a form that can be read, and without a password.

    Raises:
        UsageError: It has a password, is not a URL, or is a file that only one machine can find.
    """
    if not url:
        return url
    if _PASSWORD.search(url):
        raise UsageError(
            f"The URL of the query `{query}` holds a password, for everybody to read who sees the workflow",
            hint='Put the whole URL into a secret and write `url=Secret("NAME")`',
        )
    if not _FORM.match(url):
        raise UsageError(
            f"`{url}` of the query `{query}` is not the URL of a database",
            hint="Write it as `duckdb:////data/sales.duckdb` or `postgresql+psycopg://host/database`",
        )
    if backend_of(url) == "duckdb":
        duckdb_file(url)
    return url


def duckdb_file(url: str) -> str:
    """What `duckdb.connect` takes: an absolute path, or `:memory:`.

    Raises:
        UsageError: The path is relative, which means another file for each process.

    >>> duckdb_file("duckdb:////data/sales.duckdb"), duckdb_file("")
    ('/data/sales.duckdb', ':memory:')
    """
    path = _FORM.sub("", url, count=1).partition("?")[0].removeprefix("/")
    if path in ("", IN_MEMORY):
        return IN_MEMORY
    expanded = Path(path).expanduser()
    if not expanded.is_absolute():
        raise UsageError(
            f"The path `{path}` of the DuckDB file is relative, and each attempt runs in a folder of its own",
            hint=f"Write `duckdb:////absolute/path/{expanded.name}` or `duckdb:///~/{expanded.name}`",
        )
    return str(expanded)
