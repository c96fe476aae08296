"""Files of the author's become modules without touching anybody else's."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardpoint.core.compile_errors import DefinitionError
from hardpoint.core.loading import LoadError, find_workflow, load_module, module_name, workflows_in

FLOW = """
from hardpoint.core import task, workflow

@task
def load() -> int:
    return 1

@workflow
def flow() -> int:
    return load()

@workflow
def other() -> int:
    return load()
"""


@pytest.fixture(autouse=True)
def _import_state() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


class TestLoading:
    def test_once_under_a_name_of_its_own(self, tmp_path: Path) -> None:
        file = write(tmp_path / "random.py", FLOW)
        module = load_module(file)
        assert load_module(tmp_path / "x" / ".." / "random.py") is module
        assert module.__name__ == module_name(file)
        assert sys.modules["random"] is not module
        assert module.flow() == 1

    def test_the_name_is_the_same_wherever_the_project_lies(self, tmp_path: Path) -> None:
        names = []
        for folder in ("a", "b/c"):
            write(tmp_path / folder / "pyproject.toml", "")
            names.append(module_name(write(tmp_path / folder / "flows" / "my flow.py", FLOW)))
        assert names[0] == names[1]
        assert names[0].startswith("hardpoint_user_my_flow_")

    def test_neighbours_and_the_root_can_be_imported_also_later(self, tmp_path: Path) -> None:
        write(tmp_path / "pyproject.toml", "")
        write(tmp_path / "at_root.py", "VALUE = 1")
        write(tmp_path / "src" / "in_src" / "__init__.py", "VALUE = 2")
        write(tmp_path / "flows" / "beside.py", "VALUE = 3")
        write(tmp_path / "flows" / "late.py", "VALUE = 4")
        text = "import at_root, beside, in_src\ndef late():\n    import late\n    return late.VALUE\n"
        module = load_module(write(tmp_path / "flows" / "flow.py", text))
        assert (module.at_root.VALUE, module.in_src.VALUE, module.beside.VALUE) == (1, 2, 3)
        assert module.late() == 4

    def test_projects_do_not_see_each_others_modules(self, tmp_path: Path) -> None:
        modules = []
        for folder in ("one", "two"):
            write(tmp_path / folder / "pyproject.toml", "")
            write(tmp_path / folder / "shared_name.py", f"VALUE = {folder!r}")
            modules.append(load_module(write(tmp_path / folder / "flow.py", "import shared_name")))
        first, second = modules
        assert (first.shared_name.VALUE, second.shared_name.VALUE) == ("one", "two")
        assert sys.modules["shared_name"] is first.shared_name
        assert first.__name__ != second.__name__

    def test_a_folder_of_one_project_is_no_module_of_another(self, tmp_path: Path) -> None:
        write(tmp_path / "one" / "pyproject.toml", "")
        write(tmp_path / "one" / "parts" / "value.py", "VALUE = 1")  # no `__init__.py`
        load_module(write(tmp_path / "one" / "flow.py", "from parts import value"))
        write(tmp_path / "two" / "pyproject.toml", "")
        write(tmp_path / "two" / "parts.py", "VALUE = 2")
        module = load_module(write(tmp_path / "two" / "flow.py", "from parts import VALUE"))
        assert module.VALUE == 2

    def test_installed_modules_are_not_hidden_after_loading(self, tmp_path: Path) -> None:
        write(tmp_path / "colorsys.py", "raise AssertionError")
        load_module(write(tmp_path / "flow.py", "import json"))
        import colorsys

        assert not Path(str(colorsys.__file__)).is_relative_to(tmp_path)

    def test_a_module_that_failed_can_be_loaded_again(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flow.py", "1 / 0")
        with pytest.raises(LoadError):
            load_module(file)
        write(file, FLOW)
        assert load_module(file).flow() == 1

    def test_errors_of_hardpoint_are_passed_on(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flow.py", "from hardpoint.core import task\n@task\ndef f(x): ...\n")
        with pytest.raises(DefinitionError, match="has no type"):
            load_module(file)

    def test_an_error_of_a_definition_that_knows_no_line_gets_it(self, tmp_path: Path) -> None:
        text = "from hardpoint.plugin_api.query_task import Destination\n\nDestination.given('t', 'merge')\n"
        file = write(tmp_path / "flow.py", text)
        with pytest.raises(LoadError) as caught:
            load_module(file)
        assert str(caught.value) == (
            f"`write` is `merge`\n  --> {file}:3\n\nhint: One of `create`, `append`, `replace`"
        )


IF_MAIN = '`if __name__ == "__main__":`'
BROKEN = {
    "syntax": (
        "x = 1\ndef f(:\n",
        "`flow.py` has a syntax error: invalid syntax",
        2,
        "Correct that line",
    ),
    "missing module": (
        "x = 1\nimport surely_missing.sub\n",
        "`flow.py` imports `surely_missing`, which is not installed",
        2,
        "Run `pip install surely_missing`, or put `surely_missing.py` beside the file "
        "or into the project's root",
    ),
    "missing name": (
        "from json import nothing\n",
        "`flow.py` cannot be imported: cannot import name 'nothing' from 'json' ({json})",
        1,
        "Correct the import; two files that import each other can cause this too",
    ),
    "exit": (
        "import sys\n\nsys.exit(3)\n",
        "`flow.py` ends the program while it is imported (exit code 3)",
        3,
        f"Put what only a script does below {IF_MAIN}",
    ),
    "exception": (
        "def f():\n    return {}['a']\n\nf()\n",
        "`flow.py` fails while it is imported: KeyError: 'a'",
        2,
        f"Correct that line, or put what only a script does below {IF_MAIN}",
    ),
}


def test_a_file_that_is_no_module_hides_no_module_of_its_name(tmp_path: Path) -> None:
    first = write(tmp_path / "first" / "flow.py", FLOW)
    write(tmp_path / "first" / "settings.py", "value = 1")
    (tmp_path / "first" / "pyproject.toml").touch()
    load_module(write(first.with_name("uses.py"), "import settings"))
    known = sys.modules["settings"]
    second = write(tmp_path / "second" / "flow.py", FLOW)
    write(second.with_name("settings.toml"), "")
    write(second.with_name("notes.py"), "import sys\nseen = sys.modules.get('settings')")
    (tmp_path / "second" / "pyproject.toml").touch()
    assert load_module(second.with_name("notes.py")).seen is known


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_cannot_be_imported(tmp_path: Path, case: str) -> None:
    import json

    source, text, line, hint = BROKEN[case]
    file = write(tmp_path / "flow.py", source)
    with pytest.raises(LoadError) as caught:
        load_module(file)
    text = text.replace("{json}", str(json.__file__))
    assert str(caught.value) == f"{text}\n  --> {file}:{line}\n\nhint: {hint}"


class TestPaths:
    def test_missing_file(self, tmp_path: Path) -> None:
        write(tmp_path / "pipeline.py", FLOW)
        with pytest.raises(LoadError) as caught:
            load_module(tmp_path / "pipelin.py")
        assert str(caught.value) == (
            f"No file `{tmp_path / 'pipelin.py'}`\n\nhint: Did you mean `{tmp_path / 'pipeline.py'}`?"
        )

    def test_folder_and_other_files(self, tmp_path: Path) -> None:
        with pytest.raises(LoadError) as caught:
            load_module(tmp_path)
        assert str(caught.value) == f"`{tmp_path}` is a folder\n\nhint: Give the path of a Python file in it"
        file = write(tmp_path / "flow.yaml", "")
        with pytest.raises(LoadError) as caught:
            load_module(file)
        assert str(caught.value) == (
            f"`{file}` is not a Python file\n\nhint: Give the path of a file that ends in `.py`"
        )


class TestFinding:
    def test_by_name(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flow.py", FLOW)
        assert find_workflow(file, "other").name == "other"
        assert list(workflows_in(load_module(file))) == ["flow", "other"]

    def test_the_only_one(self, tmp_path: Path) -> None:
        write(tmp_path / "lib.py", FLOW)
        text = "from lib import flow\nfrom hardpoint.core import workflow\n"
        text += "@workflow\ndef main() -> int:\n    return flow()\n"
        assert find_workflow(write(tmp_path / "main.py", text)).name == "main"

    def test_refusals(self, tmp_path: Path) -> None:
        file = write(tmp_path / "flow.py", FLOW + "\nNUMBER = 3\n")
        empty = write(tmp_path / "empty.py", "")
        cases = [
            (file, "flwo", f"`{file}` has no workflow `flwo`\n\nhint: Did you mean `flow`?"),
            (file, "zzz", f"`{file}` has no workflow `zzz`\n\nhint: It has `flow`, `other`"),
            (
                file,
                "load",
                f"`load` of `{file}` is a task\n\n"
                "hint: Only workflows are run: call it in a function decorated with `@workflow`",
            ),
            (file, "NUMBER", f"`NUMBER` of `{file}` is no workflow\n\nhint: Decorate it with `@workflow`"),
            (file, "", f"`{file}` has 2 workflows: `flow`, `other`\n\nhint: Say which one you mean"),
            (empty, "", f"`{empty}` has no workflow\n\nhint: Decorate a function with `@workflow`"),
        ]
        for path, name, text in cases:
            with pytest.raises(LoadError) as caught:
                find_workflow(path, name)
            assert str(caught.value) == text


class TestOtherProjects:
    def test_tasks_of_another_project_are_found_as_modules(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tasks = "from hardpoint.core import task\n@task(version='7')\ndef far(x: int) -> int:\n    return x\n"
        write(tmp_path / "library" / "pyproject.toml", "")
        write(tmp_path / "library" / "far_library.py", tasks)
        write(tmp_path / "project" / "pyproject.toml", "")
        monkeypatch.syspath_prepend(str(tmp_path / "library"))
        text = (
            "from far_library import far\nfrom hardpoint.core import task, workflow\n"
            "@task(version='3')\ndef near(x: int) -> int:\n    return x\n"
            "@workflow\ndef flow(x: int) -> int:\n    return near(far(x))\n"
        )
        tasks_of = find_workflow(write(tmp_path / "project" / "flow.py", text), "flow").compile().tasks
        assert {key: (spec.config, spec.version) for key, spec in tasks_of.items()} == {
            "far_library.py:far": ({"module": "far_library", "qualname": "far"}, "7"),
            "flow.py:near": ({"file": "flow.py", "qualname": "near"}, "3"),
        }
