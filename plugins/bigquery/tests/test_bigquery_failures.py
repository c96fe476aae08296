"""Jobs that fail, end early or are lost on the way: one job for each attempt, and whose error it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from hardpoint.plugin_api import ContractViolation, ErrorKind, Phase, SimpleKind, SimpleType, TransientError
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind

if TYPE_CHECKING:
    from tests.bigquery_warehouse import Warehouse

pytest_plugins = ["tests.bigquery_warehouse"]

INT = SimpleType(SimpleKind.INT)


SECRET = "BIGQUERY_CREDENTIALS"


LONG_SQL = (
    "SELECT COUNT(*) AS n FROM UNNEST(GENERATE_ARRAY(1, 200000)) a, UNNEST(GENERATE_ARRAY(1, 200000)) b"
)


def test_a_syntax_error_is_told_with_its_line_and_tried_once(warehouse: Warehouse) -> None:
    error = warehouse.fails("SELECT 1,\n  2 frm x y").error
    assert error is not None
    message, line, caret = error.message.split("\n")
    assert message.startswith("invalidQuery: Syntax error: ")
    assert line == "2 |   2 frm x y" and caret.startswith("  | ") and caret.endswith("^")
    assert (error.code, error.kind) == ("InvalidQuery", ErrorKind.SYSTEM)


def test_a_missing_table_is_told_with_googles_reason(warehouse: Warehouse) -> None:
    error = warehouse.fails("SELECT * FROM nowhere.nothing").error
    assert error is not None and (error.code, error.kind) == ("NotFound", ErrorKind.USER)
    assert error.message.startswith("notFound: Not found") and "location" in error.hint


def test_a_running_query_is_cancelled(warehouse: Warehouse) -> None:
    job = warehouse.create(warehouse.request(LONG_SQL))
    assert warehouse.handler.poll_many(warehouse.context, [job])[job.id].phase is Phase.RUNNING
    warehouse.handler.cancel(warehouse.context, job, "test")
    status = warehouse.ended(job)
    assert status.phase is Phase.CANCELLED and status.reason.startswith("stopped")


def test_a_short_query_is_noticed_while_a_long_one_runs(warehouse: Warehouse) -> None:
    slow = warehouse.create(warehouse.request(LONG_SQL))
    quick = warehouse.create(warehouse.request("SELECT 1"))
    statuses = warehouse.handler.poll_many(warehouse.context, [slow, quick])
    warehouse.handler.cancel(warehouse.context, slow, "test")
    assert statuses[slow.id].phase is Phase.RUNNING
    assert warehouse.ended(quick).phase is Phase.SUCCEEDED and warehouse.ended(slow).phase is Phase.CANCELLED


def test_an_accepted_submit_without_an_answer_is_one_job(warehouse: Warehouse) -> None:
    request = warehouse.request("SELECT 1 AS n", None, {"n": INT})
    warehouse.proxy.script(Fault(FaultKind.LOSE, writes_only=True))
    with pytest.raises(TransientError, match="got no answer"):
        warehouse.create(request)
    found = warehouse.handler.find(warehouse.context, request)
    assert found is not None
    # It has ended by now, and is adopted all the same.
    assert warehouse.ended(found).phase is Phase.SUCCEEDED
    assert warehouse.create(request) == found
    assert warehouse.run(request) == {"n": 1}


def test_a_name_that_is_taken_but_not_shown_yet_is_asked_for_again(warehouse: Warehouse) -> None:
    request = warehouse.request("SELECT 1 AS n")
    warehouse.proxy.script(Fault(FaultKind.REFUSE, status=409), Fault(FaultKind.REFUSE, status=404))
    with pytest.raises(TransientError, match="exists already, but is not shown yet"):
        warehouse.create(request)
    assert warehouse.create(request).id == request.token


def test_a_job_of_other_sql_is_not_adopted(warehouse: Warehouse) -> None:
    warehouse.create(warehouse.request("SELECT 1 AS n", token="hp-taken-" + (token := uuid4().hex)))
    with pytest.raises(ContractViolation, match="was started with other SQL"):
        warehouse.create(warehouse.request("SELECT 2 AS n", token="hp-taken-" + token))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(FaultKind.RESET), ErrorKind.TRANSIENT),
        (Fault(FaultKind.REFUSE, status=503), ErrorKind.TRANSIENT),
        (Fault(FaultKind.REFUSE, status=429, retry_after_s=3), ErrorKind.THROTTLED),
        (Fault(FaultKind.REFUSE, status=403, code="rateLimitExceeded"), ErrorKind.THROTTLED),
        (Fault(FaultKind.REFUSE, status=403, code="quotaExceeded"), ErrorKind.THROTTLED),
        (Fault(FaultKind.REFUSE, status=403, code="accessDenied"), ErrorKind.SYSTEM),
        (Fault(FaultKind.REFUSE, status=400, code="invalidQuery"), ErrorKind.SYSTEM),
        (Fault(FaultKind.REFUSE, status=400, code="invalid"), ErrorKind.USER),
        (Fault(FaultKind.GARBLE), ErrorKind.TRANSIENT),
    ],
    ids=lambda each: f"{each.kind.name}-{each.status}-{each.code}" if isinstance(each, Fault) else each.value,
)
def test_refusals_are_classed_by_googles_reason(warehouse: Warehouse, fault: Fault, kind: ErrorKind) -> None:
    request = warehouse.request("SELECT 1 AS n")
    warehouse.proxy.script(fault)
    with pytest.raises(Exception) as caught:
        warehouse.create(request)
    error: Any = caught.value
    assert error.info().kind is kind
    assert fault.code in str(error)
    assert warehouse.create(request).id == request.token


def test_a_token_that_ends_in_mid_run_is_fetched_anew(warehouse: Warehouse) -> None:
    warehouse.dialect.checks_tokens = True
    request = warehouse.request("SELECT 1 AS n", None, {"n": INT}, credentials_secret=SECRET)
    job = warehouse.create(request)
    warehouse.dialect.expire_tokens()
    assert warehouse.ended(job).phase is Phase.SUCCEEDED
    warehouse.dialect.expire_tokens()
    assert warehouse.handler.outputs(warehouse.context, request, job) == {"n": 1}


def test_a_secret_that_holds_no_credentials_is_told_without_its_value(warehouse: Warehouse) -> None:
    warehouse.context._secrets[SECRET] = '{"type": "service_account", "private_key": "hush"}'
    with pytest.raises(Exception, match="The secret `BIGQUERY_CREDENTIALS` holds no credentials") as caught:
        warehouse.create(warehouse.request("SELECT 1", credentials_secret=SECRET))
    assert "hush" not in str(caught.value) and caught.value.__context__ is None
