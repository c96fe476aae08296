"""The store of values that travel by reference: content-addressed blobs in a folder or behind a URL."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from hardpoint.core.store_disk import Blob, Disk, blob_path, chunks_of, digest_of, with_suffix_of
from hardpoint.core.store_errors import StoreError, corrupt, disk_errors
from hardpoint.core.store_listing import ListedFile, list_folder, listing_bytes, read_listing
from hardpoint.core.types.surrogates import escape, unescape
from hardpoint.plugin_api import Reference, UserError

__all__ = ["BlobStore", "StoreError"]


class BlobStore:
    """Blobs by the digest of their content: what is put twice is kept once, and read only if unchanged.

    Args:
        root: A local folder, or an fsspec URL such as `s3://bucket/blobs`. A local store needs no fsspec.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = BlobStore(folder)
    ...     store.read_bytes(store.put_bytes(b"abc", format="bytes"))
    b'abc'
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = _local_root(os.fspath(root))
        self._blobs = self._open()
        self._fetched: dict[tuple[str, str, str], Path] = {}
        self._scratch: Path | None = None
        self._lock = threading.Lock()

    def _open(self) -> Any:
        if not _is_url(self.root):
            return Disk(Path(self.root))
        from hardpoint.core.store_remote import Remote

        return Remote(self.root)

    def __reduce__(self) -> tuple[type[BlobStore], tuple[str]]:
        return BlobStore, (self.root,)

    def __repr__(self) -> str:
        return f"BlobStore({self.root!r})"

    def put_bytes(self, data: bytes, *, format: str, name: str = "") -> Reference:
        """Keep `data`; return where it lies."""
        return _reference(self._blobs.put_bytes(data), format, name)

    def put_file(self, path: Path, *, format: str = "bytes", name: str = "") -> Reference:
        """Keep a copy of a local file; return where it lies.

        Raises:
            UserError: There is no such file.
        """
        if not path.is_file():
            raise UserError(f"No file `{path}`", hint="Give the path of a file that exists")
        return _reference(self._blobs.put_file(path), format, name)

    def put_directory(self, path: Path) -> Reference:
        """Keep a copy of a local folder with everything below it.

        Raises:
            UserError: There is no such folder, or a link in it leads out of it.
        """
        if not path.is_dir():
            raise UserError(f"No folder `{path}`", hint="Give the path of a folder that exists")
        listing = list_folder(path, self._blobs.put_file)
        blob = self._blobs.put_bytes(listing_bytes(listing))
        name = escape(path.resolve().name)
        return Reference(blob.uri, blob.digest, listing.size_bytes, "directory", name)

    def read_bytes(self, reference: Reference) -> bytes:
        """The content, checked against its digest.

        Raises:
            StoreError: It is missing, or is not what was written.
        """
        uri = self._uri_of(reference)
        if _is_url(uri):
            from hardpoint.core.store_remote import read_remote

            data = read_remote(uri)
        else:
            with disk_errors("read", uri):
                data = Path(uri).read_bytes()
        found = digest_of(data)
        if found != reference.digest:
            raise corrupt(uri, reference.digest, found)
        return data

    def fetch(self, reference: Reference) -> Path:
        """A local, read-only path of the file or folder, under its own name; fetched once per process.

        It stays as long as this store object does.

        Raises:
            StoreError: It is missing, or is not what was written.
        """
        key = (reference.digest, reference.name, reference.format)
        path = self._fetched.get(key)
        if path is None or not path.exists():
            is_folder = reference.format == "directory"
            path = self._fetch_folder(reference) if is_folder else self._fetch_file(reference)
            self._fetched[key] = path
        return path

    def _uri_of(self, reference: Reference) -> str:
        """Where it lies now: a store that was moved still holds its blobs by digest."""
        uri = reference.uri
        if not _is_url(uri) and not _is_url(self.root) and not Path(uri).exists():
            moved = Path(self.root) / blob_path(reference.digest)
            return str(moved) if moved.exists() else uri
        return uri

    def _fetch_file(self, reference: Reference) -> Path:
        name = _safe_name(reference)
        uri = self._uri_of(reference)
        source = Path(uri)
        if _is_url(uri):
            source = self._download(uri)
        _check(source, uri, reference.digest)
        if not name and not _is_url(uri):
            return source
        with disk_errors("write", tempfile.gettempdir()):
            target = self._new_folder() / (name or "file")
            _link(source, target)
        return target

    def _fetch_folder(self, reference: Reference) -> Path:
        uri = self._uri_of(reference)
        listing = read_listing(self.read_bytes(reference), uri)
        root = uri.rsplit("/", 2)[0]
        with disk_errors("write", tempfile.gettempdir()):
            target = self._new_folder() / (_safe_name(reference) or "folder")
            target.mkdir()
            for folder in listing.empty_folders:
                (target / unescape(folder)).mkdir(parents=True, exist_ok=True)
        for file in listing.files:
            self._place(f"{root}/{blob_path(file.digest)}", file, target)
        return target

    def _place(self, uri: str, file: ListedFile, folder: Path) -> None:
        source = self._download(uri) if _is_url(uri) else Path(uri)
        _check(source, uri, file.digest)
        target = folder / unescape(file.path)
        with disk_errors("write", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if file.executable:  # a link would make every other file of this content a program
                shutil.copyfile(source, target)
                target.chmod(0o555)
            else:
                _link(source, target)

    def _download(self, url: str) -> Path:
        from hardpoint.core.store_remote import download

        path = self._new_folder() / "blob"
        download(url, path)
        path.chmod(0o444)
        return path

    def _new_folder(self) -> Path:
        with self._lock:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="hardpoint-blobs-"))
                weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self._scratch))


def _reference(blob: Blob, format: str, name: str) -> Reference:
    uri = blob.uri if _is_url(blob.uri) else with_suffix_of(name, blob)
    return Reference(uri, blob.digest, blob.size_bytes, format, escape(name))


def _is_url(text: str) -> bool:
    return "://" in text


def _local_root(root: str) -> str:
    if root.startswith("file://"):
        root = unquote(urlsplit(root).path)
    return root if _is_url(root) else str(Path(root).expanduser().absolute())


def _safe_name(reference: Reference) -> str:
    name = unescape(reference.name)
    if name in ("..", ".") or "/" in name or "\0" in name or len(PurePosixPath(name).parts) > 1:
        raise StoreError(
            f"`{reference.name}` of the blob at `{reference.uri}` is not the name of a file",
            hint="Somebody else wrote this reference: do not use it",
        )
    return name


def _check(path: Path, uri: str, expected: str) -> None:
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    found = f"sha256:{digest.hexdigest()}"
    if found != expected:
        raise corrupt(uri, expected, found)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # another file system: a big file must not be copied into a small one
        target.symlink_to(source)
