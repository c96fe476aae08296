"""`hardpoint plugins new`: what it writes for each name and kind, and what it refuses."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.cli.entry import run_command_line
from hardpoint.executor.scaffold.rendering import LONGEST_NAME, Kind, Names, is_usable, render, usable

KINDS = [kind.value for kind in Kind]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of every test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*words: str) -> int:
    return run_command_line(["plugins", "new", *words])


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_says_what_it_wrote_and_what_is_next(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new("acme") == 0
    said = capsys.readouterr().out
    assert said.startswith("Wrote hardpoint-acme to hardpoint-acme:\n")
    written = files_below(empty_folder / "hardpoint-acme")
    assert {line.strip() for line in said.splitlines()} >= written
    assert said.endswith(
        'Next:\n  cd hardpoint-acme\n  pip install -e ".[testing]"\n  hardpoint plugins check acme\n'
        "\nREADME.md says what to change.\n"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_distribution_is_laid_out_like_our_own(kind: str, empty_folder: Path) -> None:
    assert new("acme_batch", "--kind", kind, "--folder", "here") == 0
    written = files_below(empty_folder / "here")
    modules = ("__init__", "config", "conformance", "handler", "plugin", "task")
    assert written >= {f"hardpoint_acme_batch/{name}.py" for name in modules}
    assert written >= {
        ".github/workflows/ci.yml",
        "README.md",
        "examples/flow.py",
        "hardpoint_acme_batch/hardpoint-manifest.json",
        "hardpoint_acme_batch/py.typed",
        "pyproject.toml",
        "tests/test_conformance.py",
    }
    project = tomllib.loads((empty_folder / "here" / "pyproject.toml").read_text())["project"]
    assert project["name"] == "hardpoint-acme-batch"
    assert project["dependencies"][0] == "hardpoint>=0.1,<0.2"
    assert project["entry-points"] == {
        "hardpoint.plugins": {"acme_batch": "hardpoint_acme_batch:plugin"},
        "hardpoint.api": {"1.0": "hardpoint_acme_batch"},
        "hardpoint.conformance": {"acme_batch": "hardpoint_acme_batch.conformance:AcmeBatchKit"},
    }
    steps = yaml.safe_load((empty_folder / "here/.github/workflows/ci.yml").read_text())["jobs"]["test"][
        "steps"
    ]
    assert [step["run"] for step in steps if "run" in step] == [
        'python -m pip install -e ".[testing]"',
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "pytest",
        "hardpoint plugins manifest acme_batch --check",
        "hardpoint plugins check acme_batch",
    ]
    assert steps[1]["with"]["python-version"] == "${{ matrix.python }}"


def test_json_tells_the_same(capsys: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    assert new("acme", "--kind", "function", "--folder", "a b", "--json") == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert set(told.pop("files")) == files_below(empty_folder / "a b")
    assert told == {
        "name": "acme",
        "kind": "function",
        "distribution": "hardpoint-acme",
        "package": "hardpoint_acme",
        "folder": "a b",
        "next": ["cd 'a b'", 'pip install -e ".[testing]"', "hardpoint plugins check acme"],
    }


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["Acme"], "`Acme` cannot be the name of a task type", "Did you mean `acme`?"),
        (["acme-batch"], "`acme-batch` cannot be the name", "Did you mean `acme_batch`?"),
        (["hardpoint-acme"], "`hardpoint-acme` cannot be the name", "Did you mean `acme`?"),
        (["2fast"], "it takes at most 20 lower-case letters and digits", "Did you mean `fast`?"),
        (["a" * 21], "cannot be the name of a task type", f"Did you mean `{'a' * 20}`?"),
        (["…"], "`…` cannot be the name of a task type", "Such as `hardpoint plugins new acme`"),
        (["python"], "The task type `python` is built in already", "such as `my_python`"),
        (["notebook"], "The task type `notebook` is that of `hardpoint-notebook`", "such as `my_notebook`"),
        (["jobservice_push"], "of the installed distribution `hardpoint-jobservice`", "such as `my_jobs"),
        (["acme", "--kind", "jbo"], "There is no kind `jbo` of plugin", "Did you mean `job`?"),
        (["acme", "--kind", "push"], "There is no kind `push`", "The kinds are `job`, `array`, `function`"),
    ],
)
def test_what_cannot_be_is_refused_with_what_could(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    assert new(*words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert hint in said
    assert list(empty_folder.iterdir()) == []


def test_nothing_is_overwritten(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_folder / "full").mkdir()
    (empty_folder / "full" / "notes.txt").write_text("mine")
    (empty_folder / "file").write_text("mine")
    for name, what in (("full", "is not empty"), ("file", "is a file")):
        assert new("acme", "--folder", name) == 2
        assert f"`{name}` {what}, and nothing is overwritten" in capsys.readouterr().err
    assert files_below(empty_folder) == {"file", "full/notes.txt"}
    assert (empty_folder / "full" / "notes.txt").read_text() == "mine"


def test_an_empty_folder_is_used(empty_folder: Path) -> None:
    (empty_folder / "hardpoint-acme").mkdir()
    assert new("acme") == 0
    assert (empty_folder / "hardpoint-acme" / "pyproject.toml").is_file()


names = st.from_regex(r"\A[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,4}){0,2}\Z")


@given(names, st.sampled_from(Kind))
def test_every_usable_name_makes_files_that_parse(name: str, kind: Kind) -> None:
    assert is_usable(name)
    for path, text in render(Names(name), kind).items():
        match Path(path).suffix:
            case ".py":
                ast.parse(text)
            case ".toml":
                tomllib.loads(text)
            case ".json":
                json.loads(text)


def test_no_length_of_a_name_makes_code_that_ruff_would_change(empty_folder: Path) -> None:
    for kind in Kind:
        for length in range(1, LONGEST_NAME + 1):
            folder = empty_folder / kind.value / str(length)
            for path, text in render(Names("z" * length), kind).items():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text(text)
    for words in (["check"], ["format", "--check"]):
        command = [str(Path(sys.executable).with_name("ruff")), *words, "--no-cache", "--quiet", "."]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout


@given(st.text(max_size=40))
def test_what_is_suggested_can_be_used(name: str) -> None:
    suggestion = usable(name)
    assert not suggestion or is_usable(suggestion)


@given(names)
def test_a_usable_name_is_its_own_suggestion(name: str) -> None:
    assert usable(name) == name
