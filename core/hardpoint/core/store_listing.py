"""A folder as blobs: one for each file, and one that lists them."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

from hardpoint.core.store_disk import Blob
from hardpoint.core.store_errors import StoreError
from hardpoint.core.types.surrogates import escape, unescape
from hardpoint.plugin_api import UserError


class ListedFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file: its path below the folder, its blob, and whether it is a program."""

    path: str
    digest: str
    size_bytes: int
    executable: bool = False


class Listing(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is in a folder. Folders are named only where they are empty."""

    files: tuple[ListedFile, ...] = ()
    empty_folders: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)


def list_folder(folder: Path, keep: Callable[[Path], Blob]) -> Listing:
    """Keep every file below `folder`, and list them in the order of their paths.

    Raises:
        UserError: Something in it is neither a file nor a folder, or is a link that leaves it.
    """
    files, empty = [], []
    root = folder.resolve()
    for path in sorted([root, *root.rglob("*")]):
        name = escape(path.relative_to(root).as_posix())
        if path.is_symlink():
            _check_link(path, root)
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            if path != root and not any(path.iterdir()):
                empty.append(name)
        elif stat.S_ISREG(mode):
            blob = keep(path)
            files.append(ListedFile(name, blob.digest, blob.size_bytes, bool(mode & stat.S_IXUSR)))
        else:
            raise UserError(
                f"`{path}` is neither a file nor a folder",
                hint="Leave pipes, sockets and devices out of the folder",
            )
    return Listing(tuple(files), tuple(empty))


def _check_link(link: Path, root: Path) -> None:
    target = link.resolve()
    if not target.is_relative_to(root) or not target.exists():
        where = "leads out of the folder" if target.exists() else "leads nowhere"
        raise UserError(
            f"Link `{link}` {where}: `{target}`", hint="Replace the link by a copy, or leave it out"
        )
    if target.is_dir():
        raise UserError(f"Link `{link}` leads to a folder: `{target}`", hint="Replace the link by a copy")


def listing_bytes(listing: Listing) -> bytes:
    """The content of the blob that lists a folder."""
    return msgspec.json.encode(listing, order="deterministic")


def read_listing(data: bytes, where: object) -> Listing:
    """What `listing_bytes` wrote, with every path checked to stay below the folder.

    Raises:
        StoreError: It is no listing, or names a path outside.
    """
    try:
        listing = msgspec.json.decode(data, type=Listing)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"`{where}` does not list a folder: {error}", hint="Run the step that made it again"
        ) from error
    for path in [*(file.path for file in listing.files), *listing.empty_folders]:
        parts = PurePosixPath(unescape(path)).parts
        if not parts or ".." in parts or path.startswith("/") or "\0" in path:
            raise StoreError(
                f"`{where}` lists `{path}`, which is not below the folder",
                hint="Somebody else wrote this listing: do not use it",
            )
    return listing
