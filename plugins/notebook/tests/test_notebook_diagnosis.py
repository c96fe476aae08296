"""What the plugin says of itself to `hardpoint plugins doctor`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hardpoint.plugin_api import Finding, Severity
from hardpoint_notebook import plugin


def diagnosed() -> dict[str, Finding]:
    return {each.subject: each for each in plugin.diagnose()}


def test_where_notebooks_run_all_is_well() -> None:
    found = diagnosed()
    assert {each.severity for each in found.values()} == {Severity.OK}
    assert found["kernel"].message.startswith("kernel `python3` starts `/")


def test_a_kernel_whose_python_is_gone_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    spec = {"argv": ["/no/such/python", "-m", "ipykernel"], "display_name": "Python", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    found = diagnosed()["kernel"]
    assert found.severity is Severity.ERROR
    assert found.message == f"kernel `python3` of `{folder}` starts `/no/such/python`, which is not there"
    assert "ipykernel install --sys-prefix --name python3" in found.hint


def test_a_library_that_cannot_be_imported_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "papermill", None)
    found = diagnosed()
    assert list(found) == ["libraries"]
    assert found["libraries"].severity is Severity.ERROR
    assert found["libraries"].message.startswith("`papermill` cannot be imported: ModuleNotFoundError: ")
    assert found["libraries"].hint.endswith("-m pip install --force-reinstall papermill`")
