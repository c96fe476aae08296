"""Results that become tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hardpoint.plugin_api import (
    CreateRequest,
    ErrorKind,
    Interface,
    PermanentSystemError,
    Phase,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TransientError,
    Variable,
)
from hardpoint.plugin_api.query_task import Destination, Write
from hardpoint.plugin_api.sql_text import Identifier, SqlText
from hardpoint.plugin_api.testing.contract.crashing import CrashingContract
from hardpoint.plugin_api.testing.fakes import FakeCalls, SuddenDeath, fake_request
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_athena.config import AthenaConfig
from hardpoint_athena.conformance import SECRETS, AthenaKit
from hardpoint_athena.preliminary import TRIES_MAX
from hardpoint_athena.testing.switch import AthenaSwitch

if TYPE_CHECKING:
    from tests.athena_bench import Bench

pytest_plugins = ["tests.athena_bench"]

TEXT, INT = SimpleType(SimpleKind.STR), SimpleType(SimpleKind.INT)
NAME = "default.totals"


def to(write: Write, table: str = NAME) -> Destination:
    return Destination(Identifier(table), write)


def rows(bench: Bench) -> Any:
    return bench.standin.sql("SELECT n FROM totals ORDER BY n")


def test_a_table_is_made_then_appended_to_then_replaced(bench: Bench) -> None:
    made: dict[Write, list[list[int]]] = {"create": [[1]], "append": [[1], [2]], "replace": [[3]]}
    for number, (write, expected) in enumerate(made.items(), 1):
        given = {"n": (INT, number)}
        found = bench.outputs("SELECT :n AS n;", given, {"loaded": TEXT}, destination=to(write))
        assert found == {"loaded": NAME}
        assert rows(bench) == expected
    assert "GetQueryResults" not in bench.proxy.calls()


def test_a_query_with_a_clause_before_it_becomes_a_table(bench: Bench) -> None:
    sql = "-- first\nWITH t (n) AS (VALUES (1), (2))\nSELECT n FROM t WHERE n > :n"
    for write in ("create", "append"):
        bench.outputs(sql, {"n": (INT, 1)}, destination=Destination.given(NAME, write))
    assert rows(bench) == [[2], [2]]


PROPERTIES = {
    "format": "PARQUET",
    "external_location": "s3://bucket/it's/totals/",
    "partitioned_by": ["n"],
    "bucket_count": 4,
}


def test_properties_reach_the_table(bench: Bench) -> None:
    bench.outputs("SELECT 1 AS n", destination=to("create"), table_properties=PROPERTIES)
    assert bench.standin.queries()[-1]["properties"] == PROPERTIES


Failing = tuple[Write, str, dict[str, Any], str]
FAILING: dict[str, Failing] = {
    "TABLE_ALREADY_EXISTS": ("create", "SELECT 2 AS n", {}, 'write="replace"'),
    "HIVE_PATH_ALREADY_EXISTS": (
        "create",
        "SELECT 2 AS n",
        {"external_location": PROPERTIES["external_location"]},
        "left files there",
    ),
    "INVALID_TABLE_PROPERTY": ("create", "SELECT 2 AS n", {"formt": "ORC"}, "Correct the query"),
}


@pytest.mark.parametrize("code", FAILING)
def test_a_table_that_cannot_be_made_is_tried_once(bench: Bench, code: str) -> None:
    bench.outputs("SELECT 1 AS n", destination=to("create"), table_properties=PROPERTIES)
    write, sql, properties, hint = FAILING[code]
    if code == "HIVE_PATH_ALREADY_EXISTS":
        bench.standin.sql("DROP TABLE totals")
    _, status = bench.ended(bench.request(sql, destination=to(write), table_properties=properties))
    assert status.error is not None
    assert (status.error.code, status.error.kind) == (code, ErrorKind.SYSTEM)
    assert hint in status.error.hint


@pytest.mark.parametrize("write", ["create", "append", "replace"])
def test_the_line_that_fails_is_the_authors(bench: Bench, write: Write) -> None:
    bench.standin.sql("CREATE TABLE totals AS SELECT 1 AS n")
    sql = "SELECT :n AS n,\n  amonut\nFROM (SELECT 1 AS m)"
    _, status = bench.ended(bench.request(sql, {"n": (INT, 1)}, destination=to(write)))
    assert status.error is not None
    assert "line 2:3" in status.error.message
    assert status.error.message.endswith("2 |   amonut\n  |   ^")


def test_a_replaced_table_is_dropped_by_a_query_of_its_own(bench: Bench) -> None:
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    bench.ended(request)
    dropped, made = bench.standin.queries()
    assert dropped["sql"] == "DROP TABLE IF EXISTS `default`.`totals`"
    assert made["token"] == request.token != dropped["token"]
    assert bench.handler.find(bench.context, request) == bench.handler.create(bench.context, request)
    assert len(bench.standin.queries()) == 2


def test_a_drop_that_is_refused_starts_no_query(bench: Bench) -> None:
    bench.standin.sql("CREATE VIEW totals AS SELECT 1 AS n")
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    with pytest.raises(PermanentSystemError, match="is of type View"):
        bench.handler.create(bench.context, request)
    assert request.token not in [each["token"] for each in bench.standin.queries()]


BUSY = "GENERIC_INTERNAL_ERROR: Glue is busy"


def test_a_drop_that_fails_in_passing_is_tried_again_and_after_a_crash_not_anew(bench: Bench) -> None:
    bench.standin.reset(failing=[BUSY])
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    FakeCalls.die_before_write(bench.context.calls, 3)
    with pytest.raises(SuddenDeath):
        bench.handler.create(bench.context, request)
    bench.ended(request)
    assert [each["state"] for each in bench.standin.queries()] == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    assert rows(bench) == [[1]]


def test_a_drop_that_never_works_is_the_platforms_and_starts_no_query(bench: Bench) -> None:
    bench.standin.reset(failing=[BUSY] * 5)
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    for _ in range(2):
        with pytest.raises(TransientError, match="Glue is busy"):
            bench.handler.create(bench.context, request)
    assert [each["state"] for each in bench.standin.queries()] == ["FAILED"] * TRIES_MAX


Die = Callable[[FakeCalls, int], None]
DEATHS = [
    (die, number) for number in (1, 2) for die in (FakeCalls.die_before_write, FakeCalls.die_after_write)
]


@pytest.mark.parametrize(("die", "number"), DEATHS, ids=[f"{die.__name__}-{n}" for die, n in DEATHS])
def test_a_replacement_killed_at_any_write_is_made_once(bench: Bench, die: Die, number: int) -> None:
    bench.standin.sql("CREATE TABLE totals AS SELECT 7 AS n")
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    die(bench.context.calls, number)
    with pytest.raises(SuddenDeath):
        bench.handler.create(bench.context, request)
    _, status = bench.ended(request)
    assert status.phase is Phase.SUCCEEDED
    assert rows(bench) == [[1]]
    assert [each["token"] == request.token for each in bench.standin.queries()] == [False, True]


@pytest.mark.parametrize("kind", [FaultKind.LOSE, FaultKind.CUT, FaultKind.GARBLE])
def test_a_lost_answer_to_the_drop_drops_once(bench: Bench, kind: FaultKind) -> None:
    request = bench.request("SELECT 1 AS n", destination=to("replace"))
    bench.proxy.script(Fault(kind, ("StartQueryExecution",)))
    with pytest.raises(TransientError):
        bench.handler.create(bench.context, request)
    bench.ended(request)
    assert len(bench.standin.queries()) == 2


class TestCrashesOfAReplacement(CrashingContract[AthenaSwitch]):
    """The matrix of the kit, with two writes to a create."""

    secrets = SECRETS
    task_type = AthenaKit.task_type
    running = AthenaKit.running
    service = AthenaKit.service
    # Not about creates, or not of this way to find them; a skipped test would ask for a reason.
    test_discovery_imports_no_sdk = None  # type: ignore[assignment]
    test_a_name_that_another_request_has_is_not_adopted = None  # type: ignore[assignment]

    def request(self, service: AthenaSwitch, token: str) -> CreateRequest:
        return self._request(service, token, 20.0)

    def impatient_request(self, service: AthenaSwitch, token: str) -> CreateRequest:
        return self._request(service, token, 0.5)

    def _request(self, service: AthenaSwitch, token: str, timeout_s: float) -> CreateRequest:
        connection = service.connection(timeout_s)
        config = AthenaConfig(
            SqlText("SELECT :n AS n"), connection=connection, destination=to("replace", "default.crashed")
        )
        face = Interface((Variable("n", INT),), (Variable("loaded", TEXT),))
        spec = TaskSpec("flow.py:load", "athena", "v1", face, msgspec.to_builtins(config))
        inputs: Mapping[str, Any] = {"n": 6}
        return fake_request(spec, inputs, token=token)
