"""What an author writes, and the JSON that becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.cloud import bigquery
from pandas import DataFrame

from hardpoint.plugin_api import Parameter, UsageError
from hardpoint.plugin_api.sql_text import Identifier
from hardpoint_bigquery import BigQueryJob, plugin
from hardpoint_bigquery.config import BigQueryConfig

[TYPE] = plugin.task_types()
LOAD: dict[str, Any] = {"load": {}}
# Google annotates the others, and not this one.
ExtractJobConfig: Any = bigquery.ExtractJobConfig


def table(dataset: str, name: str, project: str = "shop") -> dict[str, str]:
    return {"projectId": project, "datasetId": dataset, "tableId": name}


def test_every_setting_reaches_the_job() -> None:
    task = BigQueryJob(
        project="shop",
        sql="SELECT 1",
        labels={"team": "sales"},
        destination="sales.daily",
        partition_by="day",
        cluster_by=["customer"],
        write_disposition="WRITE_TRUNCATE",
        maximum_bytes_billed=10**9,
        priority="BATCH",
        reservation="none",
        default_dataset="sales",
        use_query_cache=False,
        job_timeout_s=90,
        job_config={"query": {"createSession": True}, "maxSlots": 5},
    )
    assert task.config["job"] == {
        "labels": {"team": "sales"},
        "reservation": "none",
        "jobTimeoutMs": "90000",
        "maxSlots": 5,
        "query": {
            "createSession": True,
            "destinationTable": {"projectId": "shop", "datasetId": "sales", "tableId": "daily"},
            "timePartitioning": {"type": "DAY", "field": "day"},
            "clustering": {"fields": ["customer"]},
            "writeDisposition": "WRITE_TRUNCATE",
            "maximumBytesBilled": "1000000000",
            "priority": "BATCH",
            "defaultDataset": {"projectId": "shop", "datasetId": "sales"},
            "useQueryCache": False,
        },
    }
    assert isinstance(TYPE.check_config(task.config), BigQueryConfig)


def test_a_query_job_config_is_taken_as_it_is() -> None:
    given = bigquery.QueryJobConfig(
        schema_update_options=["ALLOW_FIELD_ADDITION"],
        range_partitioning=bigquery.RangePartitioning(bigquery.PartitionRange(0, 100, 10), field="n"),
    )
    config = BigQueryJob(project="shop", sql="SELECT 1", job_config=given).config
    assert config["job"]["query"]["schemaUpdateOptions"] == ["ALLOW_FIELD_ADDITION"]
    assert config["job"]["query"]["rangePartitioning"]["field"] == "n"


WRONG: dict[str, dict[str, Any]] = {
    "`write_disposition` is `TRUNCATE`": {"write_disposition": "TRUNCATE"},
    "`priority` is `HIGH`": {"priority": "HIGH"},
    "`orders` does not name a table": {"destination": "orders"},
    "`job_config` sets `query.queryParameters`": {"job_config": {"query": {"queryParameters": []}}},
    "`job_config` sets `query.query`": {"job_config": {"query": {"query": "SELECT 2"}}},
    "`job_config` sets `dryRun`": {"job_config": {"dryRun": True}},
    "`job_config` is of a job that does `load`": {"job_config": {"load": {}}},
    "The name `t` is not used in the query": {"inputs": {"t": Identifier}},
    "Input `a b` of the query is not a Python name": {"inputs": {"a b": int}},
    "`ceiling_usd` needs a price": {"ceiling_usd": 1.0},
    "both `sql` and `file` are": {"file": "x.sql"},
}


@pytest.mark.parametrize("said", WRONG)
def test_what_cannot_be_carried_out_is_told_at_once(said: str) -> None:
    with pytest.raises(UsageError) as caught:
        BigQueryJob(project="shop", sql="SELECT 1", **WRONG[said])
    assert said in str(caught.value) and caught.value.hint


def test_sql_may_be_in_a_file_which_is_archived(tmp_path: Path) -> None:
    (tmp_path / "daily-sales.sql").write_text("SELECT @n AS n\n")
    flow = tmp_path / "flow.py"
    flow.write_text(
        "from hardpoint_bigquery import BigQueryJob\n"
        'task = BigQueryJob(project="shop", file="daily-sales.sql", inputs={"n": int}, outputs={"n": int})\n'
    )
    space: dict[str, Any] = {}
    exec(compile(flow.read_text(), str(flow), "exec"), space)
    task = space["task"]
    assert (task.name, task.files) == ("daily_sales", (tmp_path / "daily-sales.sql",))
    assert task.config["sql"] == {"text": "SELECT @n AS n\n", "file": "daily-sales.sql"}


def test_a_change_of_sql_or_settings_is_a_new_version() -> None:
    tasks = [
        BigQueryJob(project="shop", sql="SELECT 1"),
        BigQueryJob(project="shop", sql="SELECT 2"),
        BigQueryJob(project="shop", sql="SELECT 1", priority="BATCH"),
        BigQueryJob(project="shop", sql="SELECT 1", location="EU"),
    ]
    assert len({task.version for task in tasks}) == len(tasks)
    assert BigQueryJob(project="shop", sql="SELECT 1").version == tasks[0].version


TRANSFERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        {"job_config": {"load": {"sourceFormat": "CSV"}}, "source": "gs://shop/*.csv", "destination": "a.b"},
        {
            "load": {
                "sourceFormat": "CSV",
                "sourceUris": ["gs://shop/*.csv"],
                "destinationTable": table("a", "b"),
            }
        },
    ),
    (
        {
            "job_config": bigquery.LoadJobConfig(autodetect=True, source_format="NEWLINE_DELIMITED_JSON"),
            "inputs": {"rows": DataFrame},
            "destination": "other.a.b",
            "write_disposition": "WRITE_APPEND",
            "partition_by": "day",
            "cluster_by": ["region"],
            "labels": {"team": "sales"},
        },
        {
            "labels": {"team": "sales"},
            "load": {
                "autodetect": True,
                "sourceFormat": "NEWLINE_DELIMITED_JSON",
                "destinationTable": table("a", "b", "other"),
                "writeDisposition": "WRITE_APPEND",
                "timePartitioning": {"type": "DAY", "field": "day"},
                "clustering": {"fields": ["region"]},
            },
        },
    ),
    (
        {
            "job_config": bigquery.CopyJobConfig(write_disposition="WRITE_EMPTY"),
            "source": ["a.b", "a.c"],
            "destination": "a.d",
        },
        {
            "copy": {
                "writeDisposition": "WRITE_EMPTY",
                "sourceTables": [table("a", "b"), table("a", "c")],
                "destinationTable": table("a", "d"),
            }
        },
    ),
    (
        {
            "job_config": ExtractJobConfig(destination_format="PARQUET"),
            "inputs": {"orders": Identifier},
            "destination": "gs://shop/orders-*.parquet",
        },
        {"extract": {"destinationFormat": "PARQUET", "destinationUris": ["gs://shop/orders-*.parquet"]}},
    ),
    (
        {"job_config": {"copy": {"sourceTable": table("a", "b"), "destinationTable": table("a", "c")}}},
        {"copy": {"sourceTables": [table("a", "b")], "destinationTable": table("a", "c")}},
    ),
]


@pytest.mark.parametrize(("given", "job"), TRANSFERS)
def test_jobs_that_load_copy_and_extract_need_no_sql(given: dict[str, Any], job: dict[str, Any]) -> None:
    task = BigQueryJob(project="shop", **given)
    assert task.config["job"] == job and "sql" not in task.config
    assert task.config.get("source_input", "") == "".join(given.get("inputs", ""))
    assert task.name == next(iter(job.keys() & {"load", "copy", "extract"}))
    assert isinstance(TYPE.check_config(task.config), BigQueryConfig)


def test_the_name_of_a_table_that_is_copied_travels_as_text() -> None:
    settings: dict[str, Any] = {"project": "shop", "job_config": {"copy": {}}, "destination": "a.b"}
    source = Parameter(Identifier, Identifier("a.c"))
    task = BigQueryJob(**settings, inputs={"source": source}, outputs={"copied": Identifier})
    assert task.inputs == {"source": Parameter(str, "a.c")} and task.outputs == {"copied": str}
    assert list(task.config["table_outputs"]) == ["copied"]


NO_TRANSFER: dict[str, dict[str, Any]] = {
    "and not of a query": {"sql": "SELECT 1", "job_config": LOAD},
    "does `load` and `copy`": {"job_config": {"load": {}, "copy": {}}},
    "does `query` and `load`": {"job_config": {"query": {}, "load": {}}},
    "neither `sql` nor `file`": {"job_config": {"labels": {}}},
    "takes its data from one place, and here from nothing": {"job_config": LOAD, "destination": "a.b"},
    "from `sourceUris` and `rows`": {
        "job_config": LOAD,
        "source": "gs://a/b",
        "inputs": {"rows": DataFrame},
        "destination": "a.b",
    },
    "needs a destination": {"job_config": LOAD, "source": "gs://a/b"},
    "takes one input, a file": {"job_config": LOAD, "inputs": {"t": Identifier}, "destination": "a.b"},
    "takes one input, the name": {
        "job_config": {"copy": {}},
        "inputs": {"t": DataFrame},
        "destination": "a.b",
    },
    "would need rows of a result": {
        "job_config": LOAD,
        "source": "gs://a/b",
        "destination": "a.b",
        "outputs": {"n": int},
    },
    "Output `t` of a job that does `extract`": {
        "job_config": {"extract": {}},
        "source": "a.b",
        "destination": "gs://a/b",
        "outputs": {"t": Identifier},
    },
    "has no `priority`": {
        "job_config": LOAD,
        "source": "gs://a/b",
        "destination": "a.b",
        "priority": "BATCH",
    },
    "has no `clustering`": {
        "job_config": {"copy": {}},
        "source": "a.b",
        "destination": "a.c",
        "cluster_by": ["x"],
    },
    "has no ceiling": {"job_config": LOAD, "source": "gs://a/b", "destination": "a.b", "ceiling_bytes": 1},
    "has no `names`": {"job_config": LOAD, "source": "gs://a/b", "destination": "a.b", "names": {"t": "a"}},
    "A query has no `source`": {"sql": "SELECT 1", "source": "gs://a/b"},
    "A job extracts one table": {
        "job_config": {"extract": {}},
        "source": ["a.b", "a.c"],
        "destination": "gs://a",
    },
    "`b` does not name a table": {"job_config": {"copy": {}}, "source": "b", "destination": "a.c"},
    "sets `dryRun`": {"job_config": {"load": {}, "dryRun": True}, "source": "gs://a/b", "destination": "a.b"},
}


@pytest.mark.parametrize("said", NO_TRANSFER)
def test_what_no_such_job_does_is_told_at_once(said: str) -> None:
    with pytest.raises(UsageError) as caught:
        BigQueryJob(project="shop", **NO_TRANSFER[said])
    assert said in str(caught.value) and caught.value.hint


def test_a_config_survives_json() -> None:
    config = BigQueryJob(project="shop", sql="SELECT 1", labels={"a": "b"}, ceiling_bytes=5).config
    typed = TYPE.check_config(msgspec.json.decode(msgspec.json.encode(config)))
    assert msgspec.to_builtins(typed) == config
