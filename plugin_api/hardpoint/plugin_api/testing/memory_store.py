"""A store that keeps its blobs in memory."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from hardpoint.plugin_api.errors import PermanentSystemError, UserError
from hardpoint.plugin_api.literals import Reference


class MemoryStore:
    """Implements `Store` for tests; what `fetch` returns lies in a temporary folder that dies with it.

    >>> store = MemoryStore()
    >>> reference = store.put_bytes(b"abc", format="bytes", name="abc.txt")
    >>> store.put_bytes(b"abc", format="bytes", name="abc.txt") == reference
    True
    >>> store.read_bytes(reference), store.fetch(reference).name
    (b'abc', 'abc.txt')
    """

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def put_bytes(self, data: bytes, *, format: str, name: str = "") -> Reference:
        """Keep `data`; return where it lies."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self._blobs[digest] = data
        return Reference(f"memory://{digest.partition(':')[2]}", digest, len(data), format, name)

    def put_file(self, path: Path, *, format: str = "bytes", name: str = "") -> Reference:
        """Keep a copy of a local file; return where it lies."""
        return self.put_bytes(path.read_bytes(), format=format, name=name or path.name)

    def put_directory(self, path: Path) -> Reference:
        """Keep a copy of a local folder; raises `UserError` for a link that leaves it."""
        root = path.resolve()
        listing: dict[str, str] = {}
        size_bytes = 0
        for each in sorted(path.rglob("*")):
            if not each.resolve().is_relative_to(root):
                raise UserError(f"The link `{each.relative_to(path)}` leaves the folder `{path}`")
            if each.is_file():
                kept = self.put_file(each)
                listing[each.relative_to(path).as_posix()] = kept.digest
                size_bytes += kept.size_bytes
        listed = self.put_bytes(json.dumps(listing).encode(), format="directory", name=path.name)
        return Reference(listed.uri, listed.digest, size_bytes, "directory", path.name)

    def read_bytes(self, reference: Reference) -> bytes:
        """The content; raises `PermanentSystemError` if it was never put."""
        try:
            return self._blobs[reference.digest]
        except KeyError:
            raise PermanentSystemError(f"Nothing with the digest `{reference.digest}` was stored") from None

    def fetch(self, reference: Reference) -> Path:
        """A local path of the file or folder."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="hardpoint-memory-store-")
        target = Path(self._folder.name) / reference.digest.partition(":")[2] / (reference.name or "blob")
        if target.exists():
            return target
        data = self.read_bytes(reference)
        if reference.format != "directory":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            return target
        target.mkdir(parents=True)
        for relative, digest in json.loads(data).items():
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            (target / relative).write_bytes(self._blobs[digest])
        return target

    def close(self) -> None:
        """Remove what `fetch` wrote. Repeatable."""
        folder, self._folder = self._folder, None
        if folder is not None:
            folder.cleanup()

    def __del__(self) -> None:
        self.close()
