"""Whatever is typed wrong or lies broken on disk: one clear message, the right code, and nothing lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

FLOW = """
from dataclasses import dataclass

from hardpoint.core import File, task, workflow


@dataclass
class Size:
    width: int
    height: int = 1


@task
def add(numbers: list[int], size: Size) -> int:
    return sum(numbers) + size.width


@workflow
def main(numbers: list[int], size: Size, count: int = 3) -> int:
    return add(numbers=numbers, size=size)


@workflow
def read(file: File) -> File:
    return file
"""

WRONG = """
from pathlib import Path

from hardpoint.core import task, workflow
from hardpoint.plugin_api import TaskDefinition

print("this is printed while the file is imported")


@task
def one(x: int) -> int:
    return x


@workflow
def cyclic(x: int) -> int:
    a = one(x=x)
    b = one(x=a)
    b >> a
    return b


@workflow
def several(x: str) -> int:
    a = one(x=x)
    one(y=a)
    return a


query = TaskDefinition(
    name="query", task_type="notebok", file=Path(__file__), inputs={}, outputs={"result": int}, version="1"
)


@workflow
def foreign() -> int:
    return query()
"""

FILES = {
    "flow.py": FLOW,
    "wrong.py": WRONG,
    "syntax.py": "def broken(:\n",
    "imports.py": "import nopackage\n",
    "raises.py": "x = 1 / 0\n",
    "leaves.py": "raise SystemExit(3)\n",
    "empty.py": "",
    "notes.txt": "no code\n",
    "folder/hardpoint.db": "this is no database\n" * 20,
}

REFUSALS = {
    "run": "No file was given\n\nhint: `hardpoint run FILE WORKFLOW`, such as `flow.py main`",
    "run flw.py main": "No file `flw.py`\n\nhint: Did you mean `flow.py`?",
    "run notes.txt main": (
        "`notes.txt` is not a Python file\n\nhint: Give the path of a file that ends in `.py`"
    ),
    "run syntax.py main": (
        "`syntax.py` has a syntax error: invalid syntax\n  --> {folder}/syntax.py:1\n\n"
        "hint: Correct that line"
    ),
    "run imports.py main": (
        "`imports.py` imports `nopackage`, which is not installed\n  --> {folder}/imports.py:1\n\n"
        "hint: Run `pip install nopackage`, or put `nopackage.py` beside the file or into the project's root"
    ),
    "run raises.py main": (
        "`raises.py` fails while it is imported: ZeroDivisionError: division by zero\n"
        "  --> {folder}/raises.py:1\n\n"
        'hint: Correct that line, or put what only a script does below `if __name__ == "__main__":`'
    ),
    "run leaves.py main": (
        "`leaves.py` ends the program while it is imported (exit code 3)\n  --> {folder}/leaves.py:1\n\n"
        'hint: Put what only a script does below `if __name__ == "__main__":`'
    ),
    "run flow.py": (
        "No workflow was named; `flow.py` has `main`, `read`\n\nhint: `hardpoint run flow.py main`"
    ),
    "graph empty.py": (
        "No workflow was named, and `empty.py` has none\n\nhint: Decorate a function in it with `@workflow`"
    ),
    "run flow.py mian": "`flow.py` has no workflow `mian`\n\nhint: Did you mean `main`?",
    "compile flow.py add": (
        "`add` of `flow.py` is a task\n\n"
        "hint: Only workflows are run: call it in a function decorated with `@workflow`"
    ),
    "run flow.py main --nmubers [1]": "No input or option `--nmubers`\n\nhint: Did you mean `--numbers`?",
    "run --jsno flow.py main": "`hardpoint run` has no option `--jsno`\n\nhint: Did you mean `--json`?",
    "run flow.py main --numbers [1]": (
        'Input `size` has no value and no default\n\nhint: Add `--size` with JSON, such as `{{"width": 42}}`'
    ),
    "run flow.py main --numbers [1,2 --size {{}} --count x": (
        "1. Input `numbers`: Expected JSON for `list[int]`, got `[1,2`: Input data was truncated\n\n"
        "hint: Write JSON, such as `[42]`\n\n"
        "2. Input `size`: Field `width` of `Size` is missing\n\n"
        'hint: Write JSON, such as `{{"width": 42}}`\n\n'
        "3. Input `count`: Expected `int`, got `x`\n\n"
        "hint: Write a whole number, such as `42`"
    ),
    "run flow.py read --file nothing.csv": (
        "Input `file`: No file `nothing.csv`\n\nhint: Give the path of a file that exists"
    ),
    "compile flow.py main -o nowhere/out.json": (
        "Cannot write `nowhere/out.json`: No such file or directory\n\nhint: Choose another path with `-o`"
    ),
    "executions show nope": (
        "No run `nope` in this store; the latest: none\n\n"
        "hint: `hardpoint executions list` shows all; `HARDPOINT_HOME` chooses the store"
    ),
    "executions list --phase queud": "No run can be in phase `queud`\n\nhint: Did you mean `QUEUED`?",
    "executions list --home folder": (
        "The store `{folder}/folder/hardpoint.db` cannot be used: file is not a database\n\n"
        "hint: Restore the file from a backup, or choose another store with HARDPOINT_HOME"
    ),
    "executions list --home notes.txt": (
        "The store `{folder}/notes.txt` is not a folder\n\nhint: Set HARDPOINT_HOME to a folder"
    ),
    "plugins show nothing-like-it": (
        "No installed plugin runs task type `nothing-like-it`\n\n"
        "hint: Install the distribution that provides it; `hardpoint plugins list` shows what is installed"
    ),
}
"""Command line → what stderr says; nothing on stdout, and code 2."""

PRINTED = "this is printed while the file is imported\n"

JSON_REFUSALS = {
    "compile wrong.py several --json": [
        {
            "code": "TypeMismatchError",
            "message": "Input `x` of node `one` in workflow `several` wants `int`, but input `x` is `str`",
            "hint": "Change one of the two annotations, or convert the value in a task between them",
            "workflow": "several",
            "node": "one",
            "file": "{folder}/wrong.py",
            "line": 25,
        },
        {
            "code": "UnknownInputError",
            "message": "Node `one_2` in workflow `several` is given `y`, which task `one` does not take",
            "hint": "Its inputs are `x`",
            "workflow": "several",
            "node": "one_2",
            "file": "{folder}/wrong.py",
            "line": 26,
        },
        {
            "code": "UnboundInputError",
            "message": "Input `x` of node `one_2` in workflow `several` has no value",
            "hint": "Write `one(x=...)` with a `int`, or give it a default",
            "workflow": "several",
            "node": "one_2",
            "file": "{folder}/wrong.py",
            "line": 26,
        },
    ],
    "run wrong.py cyclic --x 1 --json": [
        {
            "code": "CycleError",
            "message": "Nodes of workflow `cyclic` wait for each other: one -> one_2 -> one",
            "hint": "Remove one `>>`, or one use of an earlier result",
            "workflow": "cyclic",
            "node": "one",
            "file": "{folder}/wrong.py",
            "line": 17,
        }
    ],
    "run --json wrong.py foreign": [
        {
            "code": "NoPluginError",
            "message": "No installed plugin runs task type `notebok`",
            "hint": "Did you mean `notebook`?",
        }
    ],
    "run --json": [
        {
            "code": "NothingNamedError",
            "message": "No file was given",
            "hint": "`hardpoint run FILE WORKFLOW`, such as `flow.py main`",
        }
    ],
}


@dataclass(frozen=True)
class Place:
    """A folder with files, and what the command line says in it."""

    folder: Path
    cache: Path

    def hardpoint(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        environ = {
            **os.environ,
            "HARDPOINT_HOME": str(self.folder / "home"),
            "PYTHONPYCACHEPREFIX": str(self.cache),
        }
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        return subprocess.run(
            [sys.executable, "-m", "hardpoint.executor.cli", *line.split()],
            cwd=self.folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def told(self, text: str) -> str:
        """An expected text with this folder's place in it."""
        return text.format(folder=self.folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return Place(folder, tmp_path_factory.mktemp("bytecode"))


@pytest.fixture(scope="module")
def answers(place: Place) -> dict[str, subprocess.CompletedProcess[str]]:
    """Every refusal, run two at a time."""
    lines = [*REFUSALS, *JSON_REFUSALS]
    with ThreadPoolExecutor(2) as threads:
        return dict(
            zip(lines, threads.map(lambda line: place.hardpoint(place.told(line)), lines), strict=True)
        )


@pytest.mark.parametrize("line", REFUSALS)
def test_bad_input_is_refused(
    line: str, place: Place, answers: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    done = answers[line]
    assert done.stderr == place.told(REFUSALS[line]) + "\n"
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.parametrize("line", JSON_REFUSALS)
def test_programs_get_the_errors_as_a_list(
    line: str, place: Place, answers: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    done = answers[line]
    printed, told = (PRINTED, done.stderr.removeprefix(PRINTED)) if "wrong.py" in line else ("", done.stderr)
    assert done.stderr.startswith(printed)
    expected = json.loads(json.dumps(JSON_REFUSALS[line]).replace("{folder}", str(place.folder)))
    assert json.loads(told) == expected
    assert (done.stdout, done.returncode) == ("", 2)


def test_refusals_journal_no_run(place: Place, answers: dict[str, subprocess.CompletedProcess[str]]) -> None:
    done = place.hardpoint("executions list --json")
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)
