"""What an archive of project files says about itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

MANIFEST_NAME = ".hardpoint-manifest.json"
ARCHIVE_FORMAT = 1


class Manifest(msgspec.Struct, frozen=True):
    """The table of contents of a code archive; lies in it as `.hardpoint-manifest.json`.

    Args:
        import_roots: Folders that were on `sys.path`, relative to the project root; "" is the root itself.
        files: SHA-256 of each file by its relative POSIX path.
        packages: Installed distributions that the files import, as `name==version`; not in the digest.
        python: Version that compiled the workflow; not in the digest.
        format: Version of this layout.
    """

    import_roots: tuple[str, ...]
    files: dict[str, str]
    packages: tuple[str, ...] = ()
    python: str = ""
    format: int = ARCHIVE_FORMAT


def archive_digest(import_roots: tuple[str, ...], files: Mapping[str, str]) -> str:
    """64 hex digits over what decides how the code runs: the files and where imports look for them.

    >>> files = {"a.py": "0" * 64}
    >>> archive_digest(("",), files) == archive_digest(("", "src"), files)
    False
    """
    covered = msgspec.json.encode([ARCHIVE_FORMAT, import_roots, files], order="deterministic")
    return hashlib.sha256(covered).hexdigest()
