"""What `hardpoint plugins new` writes is a plugin at once: clean, typed, tested, runnable and certified."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

from hardpoint.plugin_api.testing.jobservice import JobService

KINDS = ("job", "array", "function")
INPUTS = {"job": ["--text", "hi"], "array": ["--texts", '["a", "b"]'], "function": ["--name", "you"]}
OUTPUTS = {"job": "hi", "array": ["a", "b"], "function": "Hello, you!"}
CASES_MIN = {"job": 100, "array": 100, "function": 8}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was generated and installed into a virtual environment of its own.

    Args:
        folder: Its source.
        python: Of the environment, which sees ours.
    """

    kind: str
    folder: Path
    python: Path

    def run(self, *words: str, **variables: str) -> str:
        """What a module of the environment prints; fails unless it succeeds."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run(
            [self.python, "-m", *words],
            cwd=self.folder,
            env={**kept, "HARDPOINT_HOME": str(self.folder.parent / "home"), **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def hardpoint(self, *words: str, **variables: str) -> str:
        """The same for hardpoint's command line."""
        return self.run("hardpoint.executor.cli", *words, **variables)


@pytest.fixture(scope="module", params=KINDS)
def plugin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Plugin:
    """Generate and install one of each kind, without the network."""
    kind: str = request.param
    root = tmp_path_factory.mktemp(kind)
    plugin = Plugin(kind, root / "hardpoint-acme", make_environment(root / "venv"))
    (root / "hardpoint-acme").mkdir()
    plugin.hardpoint("plugins", "new", "acme", "--kind", kind, "--folder", ".")
    plugin.run("pip", "install", "--quiet", "-e", ".", PIP_NO_INDEX="1", PIP_NO_BUILD_ISOLATION="0")
    return plugin


def make_environment(folder: Path) -> Path:
    """A virtual environment that sees this one's packages; its Python."""
    venv.create(folder, symlinks=True)
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    ours = sysconfig.get_path("purelib")
    (Path(site) / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return folder / "bin" / "python"


def test_its_code_is_clean_and_typed(plugin: Plugin) -> None:
    plugin.run("ruff", "check", "--no-cache", ".")
    plugin.run("ruff", "format", "--check", "--no-cache", ".")
    # One cache for all kinds: most of the time goes into hardpoint and msgspec, which are the same.
    cache = plugin.folder.parent.parent / "mypy-of-generated-plugins"
    assert "Success" in plugin.run("mypy", "--cache-dir", str(cache))


def test_its_own_tests_pass(plugin: Plugin) -> None:
    # The class `TestAcme` is the kit, which the next test runs.
    assert " passed" in plugin.run("pytest", "-q", "-p", "no:cacheprovider", "tests", "-k", "not TestAcme")


def test_its_check_passes_and_is_remembered(plugin: Plugin, tmp_path: Path) -> None:
    cache = {"XDG_CACHE_HOME": str(tmp_path)}
    found = json.loads(plugin.hardpoint("plugins", "check", "acme", "--json", **cache))
    assert (found["plugin"], found["failed"]) == ("acme", 0)
    assert found["passed"] >= CASES_MIN[plugin.kind]
    rows = json.loads(plugin.hardpoint("plugins", "list", "--json", **cache))
    [row] = [row for row in rows if row["name"] == "acme"]
    assert row["distribution"] == "hardpoint-acme"
    assert row["verdict"]["held"], row


def test_its_manifest_says_what_it_declares(plugin: Plugin) -> None:
    plugin.hardpoint("plugins", "manifest", "acme", "--check")


def test_its_example_runs(plugin: Plugin) -> None:
    with JobService() as service:
        said = plugin.hardpoint(
            "run", "examples/flow.py", "main", *INPUTS[plugin.kind], "--json", ACME_URL=service.url
        )
        jobs = service.stats().total.created
    ended = json.loads(said.splitlines()[-1])
    assert ended["outputs"] == {"result": OUTPUTS[plugin.kind]}, said
    assert jobs == {"job": 1, "array": 2, "function": 0}[plugin.kind]
