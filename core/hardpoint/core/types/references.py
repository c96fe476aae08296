"""Files and folders, which travel by reference through the store."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import IO, Any, Literal, TypeVar, overload

import msgspec

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import DecodeError, EncodeError, wrong_value, wrong_wire
from hardpoint.core.types.surrogates import unescape
from hardpoint.plugin_api import AnyType, DirectoryType, FileType, Reference, Store, Wire

_Self = TypeVar("_Self", bound="_Stored")


class _Stored(os.PathLike[str]):
    """Something on a disk or in the store: what `File` and `Directory` have in common."""

    __slots__ = ("_reference", "_source", "_store")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._source = os.fspath(path)
        self._reference: Reference | None = None
        self._store: Store | None = None

    @classmethod
    def stored(cls: type[_Self], reference: Reference, store: Store) -> _Self:
        """One that lies in the store and is fetched when it is first asked for."""
        made = cls(reference.uri)
        made._reference, made._store = reference, store
        return made

    @property
    def path(self) -> Path:
        """A local path; read-only when it came through the store, and fetched on first use."""
        if self._reference is not None and self._store is not None:
            return self._store.fetch(self._reference)
        if "://" in self._source:
            raise EncodeError(
                f"`{self._source}` is remote and has no local path until it is passed to a task",
                hint="Pass it to a task and use `.path` there",
            )
        return Path(self._source)

    @property
    def name(self) -> str:
        """The name of the file or folder itself, without the folders above it."""
        if self._reference is not None:
            return unescape(self._reference.name)
        return self._source.rstrip("/").rpartition("/")[2]

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r})"

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self) and isinstance(other, _Stored) and self._identity() == other._identity()
        )

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str]:
        if self._reference is not None:
            return self._reference.digest, self._reference.name
        return "", self._source


class File(_Stored):
    """One file: local, remote (an fsspec URL) or, where a task receives it, in the store.

    Args:
        path: Of the file, or its URL. Its content is read when it is passed on, not before.

    >>> File("data/train.csv").name
    'train.csv'
    """

    __slots__ = ()

    @overload
    def open(self, mode: Literal["r"], encoding: str = ...) -> IO[str]: ...
    @overload
    def open(self, mode: Literal["rb"] = ...) -> IO[bytes]: ...
    def open(self, mode: str = "rb", encoding: str = "utf-8") -> IO[Any]:
        """Open it for reading: `rb`, or `r` for text."""
        if mode not in ("r", "rb"):
            raise ValueError(f"A File is read-only, and mode is `r` or `rb`, not `{mode}`")
        return self.path.open(mode, encoding=None if mode == "rb" else encoding)

    def read_bytes(self) -> bytes:
        """The whole content."""
        return self.path.read_bytes()

    def read_text(self, encoding: str = "utf-8") -> str:
        """The whole content as text."""
        return self.path.read_text(encoding)


class Directory(_Stored):
    """One folder with everything below it, local or in the store.

    Args:
        path: Of the folder. It is read when it is passed on, not before.

    >>> Directory("models/best/").name
    'best'
    """

    __slots__ = ()

    def files(self) -> list[Path]:
        """Every file below it, in the order of their paths."""
        return sorted(path for path in self.path.rglob("*") if path.is_file())


def reference_wire(reference: Reference) -> Wire:
    """A reference as plain JSON."""
    return msgspec.to_builtins(reference)


def decode_reference(expected: AnyType, wire: Wire) -> Reference:
    """The reference that `reference_wire` was given.

    Raises:
        DecodeError: `wire` is none.
    """
    try:
        return msgspec.convert(wire, Reference)
    except msgspec.ValidationError as error:
        raise wrong_wire(expected, wire) from error


def put_file(source: str, store: Store, *, format: str = "bytes") -> Reference:
    """Keep a local or remote file in the store."""
    name = source.rstrip("/").rpartition("/")[2]
    if "://" in source:
        return _put_remote(source, store, name=name, format=format)
    path = Path(source)
    if path.is_file():
        return store.put_file(path.absolute(), format=format, name=name)
    raise EncodeError(
        f"No file `{source}`" if not path.is_dir() else f"`{source}` is a folder, not a file",
        hint="Use `Directory` for a folder" if path.is_dir() else "Give the path of a file that exists",
    )


def _put_remote(url: str, store: Store, *, name: str, format: str) -> Reference:
    import fsspec

    with tempfile.TemporaryDirectory(prefix="hardpoint-") as folder:
        local = Path(folder) / "remote"
        try:
            filesystem, path = fsspec.core.url_to_fs(url)
            filesystem.get_file(path, str(local))
        except Exception as error:  # every filesystem has exceptions of its own
            raise EncodeError(
                f"`{url}` cannot be read: {type(error).__name__}: {error}",
                hint="Check the URL and the credentials; `pip install` what fsspec needs for its protocol",
            ) from error
        return store.put_file(local, format=format, name=name)


def _put_directory(source: str, store: Store) -> Reference:
    path = Path(source)
    if path.is_dir():
        return store.put_directory(path.absolute())
    raise EncodeError(
        f"`{source}` is a file, not a folder" if path.is_file() else f"No folder `{source}`",
        hint="Use `File` for a file" if path.is_file() else "Give the path of a local folder that exists",
    )


def _encode_file(value: Any, store: Store) -> Wire:
    if type(value) is not File:
        use = "Pass `File(path)`" if isinstance(value, (str, os.PathLike)) else ""
        raise wrong_value("File", value, use=use)
    return reference_wire(value._reference or put_file(value._source, store))


def _encode_directory(value: Any, store: Store) -> Wire:
    if type(value) is not Directory:
        use = "Pass `Directory(path)`" if isinstance(value, (str, os.PathLike)) else ""
        raise wrong_value("Directory", value, use=use)
    return reference_wire(value._reference or _put_directory(value._source, store))


def _decode_file(wire: Wire, store: Store) -> File:
    return File.stored(decode_reference(FileType(), wire), store)


def _decode_directory(wire: Wire, store: Store) -> Directory:
    reference = decode_reference(DirectoryType(), wire)
    if reference.format != "directory":
        raise DecodeError(f"Expected a folder, got a reference of format `{reference.format}`")
    return Directory.stored(reference, store)


FILE = Codec(FileType(), _encode_file, _decode_file, lambda v: type(v) is File, frozenset({File}))
DIRECTORY = Codec(
    DirectoryType(),
    _encode_directory,
    _decode_directory,
    lambda v: type(v) is Directory,
    frozenset({Directory}),
)
