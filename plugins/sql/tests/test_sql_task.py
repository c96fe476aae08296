"""What `SqlQuery` accepts, and what it makes of it, without a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api import SINGLE_OUTPUT, Cache, Parameter, Secret, UsageError, UserError
from hardpoint_sql import SqlQuery


def define(folder: Path, arguments: str) -> SqlQuery:
    """Run `task = SqlQuery(arguments)` as line 4 of `flow.py` in `folder`."""
    flow = folder / "flow.py"
    imports = (
        "from hardpoint.plugin_api import Parameter, Secret\nfrom hardpoint_sql import Identifier, SqlQuery\n"
    )
    flow.write_text(f"{imports}\ntask = SqlQuery({arguments})\n")
    names: dict[str, Any] = {}
    exec(compile(flow.read_text(), str(flow), "exec"), names)
    task = names["task"]
    assert isinstance(task, SqlQuery)
    return task


def test_a_query_is_told_by_its_sql(tmp_path: Path) -> None:
    task = define(
        tmp_path,
        "'daily', sql='SELECT :n AS n', inputs={'n': Parameter(int, 3)}, outputs={'n': int}, cache=True, "
        "timeout=60, url='sqlite:////data/x.db', read_only=True, options={'timeout': 1}",
    )
    assert (task.name, task.task_type, task.file) == ("daily", "sql", tmp_path / "flow.py")
    assert str(task.position) == f"{tmp_path / 'flow.py'}:4"
    assert (task.inputs, task.outputs) == ({"n": Parameter(int, 3)}, {"n": int})
    assert task.config == {
        "sql": {"text": "SELECT :n AS n"},
        "url": "sqlite:////data/x.db",
        "read_only": True,
        "options": {"timeout": 1},
    }
    assert (task.options.cache, task.options.timeout_s) == (Cache(), 60)


def test_a_file_is_archived_and_its_text_kept(tmp_path: Path) -> None:
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "daily.sql").write_text("SELECT 1")
    task = define(tmp_path, "'daily', file='sql/daily.sql', outputs=int")
    assert task.files == (tmp_path / "sql" / "daily.sql",)
    assert task.config == {"sql": {"text": "SELECT 1", "file": "sql/daily.sql"}}
    assert task.outputs == {SINGLE_OUTPUT: int}


def test_the_version_follows_the_sql(tmp_path: Path) -> None:
    first, same, other = (
        define(tmp_path, f"'q', sql={sql!r}") for sql in ("SELECT 1", "SELECT 1", "SELECT 2")
    )
    assert first.version == same.version != other.version
    assert define(tmp_path, "'q', sql='SELECT 2', version='7'").version == "7"


def test_a_secret_url_is_only_named(tmp_path: Path) -> None:
    task = define(tmp_path, "'q', sql='SELECT 1', url=Secret('WAREHOUSE_URL')")
    assert task.config == {"sql": {"text": "SELECT 1"}, "url_secret": "WAREHOUSE_URL"}
    assert task.options.secrets == (Secret("WAREHOUSE_URL"),)


def test_names_travel_as_text(tmp_path: Path) -> None:
    task = define(
        tmp_path, "'q', sql='SELECT * FROM {t}', inputs={'t': Parameter(Identifier, Identifier('a.b'))}"
    )
    assert task.inputs == {"t": Parameter(str, "a.b")}
    assert task.config["sql"]["inputs"] == ["t"]


def test_a_destination_is_kept_with_the_way_it_is_written(tmp_path: Path) -> None:
    task = define(
        tmp_path,
        "'q', sql='SELECT 1 AS x', outputs={'table': Identifier}, url='sqlite:////data/x.db', "
        "destination='sales.totals', write='replace'",
    )
    assert task.config["destination"] == {"table": {"name": "sales.totals"}, "write": "replace"}
    assert task.outputs == {"table": str}


def test_names_may_be_given_at_once(tmp_path: Path) -> None:
    task = define(tmp_path, "'q', sql='SELECT 1 FROM {t}', names={'t': 'sales.orders'}")
    assert task.config["sql"]["names"] == {"t": {"name": "sales.orders"}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'q'", "neither `sql` nor `file` is given"),
        ("'q', file='x.sql'", "No SQL file `x.sql`"),
        (
            "'q', sql='SELECT :regoin', inputs={'region': str}",
            "`:regoin` in line 1 .*\n\nhint: Did you mean `:region`",
        ),
        ("'q', sql='SELECT :n'", "`:n` in line 1 of the query is no input\n\nhint: Add `n` to `inputs`"),
        ("'q', sql='SELECT 1', inputs={'n': int}", "[Ii]nput `n` is not used in the query"),
        ("'q', sql='SELECT 1', names={'t': 'orders'}", "The name `t` is not used in the query"),
        ("'q', sql='SELECT t', inputs={'t': Identifier}", "The name `t` is not used .*\n\nhint: .* `{t}`"),
        ("'q', sql='SELECT 1', url='postgresql://me:pw@host/db'", "holds a password.*\n\nhint: .*Secret"),
        ("'q', sql='SELECT 1', url='mssql://host/db?password=pw'", "holds a password"),
        ("'q', sql='SELECT 1', url='mysql://me:p/w@host/db'", "holds a password"),
        ("'q', sql='SELECT 1', outputs=Identifier", "the result goes into none\n\nhint: .*destination="),
        (
            "'q', sql='SELECT 1', destination='a.t', write='upsert'",
            "`write` is `upsert`\n\nhint: .*`replace`",
        ),
        (
            "'q', sql='SELECT 1', destination='a.t', outputs={'n': int, 't': Identifier}",
            "go into the table `a.t`, and not into the output `n`",
        ),
        ("'q', sql='SELECT 1', destination='t'", "DuckDB in memory, and gone with the attempt"),
        ("'q', sql='SELECT 1', destination='t', url='mssql://host/db'", "mssql makes no table"),
        ("'q', sql='SELECT 1', url='data.duckdb'", "is not the URL of a database"),
        ("'q', sql='SELECT 1', url='duckdb:///data.duckdb'", "`data.duckdb` of the DuckDB file is relative"),
    ],
)
def test_a_mistake_is_told_where_the_query_is_defined(tmp_path: Path, arguments: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        define(tmp_path, arguments)


def test_a_query_needs_a_file_around_it() -> None:
    with pytest.raises(UsageError, match="was defined in `<console>`, which is not a file"):
        exec(compile("SqlQuery('q', sql='SELECT 1')", "<console>", "exec"), {"SqlQuery": SqlQuery})


def test_what_is_no_name_is_refused_where_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`a; DROP TABLE a` is not a name"):
        define(tmp_path, "'q', sql='SELECT 1 FROM {t}', names={'t': 'a; DROP TABLE a'}")
