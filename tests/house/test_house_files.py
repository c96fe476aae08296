"""Where files lie, how long they are, and words that do not belong into them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("plugin_api", "core", "registry", "executor", "contrib")
FOLDERS = (*ROOMS, "plugins", "tests", "tools", "docs", "examples", "benchmarks", "changelog.d", ".ci")
TEXT = {".py", ".md", ".toml", ".txt", ".ipynb", ".yml", ".yaml", ".cfg", ".html", ".sql", ""}
LONGEST_FILE = 400
# A table of cases reads well far beyond that: what matters is that code has one subject.
LONGEST_TEST_FILE = 700

# Written in halves, so that this file does not hold what it forbids.
FORBIDDEN = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?<![\w/.<>*-])/home/" + r"(?!me/)[a-z]\w*/",
        r"(?<![\w/.<>*-])/Users/" + r"[A-Za-z]\w*/",
        r"(?<![\w/.<>*-])/ro" + r"ot\b",
        r"(?<![\w/.<>*-])/work" + r"/\w",
        r"\bTO" + r"DO\b",
        r"\bFIX" + r"ME\b",
        r"\bX" + r"XX\b",
        r"pytest\.mark\.skip\(?" + r"\s*\)?$",
        r"pytest\.skip\(" + r"\)",
        r"\bassert True" + r"\b",
    )
)


def files(*suffixes: str) -> Iterator[Path]:
    """Source and text files of the project, without what tools generate."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT / folder).parts
            if any(part.startswith((".", "__pycache__")) or part.endswith(".egg-info") for part in inside):
                continue
            if path.is_file() and path.suffix in (suffixes or TEXT):
                yield path
    yield from (
        path for path in sorted(ROOT.iterdir()) if path.is_file() and path.suffix in (suffixes or TEXT)
    )


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def namespace_problems(root: Path) -> list[str]:
    """What would hide a room from the others, or its types from users."""
    problems = []
    for room in ROOMS:
        outer = root / room
        stray = [
            path.name for path in outer.iterdir() if path.name != "hardpoint" and path.name[0] not in "._"
        ]
        problems += [f"{room}/{name}: nothing but `hardpoint` belongs here" for name in stray]
        if (outer / "hardpoint" / "__init__.py").exists():
            problems.append(f"{room}/hardpoint/__init__.py: it hides every other room")
        inner = [path.name for path in (outer / "hardpoint").iterdir() if path.name[0] not in "._"]
        if inner != [room]:
            problems.append(f"{room}/hardpoint: holds {inner}, not just `{room}`")
        for name in ("__init__.py", "py.typed"):
            if not (outer / "hardpoint" / room / name).exists():
                problems.append(f"{room}/hardpoint/{room}/{name}: missing")
    return problems


def test_rooms_are_portions_of_one_namespace() -> None:
    assert namespace_problems(ROOT) == []


def test_a_broken_namespace_would_be_found(tmp_path: Path) -> None:
    for room in ROOMS:
        inner = tmp_path / room / "hardpoint" / room
        inner.mkdir(parents=True)
        (inner / "__init__.py").touch()
        (inner / "py.typed").touch()
    assert namespace_problems(tmp_path) == []
    (tmp_path / "core" / "hardpoint" / "__init__.py").touch()
    (tmp_path / "executor" / "hardpoint" / "executor" / "py.typed").unlink()
    (tmp_path / "registry" / "notes.md").touch()
    assert namespace_problems(tmp_path) == [
        "core/hardpoint/__init__.py: it hides every other room",
        "registry/notes.md: nothing but `hardpoint` belongs here",
        "executor/hardpoint/executor/py.typed: missing",
    ]


def test_no_file_is_longer_than_one_subject() -> None:
    long = {
        shown(path): lines
        for path in files(".py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines()))
        > (LONGEST_TEST_FILE if "tests" in path.relative_to(ROOT).parts else LONGEST_FILE)
    }
    assert long == {}


def test_no_file_is_called_after_nothing() -> None:
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base.py"}
    assert [shown(path) for path in files(".py") if path.name in vague] == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.name for path in files(".py") if path.name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
    assert [
        shown(p) for p in files(".py") if p.name == "__init__.py" and "tests" in p.relative_to(ROOT).parts
    ] == []


def forbidden(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if any(each.search(line) for each in FORBIDDEN)]


def test_no_file_names_a_machine_or_leaves_work_behind() -> None:
    found = {shown(path): lines for path in files() if (lines := forbidden(path.read_text(encoding="utf-8")))}
    assert found == {}


def test_a_forbidden_word_would_be_found() -> None:
    bad = ["path = '/ho" + "me/ann/x'", "# TO" + "DO later", "cd /ro" + "ot"]
    assert forbidden("\n".join([*bad, "https://host/home/ann/x and framework/work/y", "todo_list"])) == bad


def test_every_plugin_is_known_to_the_tools() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    plugins = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
    assert plugins
    for name in plugins:
        package = f"hardpoint_{name}"
        assert (ROOT / "plugins" / name / package / "py.typed").exists()
        assert f"plugins/{name}" in settings["mypy"]["mypy_path"]
        assert f"plugins/{name}" in settings["ruff"]["src"]
        assert package in settings["importlinter"]["root_packages"]
        forbidding = next(c for c in settings["importlinter"]["contracts"] if c["type"] == "forbidden")
        assert package in forbidding["source_modules"]


def test_every_plugin_states_its_api_and_is_offered_when_it_is_missing() -> None:
    from hardpoint.plugin_api import API_VERSION
    from hardpoint.registry.api_range import ApiRange
    from hardpoint.registry.explain import KNOWN_DISTRIBUTIONS

    known: dict[str, str] = {}
    for path in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        groups = project["entry-points"]
        stated = ApiRange.parse(groups.get("hardpoint.api", {}))
        assert stated.admits(API_VERSION), f"{shown(path)} needs a `hardpoint.api` entry point"
        known |= dict.fromkeys(groups.get("hardpoint.plugins", {}), project["name"])
    assert known == KNOWN_DISTRIBUTIONS
