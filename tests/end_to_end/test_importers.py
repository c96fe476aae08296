"""`hardpoint run`, `plan`, `compile` and `graph` of another system's files, through an installed importer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.registry.conftest import Site, site

from hardpoint.core.compiled import from_json

__all__ = ["site"]

PLUGIN = """
from pathlib import Path
from hardpoint.plugin_api import Importer, Shape, TaskType, UserError, hookimpl

Path(__file__).with_name("imported").touch()

class Shout:
    def run(self, context, inputs):
        return {"result": inputs["text"].upper() * inputs["times"]}

def load(path):
    text = path.read_text()
    if text.startswith("not toy"):
        raise UserError(f"`{path}` is no toy file", hint="Begin it with `{`")
    if text == "crash":
        raise KeyError("nodes")
    return text if text == "" else text.encode()

def double(n: int) -> int:
    return 2 * n

class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("shout", Shape.FUNCTION, Shout)]

    @hookimpl
    def importers(self):
        return [Importer("toy", (".toy.yaml",), "Toy workflows", load)]

plugin = Plugin()
"""
API = "[hardpoint.api]\n1.0 = toy_plugin\n"
ENTRY_POINTS = (
    "[hardpoint.plugins]\nshout = toy_plugin:plugin\n[hardpoint.importers]\n.toy.yaml = toy_plugin:plugin\n"
    + API
)

TEXT, NUMBER = {"type": "simple", "kind": "str"}, {"type": "simple", "kind": "int"}

Hardpoint: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


def document(**changes: Any) -> dict[str, Any]:
    """A workflow of two nodes, as an importer writes it."""
    shout = {
        "name": "shout",
        "type": "shout",
        "version": "1",
        "interface": {
            "inputs": [{"name": "text", "type": TEXT}, {"name": "times", "type": NUMBER, "default": 1}],
            "outputs": [{"name": "result", "type": TEXT}],
        },
    }
    first = {"id": "first", "task": "shout", "inputs": {"text": {"from": "input", "name": "word"}}}
    source = {"from": "node", "node": "first", "output": "result"}
    second = {
        "id": "second",
        "task": "shout",
        "inputs": {"text": source, "times": {"from": "given", "value": 2}},
    }
    body = {
        "name": "pipeline",
        "interface": {
            "inputs": [{"name": "word", "type": TEXT, "default": "hey"}],
            "outputs": [{"name": "result", "type": TEXT}],
        },
        "nodes": [first, second],
        "outputs": {"result": {"from": "node", "node": "second", "output": "result"}},
        "doc": "Shouts twice.",
    }
    made = {"format": 2, "main": "pipeline", "tasks": {"shout": shout}, "workflows": {"pipeline": body}}
    return made | changes


@pytest.fixture
def hardpoint(site: Site, tmp_path: Path) -> Hardpoint:
    environ = {**os.environ, "PYTHONPATH": str(site.path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def toy(site: Site, tmp_path: Path) -> Path:
    """Install the plugin and write a file for it; return the file."""
    site.write_metadata("hardpoint-toy", "2.1", ENTRY_POINTS)
    (site.path / "toy_plugin.py").write_text(PLUGIN)
    file = tmp_path / "pipeline.toy.yaml"
    file.write_text(json.dumps(document()))
    return file


@pytest.mark.parametrize("name", [[], ["pipeline"]])
@pytest.mark.parametrize(("given", "result"), [([], "HEYHEY"), (["--word", "ho"], "HOHO")])
def test_a_file_is_run_as_the_workflow_in_it(
    name: list[str], given: list[str], result: str, toy: Path, hardpoint: Hardpoint
) -> None:
    done = hardpoint("run", toy.name, *name, *given, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"result": result}


def test_its_run_is_shown_resumed_and_detached_like_any_other(toy: Path, hardpoint: Hardpoint) -> None:
    detached = hardpoint("run", "--detach", toy.name)
    assert detached.returncode == 0, detached.stderr
    resumed = hardpoint("executions", "resume", detached.stdout.strip())
    assert resumed.returncode == 0, resumed.stderr
    assert "HEYHEY" in resumed.stdout
    shown = json.loads(hardpoint("executions", "show", "last", "--json").stdout)
    assert (shown["workflow"], [each["node"] for each in shown["nodes"]]) == ("pipeline", ["first", "second"])


def test_plan_compile_graph_and_help_read_it_too(toy: Path, hardpoint: Hardpoint) -> None:
    plan = json.loads(hardpoint("plan", toy.name, "--json").stdout)
    assert [(each["node"], each["type"]) for each in plan["nodes"]] == [
        ("first", "shout"),
        ("second", "shout"),
    ]
    compiled = hardpoint("compile", toy.name, "pipeline", "-o", "-")
    assert from_json(compiled.stdout.encode()).digest == plan["digest"]
    assert "first" in hardpoint("graph", toy.name).stdout
    asked = hardpoint("run", toy.name, "--help")
    assert asked.returncode == 0, asked.stderr
    assert "Shouts twice." in asked.stdout
    assert "--word" in asked.stdout


def test_what_compile_writes_can_be_imported(toy: Path, hardpoint: Hardpoint) -> None:
    assert hardpoint("compile", toy.name, "-o", "again.toy.yaml").returncode == 0
    assert json.loads(hardpoint("run", "again.toy.yaml", "--json").stdout)["outputs"] == {"result": "HEYHEY"}


def python_task(**config: str) -> dict[str, Any]:
    interface = {"inputs": [{"name": "n", "type": NUMBER}], "outputs": [{"name": "result", "type": NUMBER}]}
    task = {"name": "double", "type": "python", "version": "1", "interface": interface, "config": config}
    node = {"id": "double", "task": "double", "inputs": {"n": {"from": "given", "value": 21}}}
    outputs = {"result": {"from": "node", "node": "double", "output": "result"}}
    face = {"outputs": [{"name": "result", "type": NUMBER}]}
    body = {"name": "pipeline", "interface": face, "nodes": [node], "outputs": outputs}
    return document(tasks={"double": task}, workflows={"pipeline": body})


def test_a_python_function_of_an_installed_package_works(toy: Path, hardpoint: Hardpoint) -> None:
    toy.write_text(json.dumps(python_task(module="toy_plugin", qualname="double")))
    done = hardpoint("run", toy.name, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outputs"] == {"result": 42}


def with_nodes(*nodes: dict[str, Any]) -> dict[str, Any]:
    made = document()
    made["workflows"]["pipeline"]["nodes"] = nodes
    return made


FIRST, SECOND = document()["workflows"]["pipeline"]["nodes"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("not toy at all", "`pipeline.toy.yaml` is no toy file"),
        (
            "crash",
            "Importer `toy` of plugin `hardpoint-toy` cannot read `pipeline.toy.yaml`: KeyError: 'nodes'",
        ),
        ("", "Importer `toy` of plugin `hardpoint-toy` returned a `str`, not bytes"),
        ("[]", "Not a compiled workflow"),
        (json.dumps(document(format=99)), "has format 99"),
        (json.dumps(document(main="nowhere")), "The main workflow `nowhere` is not there"),
        (json.dumps(with_nodes(SECOND)), "`first`"),
        (json.dumps(with_nodes(FIRST, SECOND | {"after": ["second"]})), "second"),
        (json.dumps(with_nodes(FIRST | {"id": "../../first"}, SECOND)), "first"),
        (
            json.dumps(python_task(file="flow.py", qualname="f")),
            "is a Python function in a file of a project",
        ),
    ],
)
def test_a_file_that_cannot_be_run_is_refused(text: str, told: str, toy: Path, hardpoint: Hardpoint) -> None:
    toy.write_text(text)
    done = hardpoint("run", toy.name)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (toy.parent / ".hardpoint").exists()


def test_an_id_that_is_no_part_of_a_path_is_refused(toy: Path, hardpoint: Hardpoint) -> None:
    output = {"result": {"from": "node", "node": "../x", "output": "result"}}
    made = with_nodes(FIRST | {"id": "../x"})
    made["workflows"]["pipeline"]["outputs"] = output
    toy.write_text(json.dumps(made))
    assert "`../x` of workflow `pipeline` is no id of a node" in hardpoint("run", toy.name).stderr


def test_a_task_type_that_is_not_installed_is_refused_as_ever(toy: Path, hardpoint: Hardpoint) -> None:
    made = document()
    made["tasks"]["shout"]["type"] = "whisper"
    toy.write_text(json.dumps(made))
    assert "No installed plugin runs task type `whisper`" in hardpoint("run", toy.name).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.toy.yaml"], "No file `missing.toy.yaml`"),
        (["pipeline.toy.yaml", "pipelin"], "has no workflow `pipelin`"),
        (["pipeline.toy.yaml", "--wrod", "x"], "--wrod"),
        (["pipeline.yaml"], "`pipeline.yaml` is not a Python file"),
    ],
)
def test_words_that_do_not_fit_are_refused(
    words: list[str], told: str, toy: Path, hardpoint: Hardpoint
) -> None:
    (toy.parent / "pipeline.yaml").touch()
    name = [] if len(words) > 1 or "toy" in words[0] else ["main"]
    done = hardpoint("run", *words, *name)
    assert done.returncode == 2
    assert told in done.stderr


def test_python_files_never_ask_a_plugin(toy: Path, site: Site, hardpoint: Hardpoint) -> None:
    flow = "from hardpoint.core import task, workflow\n@task\ndef one() -> int:\n    return 1\n"
    (toy.parent / "flow.py").write_text(flow + "@workflow\ndef main() -> int:\n    return one()\n")
    assert hardpoint("run", "flow.py", "main").returncode == 0
    assert not (site.path / "imported").exists()


def test_two_plugins_for_one_suffix_are_both_refused(toy: Path, site: Site, hardpoint: Hardpoint) -> None:
    site.write_metadata("other-toy", "1.0", "[hardpoint.importers]\n.toy.yaml = toy_plugin:plugin\n" + API)
    assert "The importer `.toy.yaml` is claimed by 2 installed plugins" in hardpoint("run", toy.name).stderr


def test_the_longest_suffix_wins(toy: Path, site: Site, hardpoint: Hardpoint) -> None:
    site.write_metadata("broken-yaml", "1.0", "[hardpoint.importers]\n.yaml = no_such_module:plugin\n" + API)
    assert hardpoint("run", toy.name).returncode == 0
    assert "`broken-yaml` 1.0 for `.yaml`" in hardpoint("run", "plain.yaml").stderr
