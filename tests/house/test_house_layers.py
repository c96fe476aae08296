"""Rooms look down only, plugins see plugin_api only; and the linter that says so can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    sources = [root / room for room in ROOMS] + [
        path.parent for path in root.glob("plugins/*/pyproject.toml")
    ]
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=root,
        # Before the editable installation on the path, so that a copy is what gets linted.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project's sources, to be broken on purpose."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignore = shutil.ignore_patterns("__pycache__", "tests", ".*")
    for folder in (*ROOMS, "plugins"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    return tmp_path


def test_no_layer_is_crossed() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("core/hardpoint/core/oops.py", "import hardpoint.executor", "Rooms look down only BROKEN"),
        ("core/hardpoint/core/oops.py", "import hardpoint.registry", "Rooms look down only BROKEN"),
        ("registry/hardpoint/registry/oops.py", "import hardpoint.core", "Rooms look down only BROKEN"),
        ("plugin_api/hardpoint/plugin_api/oops.py", "import hardpoint.core", "Rooms look down only BROKEN"),
        (
            "plugins/notebook/hardpoint_notebook/oops.py",
            "import hardpoint.executor",
            "Plugins see only plugin_api BROKEN",
        ),
    ],
)
def test_a_crossed_layer_would_be_found(copy: Path, module: str, statement: str, contract: str) -> None:
    (copy / module).write_text(statement + "\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert contract in done.stdout
