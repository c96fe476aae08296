"""Functions that each break one promise: every class here must fail in the suite.

Not collected by name; `test_contract_catches.py` runs it.
"""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from hardpoint.plugin_api import (
    CreateRequest,
    FunctionContext,
    Inputs,
    Interface,
    ListType,
    Outputs,
    PermanentSystemError,
    Shape,
    SimpleKind,
    SimpleType,
    TaskSpec,
    TaskType,
    Variable,
)
from hardpoint.plugin_api.testing.contract import FunctionContract
from hardpoint.plugin_api.testing.fakes import fake_request

LEFT: list[object] = []
NUMBERS = ListType(SimpleType(SimpleKind.INT))


class ScriptConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file with the factor that numbers are multiplied by."""

    file: str


class ScriptHandler:
    """Multiplies numbers by what a file of the archive says."""

    def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
        config = msgspec.convert(context.spec.config, type=ScriptConfig)
        factor = int((context.code_dir / config.file).read_text())
        context.secret("KEY")
        return {"numbers": [each * factor for each in inputs["numbers"]]}


class ScriptKit(FunctionContract):
    """The kit; each mutant puts another handler in the place of the right one."""

    secrets = {"KEY": "open-sesame-of-functions"}  # noqa: RUF012 - as authors write it
    vendor_modules = ("wave",)
    plugin_object = "hardpoint_jobservice:plugin"
    broken: ClassVar[Any] = ScriptHandler

    def task_type(self) -> TaskType:
        return TaskType("script", Shape.FUNCTION, self.broken, config=ScriptConfig)

    def request(self, code_dir: Path) -> CreateRequest:
        return self._request(code_dir, "factor.txt", "3")

    def failing_request(self, code_dir: Path) -> CreateRequest:
        return self._request(code_dir, "wrong.txt", "three")

    def _request(self, code_dir: Path, file: str, text: str) -> CreateRequest:
        (code_dir / file).write_text(text)
        interface = Interface((Variable("numbers", NUMBERS),), (Variable("numbers", NUMBERS),))
        spec = TaskSpec("flow.py:triple", "script", "v1", interface, {"file": file})
        return fake_request(spec, {"numbers": [1, 2, 3]})


class TestOutputsOfAnotherType(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            return {"numbers": str(super().run(context, inputs)["numbers"])}


class TestRemembersTheLastRun(ScriptKit):
    class broken(ScriptHandler):
        runs = 0

        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            self.runs += 1
            return {"numbers": [*super().run(context, inputs)["numbers"], self.runs]}


class TestChangesItsArguments(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            found = super().run(context, inputs)
            inputs["numbers"].append(0)
            return found


class TestWritesIntoTheArchive(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            (context.code_dir / "cache.json").write_text("{}")
            return super().run(context, inputs)


class TestChangesTheDirectory(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            os.chdir(context.code_dir)
            return super().run(context, inputs)


class TestChangesTheEnvironment(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            os.environ["SCRIPT_FACTOR"] = str(len(os.environ))
            return super().run(context, inputs)


class TestHidesTheAuthorsError(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            try:
                return super().run(context, inputs)
            except ValueError as error:
                raise PermanentSystemError("The script failed") from error


class TestFailsForGood(ScriptKit):
    class broken(ScriptHandler):
        failed = False

        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            if self.failed:
                raise ValueError("It failed before")
            self.failed = True
            found = super().run(context, inputs)
            self.failed = False
            return found


class TestPrintsTheSecret(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            print("signed in with", context.secret("KEY"))
            return super().run(context, inputs)


class TestLeavesAThread(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            return super().run(context, inputs)


class TestLeavesAProcess(ScriptKit):
    class broken(ScriptHandler):
        def run(self, context: FunctionContext, inputs: Inputs) -> Outputs:
            LEFT.append(subprocess.Popen(["sleep", "8"]))
            return super().run(context, inputs)


class TestImportsTheSdk(ScriptKit):
    plugin_object = "broken_discovery:plugin"


class TestAcceptsMisspeltConfig(ScriptKit):
    def task_type(self) -> TaskType:
        class LaxConfig(msgspec.Struct, frozen=True):
            file: str

        return msgspec.structs.replace(super().task_type(), config=LaxConfig)


class TestFunctionIsRight(ScriptKit):
    """The control."""
