"""Code archives: the same bytes for the same files, unpacked once, never outside their folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from hardpoint.executor.archive.archive import Archive, build_archive, changed_files, save_archive, unpack
from hardpoint.executor.archive.manifest import MANIFEST_NAME, Manifest, archive_digest
from hardpoint.executor.archive.unpack import ArchiveError, archive_path, read_manifest
from hardpoint.plugin_api import UserError


def write(root: Path, **files: str) -> Path:
    """Files by path with `__` for `/` and without the ending."""
    for name, text in files.items():
        path = root / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_equal_files_give_equal_archives_wherever_and_whenever_they_lie(tmp_path: Path) -> None:
    archives = []
    for place, age_s in (("here", 0), ("there/deeper", 86_400)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        write(folder, flow="import helper\n", helper="X = 1\n")
        os.utime(folder / "flow.py", (age_s, age_s))
        archives.append(build_archive([folder / "flow.py"], folder))
    first, second = archives
    assert first.digest == second.digest
    assert first.blob == second.blob


def test_digest_changes_with_content_and_with_import_roots_but_not_with_packages(root: Path) -> None:
    write(root, flow="import helper\n", helper="X = 1\n")
    archive = build_archive([root / "flow.py"], root)
    write(root, helper="X = 2\n")
    assert build_archive([root / "flow.py"], root).digest != archive.digest
    files = archive.manifest.files
    assert archive_digest(("", "src"), files) != archive_digest(("",), files) == archive.digest


def test_unpacked_files_are_those_that_were_archived(root: Path, home: Path) -> None:
    write(root, flow="from pkg import part\n", pkg__part="Y = 'ü'\n")
    (root / "pkg/__init__.py").touch()
    (root / "query.sql").write_bytes(b"select \xff")
    archive = build_archive([root / "flow.py"], root, [Path("query.sql")])
    save_archive(archive, home)
    folder = unpack(archive.digest, home)
    assert folder == home / "code" / archive.digest
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}
    project = {"flow.py", "pkg/__init__.py", "pkg/part.py", "query.sql"}
    assert found == {MANIFEST_NAME, "hardpoint.toml", *project}
    assert (folder / "query.sql").read_bytes() == b"select \xff"
    assert read_manifest(folder) == archive.manifest
    assert unpack(archive.digest, home) == folder


def test_saving_twice_keeps_the_first(root: Path, home: Path) -> None:
    write(root, flow="")
    archive = build_archive([root / "flow.py"], root)
    path = save_archive(archive, home)
    before = path.stat().st_mtime_ns
    assert save_archive(archive, home) == path
    assert path.stat().st_mtime_ns == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_many_processes_unpack_at_once(root: Path, home: Path) -> None:
    write(root, flow="import helper\n", **{f"p{i}": "" for i in range(30)}, helper="X = 1\n" * 500)
    archive = build_archive([root / "flow.py"], root, [Path(".")])
    save_archive(archive, home)
    program = (
        "import sys; from pathlib import Path; from hardpoint.executor.archive.unpack import unpack\n"
        "sys.stdin.readline(); print(unpack(sys.argv[1], Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", program, archive.digest, str(home)]
    many = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for each in many:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    outputs = {each.communicate()[0].strip() for each in many}
    assert outputs == {str(home / "code" / archive.digest)}
    assert sorted(each.name for each in (home / "code").iterdir()) == sorted(
        [archive.digest, f"{archive.digest}.zip"]
    )
    assert changed_files(archive.digest, home, root) == []


def test_changed_and_lost_files_are_told(root: Path, home: Path) -> None:
    write(root, flow="import a, b, c\n", a="1\n", b="1\n", c="1\n")
    archive = build_archive([root / "flow.py"], root)
    save_archive(archive, home)
    write(root, b="2\n")
    (root / "a.py").unlink()
    assert changed_files(archive.digest, home, root) == ["a.py", "b.py"]


def forged(home: Path, names: dict[str, bytes], manifest: Manifest) -> str:
    """An archive somebody else made; its digest is right."""
    digest = archive_digest(manifest.import_roots, manifest.files)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for name, data in names.items():
            out.writestr(name, data)
        out.writestr(MANIFEST_NAME, msgspec.json.encode(manifest))
    archive_path(digest, home).parent.mkdir(parents=True, exist_ok=True)
    archive_path(digest, home).write_bytes(buffer.getvalue())
    return digest


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("name", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\..\\evil.py", "a//b.py"])
def test_an_archive_cannot_write_outside_of_its_folder(home: Path, name: str) -> None:
    digest = forged(home, {name: b""}, Manifest(import_roots=("",), files={name: EMPTY}))
    with pytest.raises(ArchiveError) as caught:
        unpack(digest, home)
    assert caught.value.message == (
        f"Code archive `{archive_path(digest, home)}` is damaged: `{name}` would leave its folder"
    )
    assert not list(home.rglob("evil*"))


def test_a_changed_archive_is_refused(root: Path, home: Path) -> None:
    manifest = Manifest(import_roots=("",), files={"a.py": EMPTY})
    digest = forged(home, {"a.py": b"evil()"}, manifest)
    with pytest.raises(ArchiveError, match=r"is damaged: `a\.py` has another digest"):
        unpack(digest, home)
    other = msgspec.structs.replace(manifest, import_roots=("", "x"))
    archive_path("0" * 64, home).write_bytes(
        archive_path(forged(home, {"a.py": b""}, other), home).read_bytes()
    )
    with pytest.raises(ArchiveError, match="is damaged: its manifest has another digest"):
        unpack("0" * 64, home)
    archive_path("1" * 64, home).write_bytes(b"no zip")
    with pytest.raises(ArchiveError, match="is damaged: File is not a zip file"):
        unpack("1" * 64, home)


def test_a_missing_archive_says_what_to_do(home: Path) -> None:
    with pytest.raises(ArchiveError) as caught:
        unpack("2" * 64, home)
    assert str(caught.value) == (
        f"There is no code archive `{home}/code/{'2' * 64}.zip`\n\n"
        "hint: Submit the workflow again from the project, so that its code is archived anew"
    )


def test_a_newer_format_is_refused(home: Path) -> None:
    digest = forged(home, {}, Manifest(import_roots=(), files={}, format=2))
    with pytest.raises(ArchiveError) as caught:
        unpack(digest, home)
    assert caught.value.message == (
        f"Code archive `{archive_path(digest, home)}` has format 2; this hardpoint reads up to 1"
    )


def test_extra_files_must_be_in_the_project(root: Path, tmp_path: Path) -> None:
    write(root, flow="")
    with pytest.raises(UserError) as caught:
        build_archive([root / "flow.py"], root, [Path("nowhere.sql")])
    assert caught.value.message == f"There is no file `nowhere.sql` in the project `{root}`"
    (tmp_path / "outside.sql").touch()
    with pytest.raises(UserError) as caught:
        build_archive([root / "flow.py"], root, [tmp_path / "outside.sql"])
    assert caught.value.message == f"File `{tmp_path}/outside.sql` lies outside of the project `{root}`"


def test_packages_are_recorded_with_the_version_that_is_installed(root: Path) -> None:
    write(root, flow="import json, msgspec, no_such_thing\nfrom sklearn import svm\nimport hardpoint.core\n")
    packages = build_archive([root / "flow.py"], root).manifest.packages
    assert [each.partition("==")[0] for each in packages] == ["msgspec", "scikit-learn"]
    assert f"msgspec=={msgspec.__version__}" in packages


def test_code_outside_of_the_project_is_not_archived(root: Path) -> None:
    archive = build_archive([Path(msgspec.__file__)], root)
    assert archive == Archive(archive_digest(("",), {}), archive.manifest, {})
