"""The project files a workflow needs, archived by digest so that every later process runs the same code.

files = collect the files that define its tasks, and those they import (archive_imports)
archive = build_archive(files, root, extra);  save_archive(archive, home)
folder = unpack(archive.digest, home)                                (archive_unpack, in a worker)
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hardpoint.executor.archive.imports import ImportWalk, is_project_file
from hardpoint.executor.archive.manifest import MANIFEST_NAME, Manifest, archive_digest
from hardpoint.executor.archive.packages import packages_of
from hardpoint.executor.archive.unpack import ArchiveError, archive_path, changed_files, unpack
from hardpoint.plugin_api import UserError

__all__ = [
    "Archive",
    "ArchiveError",
    "build_archive",
    "changed_files",
    "save_archive",
    "unpack",
]

# What zip can say at least; a real time would make equal files unequal archives.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16


class Archive(msgspec.Struct, frozen=True, dict=True):
    """Project files, by content.

    Args:
        digest: 64 hex digits over files and import roots; the same on every machine.
        manifest: Table of contents.
        contents: Bytes by relative POSIX path.
    """

    digest: str
    manifest: Manifest
    contents: dict[str, bytes]

    @functools.cached_property
    def blob(self) -> bytes:
        """As a zip file."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as out:
            for name, data in sorted(self.contents.items()):
                _add(out, name, data)
            _add(out, MANIFEST_NAME, msgspec.json.encode(self.manifest, order="deterministic"))
        return buffer.getvalue()


def build_archive(files: Iterable[Path], root: Path, extra: Iterable[Path] = ()) -> Archive:
    """Archive the files that define tasks, and the project files that they import.

    Imports are read from the source, without running it, wherever in a file they stand. What is not
    imported is not taken, so a root with many unrelated files is no burden.

    Args:
        files: Files that define tasks; those outside the root are installed code and left out.
        root: The project's root.
        extra: Further files and folders that tasks need when they run.

    Raises:
        UserError: An extra file is missing, or lies outside the root.
    """
    root = Path(os.path.realpath(root))
    defining = [Path(os.path.realpath(file)) for file in files]
    extras = [path for each in extra for path in _extra_files(each, root)]
    walk = ImportWalk(root, [file for file in defining if is_project_file(file, root)])
    walk.add(file for file in extras if file.suffix == ".py")
    contents = {file.relative_to(root).as_posix(): file.read_bytes() for file in (*walk.files, *extras)}
    digests = {name: hashlib.sha256(contents[name]).hexdigest() for name in sorted(contents)}
    manifest = Manifest(
        import_roots=walk.import_roots,
        files=digests,
        packages=packages_of(walk.foreign),
        python=".".join(map(str, sys.version_info[:3])),
    )
    return Archive(archive_digest(walk.import_roots, digests), manifest, contents)


def save_archive(archive: Archive, home: Path) -> Path:
    """Keep an archive under its digest; what is there already stays."""
    path = archive_path(archive.digest, home)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(prefix=f".{archive.digest[:12]}-", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(archive.blob)
        file.flush()
        # The journal will name this digest; after a loss of power it must find the content.
        os.fsync(file.fileno())
    Path(partial).replace(path)
    return path


def _extra_files(given: Path, root: Path) -> list[Path]:
    path = Path(os.path.realpath(root / given))
    if not path.is_relative_to(root):
        raise UserError(
            f"File `{given}` lies outside of the project `{root}`",
            hint="Move it into the project, or pass it to the task as a `File` input",
        )
    if path.name == MANIFEST_NAME or not path.exists():
        raise UserError(
            f"There is no file `{path.relative_to(root).as_posix()}` in the project `{root}`",
            hint="Correct the path, which is relative to the project's root",
        )
    if path.is_dir():
        return sorted(each for each in path.rglob("*") if each.is_file() and is_project_file(each, root))
    return [path]


def _add(out: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.create_system = 3
    entry.external_attr = _MODE
    out.writestr(entry, data, zipfile.ZIP_DEFLATED, 6)
