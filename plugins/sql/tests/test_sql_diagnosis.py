"""What the plugin says of itself to `hardpoint plugins doctor`."""

from __future__ import annotations

import sys

import pytest

from hardpoint.plugin_api import Severity
from hardpoint_sql import plugin


def test_where_duckdb_answers_all_is_well() -> None:
    found = {each.subject: each for each in plugin.diagnose()}
    assert {each.severity for each in found.values()} == {Severity.OK}
    assert found["duckdb"].message.endswith(" answers")


def test_a_library_that_cannot_be_imported_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    [found] = plugin.diagnose()
    assert found.severity is Severity.ERROR
    assert found.message.startswith("`duckdb` cannot be imported: ModuleNotFoundError: ")
    assert found.hint.endswith("-m pip install --force-reinstall duckdb`")
