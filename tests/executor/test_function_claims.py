"""What a function holds of a service's pools: told by its type, from the config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec
import pytest
from tests.registry.conftest import Site, site

from hardpoint.executor.engine.function_claims import claims_something, function_claims
from hardpoint.executor.engine.plugin_values import PluginOutputError
from hardpoint.plugin_api import Interface, ResourceClaim, Shape, TaskSpec, TaskType

__all__ = ["site"]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    database: str = "a"


def declared(claims_of: Callable[[Config], tuple[ResourceClaim, ...]] | None) -> TaskType:
    return TaskType("look", Shape.FUNCTION, object, config=Config, claims_of=claims_of)  # type: ignore[arg-type]


SPEC = TaskSpec("f.py:t", "look", "v1", Interface(), {"database": "b"})


def test_a_type_that_says_nothing_claims_nothing() -> None:
    assert not claims_something(declared(None))
    assert function_claims(declared(None), SPEC) == ()


def test_claims_follow_the_config() -> None:
    type = declared(lambda config: (ResourceClaim(f"look:{config.database}", 2),))
    assert claims_something(type)
    assert function_claims(type, SPEC) == (ResourceClaim("look:b", 2),)


def test_what_is_no_claim_is_refused() -> None:
    with pytest.raises(PluginOutputError):
        function_claims(declared(lambda config: ("look:b",)), SPEC)  # type: ignore[arg-type,return-value]


PLUGIN = """
import msgspec
from hardpoint.plugin_api import ResourceClaim, ResourcePool, Shape, TaskType, hookimpl

class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    database: str = "a"

class Handler:
    def run(self, context, inputs):
        return {"result": 1}

def claims_of(config):
    return (ResourceClaim("look:" + {"a": "db"}[config.database]),)

class Plugin:
    @hookimpl
    def task_types(self):
        return [TaskType("look", Shape.FUNCTION, Handler, config=Config, claims_of=claims_of)]

    @hookimpl
    def resource_pools(self):
        return [ResourcePool("look:db", 1)]

plugin = Plugin()
"""
ENTRY_POINTS = "[hardpoint.plugins]\nlook = look_plugin:plugin\n[hardpoint.api]\n1.0 = look_plugin\n"
FLOW = """
from pathlib import Path
from hardpoint.core import workflow
from hardpoint.plugin_api import TaskDefinition

def look(name, database):
    return TaskDefinition(name=name, task_type="look", file=Path(__file__), inputs={}, version="1",
                          outputs={"result": int}, config={"database": database})

good, bad = look("good", "a"), look("bad", "nosuch")

@workflow
def many() -> list[int]:
    return [good() for _ in range(3)]

@workflow
def broken() -> int:
    return bad()
"""
Run: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Run:
    site.write_metadata("hardpoint-look", "1.0", ENTRY_POINTS)
    (site.path / "look_plugin.py").write_text(PLUGIN)
    (tmp_path / "flow.py").write_text(FLOW)
    environ = {**os.environ, "PYTHONPATH": str(site.path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def hardpoint(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hardpoint.executor.cli", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    return hardpoint


def test_functions_give_back_what_they_held(run: Run) -> None:
    done = run("run", "flow.py", "many", "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    shown = run("pools", "--json")
    [pool] = [each for each in json.loads(shown.stdout)["pools"] if each["pool"] == "look:db"]
    assert (pool["held"], pool["waiting"], pool["capacity"]) == (0, 0, 1)


def test_a_type_that_breaks_down_fails_its_task_and_nothing_else(run: Run) -> None:
    done = run("run", "flow.py", "broken", "--workers", "1")
    assert done.returncode == 1
    assert "A call to task type `look` raised `KeyError: 'nosuch'`" in done.stdout + done.stderr
    assert run("run", "flow.py", "many", "--workers", "1").returncode == 0
