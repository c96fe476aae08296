"""What an author writes, and the JSON that becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.cloud import bigquery

from hardpoint.plugin_api import UsageError
from hardpoint_bigquery import BigQueryJob, BigQueryTable, plugin
from hardpoint_bigquery.config import BigQueryConfig

[TYPE] = plugin.task_types()


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
    "`identifiers` of `query` names `t`, which is no input": {"identifiers": ["t"]},
    "Input `a b` of `query` is not a Python name": {"inputs": {"a b": int}},
    "`query` has `ceiling_usd` and no price": {"ceiling_usd": 1.0},
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


def test_a_config_survives_json() -> None:
    config = BigQueryJob(project="shop", sql="SELECT 1", labels={"a": "b"}, ceiling_bytes=5).config
    typed = TYPE.check_config(msgspec.json.decode(msgspec.json.encode(config)))
    assert msgspec.to_builtins(typed) == config


def test_a_table_has_its_name_as_text() -> None:
    assert str(BigQueryTable("shop", "sales", "orders")) == "shop.sales.orders"
