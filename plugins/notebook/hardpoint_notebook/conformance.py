"""The kit of the task type `notebook`: what `hardpoint plugins check notebook` runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.testing.contract import FunctionContract
from hardpoint.plugin_api.testing.fakes import fake_request
from hardpoint_notebook import plugin

DOUBLE = "from hardpoint_notebook import record\nprint('doubling', n)\nrecord(result=2 * n)"
FAIL = "raise ValueError(f'no double of {n}')"


class NotebookKit(FunctionContract):
    """Real notebooks in real kernels."""

    vendor_modules = ("papermill", "nbclient", "nbconvert", "nbformat", "jupyter_client", "ipykernel", "zmq")

    def task_type(self) -> TaskType:
        """The only one."""
        [declared] = plugin.task_types()
        return declared

    def request(self, code_dir: Path) -> CreateRequest:
        """A notebook that doubles a number."""
        return _request(code_dir, "double", DOUBLE)

    def failing_request(self, code_dir: Path) -> CreateRequest:
        """A notebook whose only cell raises."""
        return _request(code_dir, "fail", FAIL)


def _request(code_dir: Path, name: str, source: str) -> CreateRequest:
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
    cell["execution_count"] = None
    document = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (code_dir / f"{name}.ipynb").write_text(json.dumps(document))
    number = SimpleType(SimpleKind.INT)
    interface = Interface((Variable("n", number),), (Variable("result", number),))
    spec = TaskSpec(f"flow.py:{name}", "notebook", "v1", interface, {"notebook": f"{name}.ipynb"})
    return fake_request(spec, {"n": 21})
