"""Jobs that load, copy and extract: the service's own, one for each attempt."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hardpoint.plugin_api import (
    AnyType,
    CreateRequest,
    ErrorKind,
    FileType,
    FrameType,
    Phase,
    Reference,
    SimpleKind,
    SimpleType,
    TransientError,
    UserError,
)
from hardpoint.plugin_api.testing.fakes import FakeCalls, SuddenDeath
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_bigquery.handler import BigQueryHandler
from hardpoint_bigquery.submission import UPLOAD_BYTES_MAX
from hardpoint_bigquery.testing import standin
from hardpoint_bigquery.testing.switch import credentials_file

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

INT, STR = SimpleType(SimpleKind.INT), SimpleType(SimpleKind.STR)
SHARES = pd.DataFrame({"region": ["it's", "south"], "share": [0.25, 0.75]})


def table(dataset: str, name: str) -> dict[str, str]:
    return {"projectId": standin.PROJECT, "datasetId": dataset, "tableId": name}


def loading(warehouse: Warehouse, dataset: str, type: AnyType, value: Any, **load: Any) -> CreateRequest:
    settings = {"destinationTable": table(dataset, "shares"), "writeDisposition": "WRITE_TRUNCATE", **load}
    return warehouse.request(
        "",
        {"shares": (type, value)},
        {"loaded": STR},
        job={"load": settings, "labels": {"team": "a"}},
        source_input="shares",
        table_outputs=["loaded"],
    )


def rows(warehouse: Warehouse, name: str) -> list[dict[str, Any]]:
    sql = "SELECT * FROM {source} ORDER BY 1"
    request = warehouse.request(sql, {"source": (STR, name)}, {"rows": FrameType()}, slots=["source"])
    found: list[dict[str, Any]] = warehouse.table(request).to_pylist()
    return found


def test_a_table_is_uploaded_with_the_job_that_loads_it(warehouse: Warehouse) -> None:
    dataset = warehouse.dataset()
    request = loading(warehouse, dataset, FrameType("pandas"), SHARES)
    before = len(warehouse.proxy.calls())
    loaded = warehouse.run(request)["loaded"]
    assert loaded == f"{standin.PROJECT}.{dataset}.shares"
    sent = [each for each in warehouse.proxy.calls()[before:] if each.startswith("POST")]
    assert sent == [f"POST /upload/bigquery/v2/projects/{standin.PROJECT}/jobs"]
    assert rows(warehouse, loaded) == SHARES.to_dict("records")
    # Once more, by another attempt: the disposition replaces what is there.
    warehouse.run(loading(warehouse, dataset, FrameType("pandas"), SHARES[:1]))
    assert rows(warehouse, loaded) == [{"region": "it's", "share": 0.25}]


def test_a_file_is_loaded_as_the_job_says(warehouse: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "shares.csv"
    file.write_text("region,share\nnorth,1\n")
    request = loading(warehouse, warehouse.dataset(), FileType(), file, sourceFormat="CSV", skipLeadingRows=1)
    assert rows(warehouse, warehouse.run(request)["loaded"]) == [{"region": "north", "share": 1}]


def test_tables_are_copied_extracted_and_loaded_from_a_bucket(warehouse: Warehouse) -> None:
    dataset, bucket = warehouse.dataset(), f"gs://bucket-{uuid4().hex[:8]}"
    loaded = warehouse.run(loading(warehouse, dataset, FrameType("pandas"), SHARES))["loaded"]
    name: dict[str, tuple[AnyType, Any]] = {"source": (STR, loaded)}
    copy = {"destinationTable": table(dataset, "kept")}
    copied = warehouse.run(
        warehouse.request(
            "", name, {"t": STR}, job={"copy": copy}, source_input="source", table_outputs=["t"]
        )
    )["t"]
    assert rows(warehouse, copied) == SHARES.to_dict("records")
    extract = {"destinationUris": [f"{bucket}/kept.parquet"], "destinationFormat": "PARQUET"}
    assert warehouse.run(warehouse.request("", name, job={"extract": extract}, source_input="source")) == {}

    # As if the store lay in the bucket: the service reads the file there by itself.
    request = loading(warehouse, dataset, FrameType("pandas"), SHARES)
    there = {**request.inputs["shares"], "uri": f"{bucket}/kept.parquet"}
    moved = msgspec.structs.replace(request, inputs={"shares": there})
    job = warehouse.create(moved)
    assert warehouse.ended(job).phase is Phase.SUCCEEDED
    assert warehouse.shown(job)["configuration"]["load"]["sourceUris"] == [f"{bucket}/kept.parquet"]
    assert rows(warehouse, loaded) == SHARES.to_dict("records")
    given = {"load": {"destinationTable": copy["destinationTable"], "sourceUris": extract["destinationUris"]}}
    given["load"] |= {"sourceFormat": "PARQUET"}
    warehouse.run(warehouse.request("", job=given))
    assert len(rows(warehouse, copied)) == 4


def test_an_upload_that_is_accepted_without_an_answer_is_one_job(warehouse: Warehouse) -> None:
    request = loading(
        warehouse, warehouse.dataset(), FrameType("pandas"), SHARES, writeDisposition="WRITE_APPEND"
    )
    warehouse.proxy.script(Fault(FaultKind.LOSE, writes_only=True))
    with pytest.raises(TransientError, match="got no answer"):
        warehouse.create(request)
    job = warehouse.create(request)
    assert warehouse.handler.find(warehouse.context, request) == job
    assert len(rows(warehouse, warehouse.run(request)["loaded"])) == 2


@pytest.mark.parametrize(
    "dies", [FakeCalls.die_before_write, FakeCalls.die_after_write], ids=["before", "after"]
)
@pytest.mark.parametrize("kind", ["load", "copy", "extract"])
def test_a_process_that_dies_at_its_only_write_leaves_one_job(
    warehouse: Warehouse, kind: str, dies: Callable[[FakeCalls, int], None]
) -> None:
    dataset = warehouse.dataset()
    shares = loading(warehouse, dataset, FrameType("pandas"), SHARES, writeDisposition="WRITE_APPEND")
    if kind != "load":
        warehouse.run(shares)
    source = table(dataset, "shares")
    copy = {
        "sourceTables": [source],
        "destinationTable": table(dataset, "kept"),
        "writeDisposition": "WRITE_APPEND",
    }
    extract = {"sourceTable": source, "destinationUris": [f"gs://bucket/{dataset}.csv"]}
    request = {
        "load": shares,
        "copy": warehouse.request("", job={"copy": copy}),
        "extract": warehouse.request("", job={"extract": extract}),
    }[kind]
    warehouse.context.calls = FakeCalls()
    dies(warehouse.context.calls, 1)
    with suppress(SuddenDeath):
        warehouse.create(request)
        raise AssertionError("It lives on")
    warehouse.context.calls, warehouse.handler = FakeCalls(), BigQueryHandler()
    job = warehouse.create(request)
    assert (job.id, warehouse.ended(job).phase) == (request.token, Phase.SUCCEEDED)
    assert warehouse.context.calls.writes == 1
    if kind != "extract":
        assert len(rows(warehouse, f"{dataset}.{'shares' if kind == 'load' else 'kept'}")) == 2


def test_an_upload_with_a_token_that_has_ended_is_sent_again_with_a_new_one(warehouse: Warehouse) -> None:
    warehouse.dialect.checks_tokens = True
    warehouse.context._secrets["KEY"] = credentials_file(warehouse.proxy.url)
    request = loading(warehouse, "d", FrameType("pandas"), SHARES)
    spec = request.spec
    spec = msgspec.structs.replace(spec, config={**spec.config, "credentials_secret": "KEY"})
    for token in ("first", "second"):
        warehouse.dialect.expire_tokens()
        job = warehouse.create(msgspec.structs.replace(request, spec=spec, token=f"{request.token}-{token}"))
        assert warehouse.shown(job)["configuration"]["jobType"] == "LOAD"


def test_a_job_of_other_data_is_not_adopted(warehouse: Warehouse) -> None:
    dataset = warehouse.dataset()
    first = loading(warehouse, dataset, FrameType("pandas"), SHARES)
    other = loading(warehouse, dataset, FrameType("pandas"), SHARES[:1])
    warehouse.create(first)
    with pytest.raises(Exception, match="was started with other SQL, inputs or settings"):
        warehouse.create(msgspec.structs.replace(other, token=first.token))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(FaultKind.REFUSE, status=503), ErrorKind.TRANSIENT),
        (Fault(FaultKind.REFUSE, status=429, retry_after_s=3), ErrorKind.THROTTLED),
        (Fault(FaultKind.REFUSE, status=403, code="accessDenied"), ErrorKind.SYSTEM),
        (Fault(FaultKind.GARBLE), ErrorKind.TRANSIENT),
        (Fault(FaultKind.RESET), ErrorKind.TRANSIENT),
    ],
    ids=lambda each: each.kind.name if isinstance(each, Fault) else each.value,
)
def test_a_refused_upload_is_tried_once_and_classed(
    warehouse: Warehouse, fault: Fault, kind: ErrorKind
) -> None:
    request = loading(warehouse, warehouse.dataset(), FrameType("pandas"), SHARES)
    before = len(warehouse.proxy.calls())
    warehouse.proxy.script(fault)
    with pytest.raises(Exception) as caught:
        warehouse.create(request)
    error: Any = caught.value
    assert error.info().kind is kind
    assert len(warehouse.proxy.calls()) == before + 1


def test_data_that_do_not_fit_fail_the_job_with_googles_reason(warehouse: Warehouse, tmp_path: Path) -> None:
    file = tmp_path / "shares.json"
    file.write_text("{no json")
    json_lines = loading(
        warehouse, warehouse.dataset(), FileType(), file, sourceFormat="NEWLINE_DELIMITED_JSON"
    )
    status = warehouse.ended(warehouse.create(json_lines))
    assert status.error is not None
    assert (status.error.code, status.error.kind) == ("Invalid", ErrorKind.USER)
    assert "Error while reading data" in status.error.message


def test_what_cannot_be_loaded_is_told_before_anything_starts(warehouse: Warehouse) -> None:
    large = {"uri": "/shop/large", "digest": "sha256:" + "0" * 64, "size_bytes": UPLOAD_BYTES_MAX + 1}
    request = loading(warehouse, "d", FrameType("pandas"), SHARES)
    too_large = {**large, "format": "parquet"}
    for wrong, said in (
        (loading(warehouse, "d", INT, 5), "a job loads a file or a table with rows"),
        (loading(warehouse, "d", FrameType("pandas"), SHARES, sourceFormat="CSV"), "`sourceFormat` is `CSV`"),
        (msgspec.structs.replace(request, inputs={"shares": too_large}), "at most 5242879 are sent"),
    ):
        with pytest.raises(UserError, match=said):
            warehouse.create(wrong)
    assert warehouse.proxy.calls() == []


def test_a_transfer_waits_in_no_queue_of_queries_and_has_no_dry_run(warehouse: Warehouse) -> None:
    request = loading(warehouse, "d", FrameType("pandas"), SHARES)
    assert warehouse.handler.prepare(warehouse.context, request).claims == ()
    estimate = warehouse.handler.estimate(warehouse.context, request)
    assert estimate.usage == {} and "has no dry run" in estimate.text
    assert warehouse.proxy.calls() == []


def test_lists_are_loaded_as_lists(warehouse: Warehouse) -> None:
    request = loading(warehouse, warehouse.dataset(), FrameType("pyarrow"), pa.table({"n": [[1, 2], []]}))
    assert warehouse.shown(warehouse.create(request))["configuration"]["load"]["parquetOptions"] == {
        "enableListInference": True
    }
    found = pq.read_table(io.BytesIO(warehouse.context.store.read_bytes(_reference(warehouse, request))))
    assert found.to_pydict() == {"n": [[1, 2], []]}


def _reference(warehouse: Warehouse, request: CreateRequest) -> Any:
    return msgspec.convert(request.inputs["shares"], Reference)
