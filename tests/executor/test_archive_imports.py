"""Which project files an archive holds: those that are imported, found as Python would find them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hardpoint.executor.archive.archive import build_archive
from hardpoint.executor.archive.manifest import Manifest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def archived(root: Path, files: dict[str, str], *entries: str) -> Manifest:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return build_archive([root / entry for entry in entries or ("flow.py",)], root).manifest


def names(root: Path, files: dict[str, str], *entries: str) -> set[str]:
    return set(archived(root, files, *entries).files)


def test_only_what_is_imported_is_taken(root: Path) -> None:
    files = {
        "flow.py": "import a\nimport pkg.b as other\nfrom pkg import c, CONSTANT\n",
        "a.py": "def f():\n    import late\n",
        "late.py": "",
        "pkg/__init__.py": "",
        "pkg/b.py": "",
        "pkg/c.py": "",
        "pkg/unused.py": "",
        "unrelated.py": "raise SystemExit",
        "more/unrelated.py": "",
    }
    taken = {"flow.py", "a.py", "late.py", "pkg/__init__.py", "pkg/b.py", "pkg/c.py"}
    assert names(root, files) == taken


def test_relative_imports_and_the_packages_above(root: Path) -> None:
    files = {
        "flow.py": "import top.mid.leaf\n",
        "top/__init__.py": "from . import side\n",
        "top/side.py": "",
        "top/mid/__init__.py": "",
        "top/mid/leaf.py": "from ..other import x\nfrom .near import y\nfrom . import sister\n",
        "top/mid/near.py": "",
        "top/mid/sister.py": "",
        "top/other.py": "",
        "top/not_this.py": "",
    }
    assert names(root, files) == files.keys() - {"top/not_this.py"}


def test_imports_in_a_circle_end(root: Path) -> None:
    assert names(root, {"flow.py": "import a", "a.py": "import b", "b.py": "import a, flow"}) == {
        "flow.py",
        "a.py",
        "b.py",
    }


def test_folders_without_init_are_packages_too(root: Path) -> None:
    files = {"flow.py": "from lib.deep import tool\n", "lib/deep/tool.py": "", "lib/deep/other.py": ""}
    assert names(root, files) == {"flow.py", "lib/deep/tool.py"}


def test_a_name_written_out_for_import_module_counts(root: Path) -> None:
    files = {"flow.py": "import importlib\nimportlib.import_module('models.a')\n", "models/a.py": ""}
    assert names(root, files) == {"flow.py", "models/a.py"}


def test_import_roots_are_the_entry_folder_the_root_and_the_path_entries_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("src", "unused", ".venv/lib/site-packages"):
        (root / folder).mkdir(parents=True)
        monkeypatch.syspath_prepend(str(root / folder))
    files = {
        "flows/flow.py": "import near, lib.x, installed_thing\n",
        "flows/near.py": "",
        "src/lib/x.py": "",
        ".venv/lib/site-packages/installed_thing.py": "",
    }
    manifest = archived(root, files, "flows/flow.py")
    assert manifest.import_roots == ("flows", "src", "")
    assert set(manifest.files) == {"flows/flow.py", "flows/near.py", "src/lib/x.py"}


def test_a_file_of_a_package_is_imported_from_above_it(root: Path) -> None:
    files = {
        "src/app/__init__.py": "",
        "src/app/flow.py": "from app.types import T\n",
        "src/app/types.py": "",
    }
    manifest = archived(root, files, "src/app/flow.py")
    assert manifest.import_roots == ("src", "")
    assert set(manifest.files) == files.keys()


def test_environments_and_hidden_folders_are_left_out(root: Path) -> None:
    (root / "env").mkdir()
    (root / "env/pyvenv.cfg").touch()
    files = {"flow.py": "import env.x, node_modules.y\n", "env/x.py": "", "node_modules/y.py": ""}
    assert names(root, files) == {"flow.py"}


def test_installed_modules_are_not_looked_for_in_the_project(root: Path) -> None:
    files = {"flow.py": "import msgspec, json.decoder, hardpoint.core, hardpoint_mine\n"}
    own = {"msgspec/__init__.py": "", "json/decoder.py": "", "hardpoint_mine.py": ""}
    assert names(root, files | own) == {"flow.py"}


def test_a_module_found_through_a_passing_path_entry_is_taken_with_its_root(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "odd/pkg").mkdir(parents=True)
    (root / "odd/pkg/passing_module.py").write_text("")
    with monkeypatch.context() as passing:
        passing.syspath_prepend(str(root / "odd"))
        import pkg.passing_module  # type: ignore[import-not-found]  # noqa: F401
    try:
        manifest = archived(root, {"flow.py": "import pkg.passing_module\n"})
    finally:
        del sys.modules["pkg.passing_module"], sys.modules["pkg"]
    assert manifest.import_roots == ("", "odd")
    assert set(manifest.files) == {"flow.py", "odd/pkg/passing_module.py"}


def test_a_file_that_is_no_python_is_taken_as_it_is(root: Path) -> None:
    assert names(root, {"flow.py": "import broken\n", "broken.py": "def ("}) == {"flow.py", "broken.py"}
