"""Task types of plugins in a worker: found through the registry, given a context, held to plain JSON."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hardpoint.core.store import BlobStore
from hardpoint.executor.pool.messages import CallDone, CallProgress
from hardpoint.plugin_api import (
    ErrorKind,
    Interface,
    SimpleKind,
    SimpleType,
    TaskSpec,
    Variable,
)

if TYPE_CHECKING:
    from tests.executor.conftest import Lab

PLUGIN = """
from hardpoint.plugin_api import Shape, TaskType, hookimpl

class Handler:
    def run(self, context, inputs):
        return getattr(self, inputs["do"])(context)

    def look(self, context):
        (context.scratch_dir / "x").write_text("1")
        context.logger.info("looking at %s", context.node)
        reference = context.store.put_bytes(b"report", format="bytes", name="r.html")
        context.artifact("Report", reference)
        encoded = context.values.encode(context.spec.interface.outputs[0].type, str(context.scratch_dir))
        return {"result": encoded, "code": str(context.code_dir), "attempt": context.attempt,
                "execution": context.execution, "secret": context.secret("key")}

    def count(self, context):
        for i in range(1001):
            context.progress(i, 1000, "with " + context.secret("key"))
        return {"result": ""}

    def odd(self, context):
        return {"result": object()}

class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("look", Shape.FUNCTION, Handler)]

plugin = Plugin()
"""


@pytest.fixture
def look(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose workers have a plugin installed, and a task of its type."""
    site = tmp_path / "site"
    metadata = site / "hardpoint_look-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hardpoint-look\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[hardpoint.plugins]\nlook = look_plugin:plugin\n[hardpoint.api]\n1.0 = package\n"
    )
    (site / "look_plugin.py").write_text(textwrap.dedent(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.setenv("HARDPOINT_SECRET_KEY", "opensesame")
    text = SimpleType(SimpleKind.STR)
    face = Interface((Variable("do", text),), (Variable("result", text),))
    lab.add("look", TaskSpec("look", "look", "1", face))
    lab.add("none", TaskSpec("none", "no-such-type", "1", face))
    return lab


def test_a_handler_gets_its_context(look: Lab) -> None:
    done = look.run("look", do="look")
    assert isinstance(done, CallDone), done
    scratch = Path(done.outputs["result"])
    assert scratch.is_relative_to(look.home / "tmp")
    assert not scratch.exists()
    assert done.outputs["attempt"] == 1
    assert done.outputs["execution"] == "e1"
    assert done.outputs["secret"] == "opensesame"
    ((title, reference),) = done.artifacts
    assert (title, BlobStore(look.home / "blobs").read_bytes(reference)) == ("Report", b"report")
    assert look.text(done.log)[1].endswith(" INFO looking at look\n")


def test_progress_is_thinned_out_and_masked(look: Lab) -> None:
    look.run("look", do="count")
    told = [each for each in look.events if isinstance(each, CallProgress)]
    assert 2 <= len(told) < 100
    assert (told[0].done, told[-1].done, told[-1].total) == (0, 1000, 1000)
    assert {each.note for each in told} == {"with ***"}


def test_outputs_that_are_no_json_break_the_contract(look: Lab) -> None:
    error = look.failure("look", do="odd")
    assert (error.code, error.kind) == ("ContractViolation", ErrorKind.CONTRACT)
    assert error.message.startswith("Task `look` of type `look` returned outputs that are not plain JSON: ")
    assert look.run("look", do="count").outputs == {"result": ""}


def test_a_type_that_nothing_runs_fails_the_call(look: Lab) -> None:
    assert look.failure("none", do="x").code == "NoPluginError"
