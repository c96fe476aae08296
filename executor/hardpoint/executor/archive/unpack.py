"""Unpacks a code archive, once per machine; a worker does this before its first call."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from hardpoint.executor.archive.manifest import ARCHIVE_FORMAT, MANIFEST_NAME, Manifest, archive_digest
from hardpoint.plugin_api import PermanentSystemError

if TYPE_CHECKING:
    from zipfile import ZipFile


class ArchiveError(PermanentSystemError):
    """A code archive is missing, damaged, or not what its digest says."""


def archive_path(digest: str, home: Path) -> Path:
    """Where the archive of that digest is kept."""
    return home / "code" / f"{digest}.zip"


def unpack(digest: str, home: Path) -> Path:
    """Return the folder with the archive's files; unpack them if nobody has.

    Any number of processes may do this at once: each unpacks into a folder of its own, and one
    renames it into place.

    Args:
        digest: Of the archive, as `save_archive` kept it.
        home: The executor's folder.

    Raises:
        ArchiveError: There is no such archive, or it is not what its digest says.
    """
    folder = home / "code" / digest
    # The manifest is written last and the folder renamed as a whole: what has it is complete.
    if (folder / MANIFEST_NAME).exists():
        return folder
    contents, manifest = _checked(digest, home)
    import shutil
    import tempfile

    partial = Path(tempfile.mkdtemp(prefix=f".{digest[:12]}-", dir=folder.parent))
    try:
        for name, data in contents.items():
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        # Without a root of its own, files below would seem to belong to the project that the store lies in.
        (partial / "hardpoint.toml").touch()
        (partial / MANIFEST_NAME).write_bytes(manifest)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / MANIFEST_NAME).exists():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def read_manifest(folder: Path) -> Manifest:
    """What an unpacked archive says about itself."""
    return _decoded((folder / MANIFEST_NAME).read_bytes(), folder)


def changed_files(digest: str, home: Path, root: Path) -> list[str]:
    """Names of project files that are no longer as they were when the archive was made.

    Args:
        digest: Of the archive.
        home: The executor's folder.
        root: The project's root, now.

    Returns:
        Paths relative to the root, sorted; files that are gone are among them.
    """
    manifest = read_manifest(unpack(digest, home))
    return sorted(name for name, kept in manifest.files.items() if _digest_now(root / name) != kept)


def _digest_now(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _checked(digest: str, home: Path) -> tuple[dict[str, bytes], bytes]:
    from zipfile import BadZipFile, ZipFile

    path = archive_path(digest, home)
    try:
        with ZipFile(path) as archive:
            return _contents(archive, digest, path)
    except FileNotFoundError:
        raise ArchiveError(
            f"There is no code archive `{path}`",
            hint="Submit the workflow again from the project, so that its code is archived anew",
        ) from None
    except (BadZipFile, KeyError, OSError) as error:
        raise _damaged(path, str(error)) from error


def _contents(archive: ZipFile, digest: str, path: Path) -> tuple[dict[str, bytes], bytes]:
    raw = archive.read(MANIFEST_NAME)
    manifest = _decoded(raw, path)
    if archive_digest(manifest.import_roots, manifest.files) != digest:
        raise _damaged(path, "its manifest has another digest")
    contents: dict[str, bytes] = {}
    for name, kept in manifest.files.items():
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name or str(place) != name:
            raise _damaged(path, f"`{name}` would leave its folder")
        data = archive.read(name)
        if hashlib.sha256(data).hexdigest() != kept:
            raise _damaged(path, f"`{name}` has another digest")
        contents[name] = data
    return contents, raw


def _decoded(raw: bytes, path: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise _damaged(path, str(error)) from error
    if manifest.format > ARCHIVE_FORMAT:
        raise ArchiveError(
            f"Code archive `{path}` has format {manifest.format}; "
            f"this hardpoint reads up to {ARCHIVE_FORMAT}",
            hint="Run `pip install --upgrade hardpoint`",
        )
    return manifest


def _damaged(path: Path, why: str) -> ArchiveError:
    return ArchiveError(
        f"Code archive `{path}` is damaged: {why}",
        hint=f"Run `rm {path}`, then submit the workflow again",
    )
