"""What an author writes, and what is sent for it."""

from __future__ import annotations

import datetime as dt
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    SimpleKind,
    SimpleType,
    TaskSpec,
    UsageError,
    UserError,
    Variable,
)
from hardpoint.plugin_api.sql_text import Identifier, SqlText
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint_athena import AthenaQuery, Connection
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.placeholders import place
from hardpoint_athena.submission import QUERY_BYTES_MAX, marker_of, query_of, submission_of

TEXT = SimpleType(SimpleKind.STR)
FULL = AthenaConfig(
    SqlText("SELECT 1 FROM t WHERE a = :a AND b = ':a';"),
    "reports",
    "shop",
    "AwsDataCatalog",
    "s3://bucket/prefix/",
    "SSE_KMS",
    "arn:aws:kms:eu-west-1:111122223333:key/k",
    "111122223333",
    bucket_owner_full_control=True,
    reuse_minutes=60,
    engine={"MaxConcurrentDpus": 20},
)


def request_of(config: AthenaConfig, **inputs: str) -> CreateRequest:
    face = Interface(tuple(Variable(name, TEXT) for name in inputs))
    spec = TaskSpec("flow.py:q", "athena", "v1", face, msgspec.to_builtins(config))
    return fake_request(spec, inputs)


def sent(config: AthenaConfig, **inputs: str) -> dict[str, Any]:
    request = request_of(config, **inputs)
    return submission_of(config, query_of(config, request, FakeContext()), request.token)


def test_all_settings_reach_the_service_as_it_documents_them() -> None:
    arguments = sent(FULL, a="x'y")
    assert arguments == {
        "QueryString": "SELECT 1 FROM t WHERE a = ? AND b = ':a'",
        "WorkGroup": "reports",
        "ExecutionParameters": ["'x''y'"],
        "QueryExecutionContext": {"Database": "shop", "Catalog": "AwsDataCatalog"},
        "ResultConfiguration": {
            "OutputLocation": "s3://bucket/prefix/",
            "EncryptionConfiguration": {
                "EncryptionOption": "SSE_KMS",
                "KmsKey": "arn:aws:kms:eu-west-1:111122223333:key/k",
            },
            "ExpectedBucketOwner": "111122223333",
            "AclConfiguration": {"S3AclOption": "BUCKET_OWNER_FULL_CONTROL"},
        },
        "ResultReuseConfiguration": {
            "ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 60}
        },
        "EngineConfiguration": {"MaxConcurrentDpus": 20},
    }
    model = import_module("botocore.session").Session().get_service_model("athena")
    shape = model.operation_model("StartQueryExecution").input_shape
    assert not import_module("botocore.validate").ParamValidator().validate(arguments, shape).has_errors()


def test_settings_left_empty_are_the_workgroups() -> None:
    arguments = sent(AthenaConfig(SqlText("SELECT 1 ;\n")))
    token = request_of(FULL).token
    assert arguments == {"QueryString": f"SELECT 1{marker_of(token)}", "WorkGroup": "primary"}


def test_a_query_longer_than_the_service_takes_is_refused() -> None:
    with pytest.raises(UserError, match=f"Athena takes {QUERY_BYTES_MAX}"):
        sent(AthenaConfig(SqlText("SELECT '" + "ä" * (QUERY_BYTES_MAX // 2) + "'")))


def test_an_author_gives_sql_names_and_typed_inputs(tmp_path: Path) -> None:
    query = AthenaQuery(
        sql="SELECT 1 FROM {table} WHERE day >= :since",
        names={"table": "sales.orders"},
        inputs={"since": dt.date},
        outputs={"n": int},
        connection=Connection(region="eu-west-1", access_key="KEY"),
        timeout=dt.timedelta(minutes=5),
        secrets=["OTHER"],
    )
    assert query.config["query"] == {
        "text": "SELECT 1 FROM {table} WHERE day >= :since",
        "names": {"table": {"name": "sales.orders"}},
    }
    assert query.inputs["since"].hint is dt.date and query.outputs == {"n": int}
    assert [each.name for each in query.options.secrets] == ["KEY", "OTHER"]
    assert (query.name, query.task_type, query.options.timeout_s) == ("athena", "athena", 300.0)


def test_a_destination_is_part_of_the_settings() -> None:
    query = AthenaQuery(
        sql="SELECT region FROM {orders}",
        inputs={"orders": Identifier},
        outputs={"loaded": Identifier},
        destination="shop.totals",
        write="replace",
        table_properties={"partitioned_by": ["region"]},
    )
    assert query.config["destination"] == {"table": {"name": "shop.totals"}, "write": "replace"}
    assert query.config["table_properties"] == {"partitioned_by": ["region"]}
    assert (query.inputs["orders"].hint, query.outputs) == (str, {"loaded": str})


def test_a_file_gives_the_name_and_is_archived() -> None:
    folder = Path(__file__).resolve().parent
    query = AthenaQuery(file="totals.sql", inputs={"since": dt.date}, outputs={"total": int})
    assert (query.name, query.files) == ("totals", (folder / "totals.sql",))


def test_settings_are_part_of_the_version() -> None:
    first, second = AthenaQuery(sql="SELECT 1"), AthenaQuery(sql="SELECT 1", workgroup="other")
    assert first.version == AthenaQuery(sql="SELECT 1").version != second.version


WRONG: dict[str, dict[str, Any]] = {
    "no input of that name is declared": {"sql": "SELECT :x"},
    "Input `y` is nowhere in the query": {"sql": "SELECT 1", "inputs": {"y": int}},
    "Line 2 of the query has a `[?]`": {"sql": "SELECT\n?"},
    "neither `sql` nor `file`": {},
    "No SQL file `total.sql`": {"file": "total.sql"},
    "is not a Python name": {"sql": "SELECT 1", "outputs": {"the sum": int}},
    "and no table": {"sql": "SELECT 1", "table_properties": {"format": "ORC"}},
    "is the name of a table": {"sql": "SELECT 1", "outputs": {"loaded": Identifier}},
    "output `n` is not its name": {"sql": "SELECT 1", "outputs": {"n": int}, "destination": "a.b"},
    "`write` is `merge`": {"sql": "SELECT 1", "destination": "a.b", "write": "merge"},
    "has more than 2 parts": {"sql": "SELECT 1", "destination": "c.a.b"},
    "the query writes `a.b`": {"sql": "SELECT 1", "destination": "a.b", "reuse_minutes": 5},
    "`a.b` is appended to": {
        "sql": "SELECT 1",
        "destination": "a.b",
        "write": "append",
        "table_properties": {"format": "ORC"},
    },
    "wants that folder empty": {
        "sql": "SELECT 1",
        "destination": "a.b",
        "write": "replace",
        "table_properties": {"external_location": "s3://bucket/folder/"},
    },
    "is not a property of a table": {
        "sql": "SELECT 1",
        "destination": "a.b",
        "table_properties": {"format = 'ORC', x": 1},
    },
    "Property `format` of the table": {
        "sql": "SELECT 1",
        "destination": "a.b",
        "table_properties": {"format": object()},
    },
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_work_is_refused_where_it_is_written(message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        AthenaQuery(**WRONG[message])
    assert caught.value.hint


def test_a_name_with_a_quote_is_refused() -> None:
    with pytest.raises(UserError, match="is not a name of a table or column"):
        AthenaQuery(sql="SELECT 1 FROM {table}", names={"table": 'orders"; DROP TABLE orders; --'})


PLACED = {
    "SELECT 'it''s :a', \":b\", `:c` -- :d\n/* :e\n:f */ WHERE x = :g": ("g",),
    "WHERE x=:a AND y=:b AND z=:a": ("a", "b", "a"),
    "CREATE TABLE t (s struct<a:int,b:map<string:int>>)": (),
    "SELECT x[1], TIME '10:11:12' WHERE a::b": (),
}


@pytest.mark.parametrize("sql", PLACED)
def test_names_are_found_outside_of_quotes_and_comments(sql: str) -> None:
    placed = place(sql)
    assert placed.names == PLACED[sql]
    assert placed.sql.count("\n") == sql.count("\n")
