"""Blobs behind an fsspec URL. Imported only where a URL is used: fsspec is slow to load."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import fsspec

from hardpoint.core.store_disk import Blob, blob_path, chunks_of, digest_of
from hardpoint.core.store_errors import StoreError, remote_errors

_HIERARCHICAL = {"sftp", "ssh", "smb", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "dbfs"}
"""Where a reader could see half a file; object stores show a file when it is complete."""


class Remote:
    """Blobs below a URL such as `s3://bucket/blobs`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def put_bytes(self, data: bytes) -> Blob:
        """Write, unless it is there."""
        blob = Blob("", digest_of(data), len(data))
        return self._put(blob, lambda files, path: files.pipe_file(path, data))

    def put_file(self, source: Path) -> Blob:
        """Copy a local file.

        Raises:
            StoreError: The file changed meanwhile.
        """
        before = source.stat()
        digest, size_bytes = _hashed(source)
        blob = Blob("", digest, size_bytes)
        kept = self._put(blob, lambda files, path: files.put_file(str(source), path))
        after = source.stat()
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            self._drop(kept)
            raise StoreError(
                f"`{source}` changed while it was copied to `{self.url}`",
                hint="Pass it on when nothing writes to it any more",
            )
        return kept

    def _put(self, blob: Blob, write: Any) -> Blob:
        uri = f"{self.url}/{blob_path(blob.digest)}"
        with remote_errors("write", uri):
            files, path = fsspec.core.url_to_fs(uri)
            if not _is_whole(files, path, blob.size_bytes):
                files.makedirs(files._parent(path), exist_ok=True)
                self._write_whole(files, path, write)
        return Blob(uri, blob.digest, blob.size_bytes)

    def _write_whole(self, files: Any, path: str, write: Any) -> None:
        protocols = {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
        if protocols.isdisjoint(_HIERARCHICAL):
            write(files, path)
            return
        temporary = f"{path}.{uuid.uuid4().hex}"
        write(files, temporary)
        files.mv(temporary, path)

    def _drop(self, blob: Blob) -> None:
        with remote_errors("delete", blob.uri):
            files, path = fsspec.core.url_to_fs(blob.uri)
            files.rm_file(path)


def _hashed(path: Path) -> tuple[str, int]:
    import hashlib

    digest, size_bytes = hashlib.sha256(), 0
    for chunk in chunks_of(path):
        digest.update(chunk)
        size_bytes += len(chunk)
    return f"sha256:{digest.hexdigest()}", size_bytes


def _is_whole(files: Any, path: str, size_bytes: int) -> bool:
    try:
        return bool(files.info(path)["size"] == size_bytes)
    except FileNotFoundError:
        return False


def read_remote(url: str) -> bytes:
    """The content of a remote file."""
    with remote_errors("read", url):
        files, path = fsspec.core.url_to_fs(url)
        return bytes(files.cat_file(path))


def download(url: str, target: Path) -> None:
    """Copy a remote file to a local path."""
    with remote_errors("read", url):
        files, path = fsspec.core.url_to_fs(url)
        files.get_file(path, os.fspath(target))
