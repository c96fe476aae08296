"""Blobs in a local folder: `<root>/ab/abcdef…`, written under another name and then renamed."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

from hardpoint.core.store_errors import disk_errors

CHUNK_BYTES = 1 << 20
_READ_ONLY = 0o444


class Blob(msgspec.Struct, frozen=True):
    """Where a blob lies, what it hashes to, how long it is."""

    uri: str
    digest: str
    size_bytes: int


def digest_of(data: bytes) -> str:
    """`sha256:` and 64 hex digits.

    >>> digest_of(b"")[:14]
    'sha256:e3b0c44'
    """
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def blob_path(digest: str) -> str:
    """Where a blob lies below the root of its store.

    >>> blob_path("sha256:abcd")
    'ab/abcd'
    """
    name = digest.removeprefix("sha256:")
    return f"{name[:2]}/{name}"


class Disk:
    """Blobs below a local folder, which is made when the first one is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put_bytes(self, data: bytes) -> Blob:
        """Write, unless it is there."""
        digest = digest_of(data)
        target = self.root / blob_path(digest)
        if not _is_whole(target, len(data)):
            self._write([data])
        return Blob(str(target), digest, len(data))

    def put_file(self, source: Path) -> Blob:
        """Copy; the digest is of the bytes copied, whatever happens to the file meanwhile."""
        with source.open("rb") as stream:
            return self._write(iter(lambda: stream.read(CHUNK_BYTES), b""))

    def _write(self, chunks: Iterable[bytes]) -> Blob:
        with disk_errors("write to the store", self.root):
            partial = self.root / "tmp"
            partial.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=partial)
            try:
                return self._fill(descriptor, Path(temporary), chunks)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def _fill(self, descriptor: int, temporary: Path, chunks: Iterable[bytes]) -> Blob:
        digest, size_bytes = hashlib.sha256(), 0
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
                stream.write(chunk)
        target = self.root / blob_path(digest.hexdigest())
        # Tasks receive links to blobs: writing through one would change every other user's value.
        temporary.chmod(_READ_ONLY)
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
        return Blob(str(target), f"sha256:{digest.hexdigest()}", size_bytes)


def with_suffix_of(name: str, blob: Blob) -> str:
    """A path of the blob that ends like the file's own name, so that a browser or an editor knows its kind.

    Args:
        name: What the file was called, such as `report.html`.
        blob: In a local store.

    Returns:
        A link beside the blob; the blob's own path if the name has no plain ending.
    """
    suffix = PurePosixPath(name).suffix
    if not (suffix.isascii() and suffix[1:].isalnum()):
        return blob.uri
    link = Path(blob.uri + suffix)
    try:
        link.hardlink_to(blob.uri)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        return blob.uri
    return str(link)


def _is_whole(path: Path, size_bytes: int) -> bool:
    # A power cut can leave a renamed file without its content.
    try:
        return path.stat().st_size == size_bytes
    except OSError:
        return False


def chunks_of(path: Path) -> Iterator[bytes]:
    """The content of a blob, piece by piece."""
    with disk_errors("read", path), path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
