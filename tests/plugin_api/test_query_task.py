"""What an author gives to a query, whichever service runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hardpoint.plugin_api import Parameter, Position, UsageError, UserError
from hardpoint.plugin_api.query_task import Destination, QueryParts
from hardpoint.plugin_api.sql_text import Identifier


def parts(folder: Path, sql: str = "SELECT 1", **given: Any) -> QueryParts:
    source = folder / "flow.py"
    source.touch()
    wanted = {"sql": sql, "file": None, "inputs": None, "outputs": None, **given}
    return QueryParts.given(Position(str(source), 1), **wanted)


def test_names_travel_as_text_and_are_not_bound(tmp_path: Path) -> None:
    inputs = {"t": Identifier, "n": int, "u": Parameter(Identifier, Identifier("a.b"), "Where")}
    found = parts(tmp_path, "SELECT :n FROM {t}, {u}", inputs=inputs, outputs={"made": Identifier})
    assert found.inputs["t"] == Parameter(str)
    assert found.inputs["u"] == Parameter(str, "a.b", "Where")
    assert found.outputs == {"made": str}
    assert (found.bound, found.text.inputs, found.table_outputs) == (("n",), ("t", "u"), ("made",))


@pytest.mark.parametrize("outputs", [None, {}, int, Identifier, {"n": int}])
def test_one_output_needs_no_name(tmp_path: Path, outputs: Any) -> None:
    named = {None: {}, int: {"result": int}, Identifier: {"result": str}}
    found = parts(tmp_path, outputs=outputs)
    assert found.outputs == (outputs if isinstance(outputs, dict) else named[outputs])
    assert found.table_outputs == (("result",) if outputs is Identifier else ())


def test_the_name_is_given_or_that_of_the_file_or_the_default(tmp_path: Path) -> None:
    (tmp_path / "daily-sales.sql").write_text("SELECT 1")
    from_file = parts(tmp_path, sql=None, file="daily-sales.sql")  # type: ignore[arg-type]
    assert from_file.name("", "query") == "daily_sales"
    assert from_file.name("mine", "query") == "mine"
    assert parts(tmp_path).name("", "query") == "query"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outputs": {"for": int}}, "Output `for` of the query is not a Python name"),
        ({"inputs": {"a-b": int}}, "Input `a-b` of the query is not a Python name"),
        ({"names": {"t": "orders"}}, "The name `t` is not used in the query.*\n\nhint: .* `{t}`"),
        ({"inputs": {"t": Identifier}}, "The name `t` is not used"),
        ({"file": "x.sql"}, "both `sql` and `file` are given"),
    ],
)
def test_a_mistake_is_told_where_the_query_is_defined(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        parts(tmp_path, **given)


@pytest.mark.parametrize("hint", [Identifier, Parameter(Identifier, "a b")])
def test_what_is_no_name_is_refused(tmp_path: Path, hint: Any) -> None:
    with pytest.raises(UserError, match="is not a name"):
        parts(tmp_path, "SELECT 1 FROM {t}", inputs={"t": hint}, names={"t": "a;b"})


def test_an_output_that_is_a_table_needs_one(tmp_path: Path) -> None:
    found = parts(tmp_path, outputs={"made": Identifier})
    found.check_destination(Destination.given("sales.totals", "create"))
    with pytest.raises(UsageError, match="Output `made` of the query is the name of a table"):
        found.check_destination(None)


def test_a_way_to_write_that_the_service_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="`write` is `replace`\n\nhint: One of `create`, `append`"):
        Destination.given("t", "replace", ("create", "append"))
    assert Destination.given(None, "replace", ()) is None


def test_a_query_needs_a_file_around_it() -> None:
    with pytest.raises(UsageError, match="was defined in `<stdin>`, which is not a file"):
        QueryParts.given(Position("<stdin>", 1), sql="SELECT 1", file=None, inputs=None, outputs=None)
