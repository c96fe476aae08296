"""The wheel that hatchling builds holds every module of every room, and its type marker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")


def build(project: Path, into: Path) -> zipfile.ZipFile:
    """Build without the network: the backend is among the development dependencies."""
    source = into / "source"
    ignore = shutil.ignore_patterns(
        "__pycache__", ".*", "dist", "build", "plugins", "tests", "docs", "benchmarks"
    )
    shutil.copytree(project, source, ignore=ignore)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(into), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = into.glob("*.whl")
    return zipfile.ZipFile(wheel)


def modules(root: Path) -> set[str]:
    found = [*root.rglob("*.py"), *root.rglob("py.typed")]
    return {path.relative_to(root).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return build(ROOT, tmp_path_factory.mktemp("host"))


def test_every_module_of_every_room_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    expected = set[str]().union(*(modules(ROOT / room) for room in ROOMS))
    packed = {name for name in wheel.namelist() if not name.split("/")[0].endswith(".dist-info")}
    assert {name for name in packed if name.endswith((".py", "py.typed"))} == expected
    assert {f"hardpoint/{room}/py.typed" for room in ROOMS} <= packed
    assert "hardpoint/__init__.py" not in packed
    assert {name.split("/")[0] for name in packed} == {"hardpoint"}


def test_every_template_of_a_plugin_is_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    templates = (ROOT / "executor" / "hardpoint").rglob("*.template")
    expected = {path.relative_to(ROOT / "executor").as_posix() for path in templates}
    assert {name for name in wheel.namelist() if name.endswith(".template")} == expected
    assert len(expected) > 30


def test_the_metadata_names_licence_command_and_python(wheel: zipfile.ZipFile) -> None:
    folder = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert (metadata["Name"], metadata["License-Expression"], metadata["Requires-Python"]) == (
        "hardpoint",
        "Apache-2.0",
        ">=3.11",
    )
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    assert "hardpoint = hardpoint.executor.cli:main" in wheel.read(f"{folder}/entry_points.txt").decode()


def test_every_plugin_builds_with_its_modules_and_entry_points(tmp_path: Path) -> None:
    for project in sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")):
        package = f"hardpoint_{project.name}"
        packed = build(project, tmp_path / project.name)
        names = {name for name in packed.namelist() if name.startswith(f"{package}/")}
        expected = {f"{package}/{name}" for name in modules(project / package)}
        assert {name for name in names if name.endswith((".py", "py.typed"))} == expected
        folder = next(name.split("/")[0] for name in packed.namelist() if ".dist-info/" in name)
        assert f"{package}:plugin" in packed.read(f"{folder}/entry_points.txt").decode()
