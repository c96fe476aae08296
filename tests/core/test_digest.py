"""The digest of a compiled workflow is the same on every machine, and changes with the source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FLOW = """
from __future__ import annotations
import random
import helpers
from helpers import COLUMNS, Config, scale
from hardpoint.core import Cache, Retry, Secret, task, workflow

FACTOR = {"b": 2, "a": 1}
CHOICES = {"x", "y", "z"}

@task(retry=Retry(3), cache=Cache(ignore=("n",)), secrets=[Secret("b"), Secret("a")])
def load(n: int, names: dict[str, int] = {"z": 1, "a": 2}) -> list[float]:
    '''Load it.'''
    return [scale(x) * FACTOR["a"] for x in range(n) if x not in CHOICES]

@task
def train(xs: list[float], config: Config) -> float:
    return helpers.mean(xs) + len(COLUMNS)

@workflow
def flow(n: int = 3) -> float:
    xs = load(n, {"y": 1, "b": 2})
    return train(xs, Config(rate=0.1))
"""

HELPERS = """
import pathlib
from dataclasses import dataclass

COLUMNS = ("a", "b")
HERE = pathlib.Path(__file__).parent
LIMIT = 3

@dataclass
class Config:
    rate: float

def scale(x):
    return x * LIMIT if HERE else x

def mean(xs):
    return sum(xs) / len(xs)
"""

PRINT = """
import sys
from pathlib import Path
from hardpoint.core.loading import find_workflow
compiled = find_workflow(Path(sys.argv[1]), "flow").compile()
print(compiled.digest, *sorted(f"{key}={spec.version}" for key, spec in compiled.tasks.items()))
"""


def project(folder: Path, flow: str = FLOW, helpers: str = HELPERS) -> Path:
    (folder / "flows").mkdir(parents=True)
    (folder / "pyproject.toml").write_text("")
    (folder / "flows" / "flow.py").write_text(flow)
    (folder / "flows" / "helpers.py").write_text(helpers)
    return folder


def digest(project: Path, cwd: Path, seed: str = "0") -> str:
    return subprocess.run(
        [sys.executable, "-c", PRINT, str(project / "flows" / "flow.py")],
        cwd=cwd,
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = project(tmp_path_factory.mktemp("base") / "p")
    return folder, digest(folder, folder)


def test_every_place_and_run_gives_the_same(base: tuple[Path, str], tmp_path: Path) -> None:
    folder, expected = base
    copied = tmp_path / "elsewhere" / "deep"
    shutil.copytree(folder, copied, ignore=shutil.ignore_patterns("__pycache__"))
    assert digest(copied, Path("/"), seed="1") == expected
    assert digest(folder, tmp_path, seed="77") == expected


def test_it_stays_the_same_from_release_to_release(base: tuple[Path, str]) -> None:
    # Cached outputs and stored runs are found by these.
    assert base[1].split()[0] == "726af8c2959148c0ddd8e38402d6235c7ba310268805a5f75c4bffb4af5ab985"


NEUTRAL = {
    "lines moved": (FLOW.replace("@task\n", "\n\n# about train\n\n@task\n"), HELPERS),
    "windows newlines": (FLOW.replace("\n", "\r\n"), HELPERS.replace("\n", "\r\n")),
    "order of keys": (FLOW.replace('{"y": 1, "b": 2}', '{"b": 2, "y": 1}'), HELPERS),
    "order of constants": (FLOW.replace('{"b": 2, "a": 1}', '{"a": 1, "b": 2}'), HELPERS),
    "a helper nobody uses": (FLOW, HELPERS + "\ndef unused():\n    return 1\n"),
    "other imports": (FLOW.replace("import random", "import json"), HELPERS),
}


@pytest.mark.parametrize("change", NEUTRAL)
def test_what_does_not_matter(base: tuple[Path, str], tmp_path: Path, change: str) -> None:
    flow, helpers = NEUTRAL[change]
    assert flow != FLOW or helpers != HELPERS
    folder = tmp_path / "p"
    project(folder, flow, helpers)
    for name, text in (("flow.py", flow), ("helpers.py", helpers)):
        (folder / "flows" / name).write_bytes(text.encode())
    assert digest(folder, folder) == base[1]


CHANGED = {
    "the body of a task": (FLOW.replace("+ len(COLUMNS)", "- len(COLUMNS)"), HELPERS),
    "a comment in a task": (FLOW.replace("    return helpers", "    # why\n    return helpers"), HELPERS),
    "a constant": (FLOW.replace('"a": 1}', '"a": 3}'), HELPERS),
    "a constant of a helper": (FLOW, HELPERS.replace("LIMIT = 3", "LIMIT = 4")),
    "an imported constant": (FLOW, HELPERS.replace('("a", "b")', '("a", "c")')),
    "a helper": (FLOW, HELPERS.replace("return x * LIMIT", "return x + LIMIT")),
    "a helper reached through its module": (FLOW, HELPERS.replace("/ len(xs)", "/ (len(xs) + 1)")),
    "a class": (FLOW, HELPERS.replace("rate: float", "rate: float\n    steps: int = 3")),
    "an option": (FLOW.replace("Retry(3)", "Retry(4)"), HELPERS),
    "a binding": (FLOW.replace("load(n,", "load(4,"), HELPERS),
    "the name of a node": (FLOW.replace('"b": 2})', '"b": 2}).with_overrides(name="xs")'), HELPERS),
}


@pytest.mark.parametrize("change", CHANGED)
def test_what_matters(base: tuple[Path, str], tmp_path: Path, change: str) -> None:
    flow, helpers = CHANGED[change]
    assert flow != FLOW or helpers != HELPERS
    folder = project(tmp_path / "p", flow, helpers)
    assert digest(folder, folder) != base[1]


def test_no_path_of_the_machine_is_in_it(base: tuple[Path, str]) -> None:
    code = PRINT.replace(
        "print(", "import msgspec\nprint(msgspec.structs.replace(compiled, positions={}).to_json(), "
    )
    folder, _ = base
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder / "flows" / "flow.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(folder) not in run.stdout
    assert "flows/flow.py:load" in run.stdout


def test_a_script_that_compiles_its_own_workflow_gets_the_same(
    base: tuple[Path, str], tmp_path: Path
) -> None:
    tail = (
        "\nif __name__ == '__main__':\n"
        "    compiled = flow.compile()\n"
        "    print(compiled.digest, *sorted(f'{k}={s.version}' for k, s in compiled.tasks.items()))\n"
    )
    folder = project(tmp_path / "p", FLOW + tail)
    run = subprocess.run(
        [sys.executable, str(folder / "flows" / "flow.py")], capture_output=True, text=True, check=True
    )
    assert run.stdout == base[1]


def test_compiling_imports_no_heavy_library(base: tuple[Path, str]) -> None:
    heavy = ["numpy", "pandas", "pyarrow", "polars", "fsspec", "sqlalchemy", "pydantic", "rich", "typer"]
    code = PRINT + f"print([name for name in {heavy} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code, str(base[0] / "flows" / "flow.py")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.endswith("[]\n")
