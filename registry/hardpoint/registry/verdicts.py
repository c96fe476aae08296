"""What was found out about an installed plugin, kept until its files change: a folder of small JSON files.

It lies in the cache of the user and may be lost or damaged: what cannot be read was never found out.
"""

from __future__ import annotations

import enum
import hashlib
import os
import sys
from collections.abc import Mapping
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path

import msgspec

from hardpoint.plugin_api import API_VERSION


class Finder(enum.Enum):
    """Who found it out."""

    PROBE = "probe"
    """Its import in a process of its own."""
    CHECK = "check"
    """`hardpoint plugins check`."""
    BREAKER = "breaker"
    """A hook of it failed again and again, and is not called for a while."""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that was found out about one plugin.

    Args:
        held: Whether it is well.
        summary: What was found, in one line.
        at: When, in seconds since the epoch.
        traceback: The plugin's frames, if it raised.
        stage: Of a probe: the name of the `Stage` at which it failed.
    """

    held: bool
    summary: str
    at: float
    traceback: str = ""
    stage: str = ""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where verdicts are kept.

    >>> str(cache_folder({"XDG_CACHE_HOME": "/c"}))
    '/c/hardpoint/verdicts'
    """
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return Path(base) / "hardpoint" / "verdicts"


def files_digest(distribution: Distribution) -> str:
    """Digest of what is installed of a distribution, for this Python and this plugin API.

    A wheel's RECORD lists the digest of each file. An editable install's lists none of its modules: of
    those, number, size and age count, as far as they are found without an import.
    """
    record = distribution.read_text("RECORD") or distribution.read_text("METADATA") or ""
    targets = (each.value for each in distribution.entry_points if each.group.startswith("hardpoint."))
    packages = {each.partition(":")[0].partition(".")[0] for each in targets}
    loose = [each for each in sorted(packages) if not _lists(record, each)]
    files = "".join(f"{each} {_state_of(each)}\n" for each in loose)
    host = f"{sys.prefix}\n{sys.version_info[:2]}\n{API_VERSION}\n"
    return hashlib.sha256((host + files + record).encode()).hexdigest()[:32]


def _lists(record: str, package: str) -> bool:
    return any(f"\n{place}" in f"\n{record}" for place in (f"{package}/", f"{package}."))


def _state_of(package: str) -> str:
    """Place, number, size and age of a package's modules; a lone module's with those that lie beside it."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return ""
    if spec is None:
        return ""
    folders = list(spec.submodule_search_locations or ())
    beside = [] if folders or not spec.origin else [str(Path(spec.origin).parent)]
    files = [
        *(file for folder in folders for file in Path(folder).rglob("*.py")),
        *(file for folder in beside for file in Path(folder).glob("*.py")),
    ]
    found = [file.stat() for file in files if file.exists()]
    newest = max((each.st_mtime_ns for each in found), default=0)
    return f"{folders or beside} {len(found)} {sum(each.st_size for each in found)} {newest}"


class Verdicts:
    """Reads and writes verdicts; safe to use from many processes.

    Args:
        folder: See `cache_folder`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, finder: Finder, name: str, digest: str) -> Verdict | None:
        """What was found out about these very files; None if nothing.

        Args:
            finder: Who would have.
            name: Of the plugin, or of its task type.
            digest: See `files_digest`.
        """
        try:
            return msgspec.json.decode(self._file(finder, name, digest).read_bytes(), type=Verdict)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return None

    def write(self, finder: Finder, name: str, digest: str, verdict: Verdict) -> None:
        """Keep a verdict; a folder that cannot be written costs the next process the finding out."""
        file = self._file(finder, name, digest)
        draft = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(msgspec.json.encode(verdict))
            draft.replace(file)
        except OSError:
            draft.unlink(missing_ok=True)

    def forget(self, finder: Finder, name: str, digest: str) -> None:
        """Drop a verdict, so that it is found out again."""
        self._file(finder, name, digest).unlink(missing_ok=True)

    def _file(self, finder: Finder, name: str, digest: str) -> Path:
        safe = hashlib.sha256(name.encode()).hexdigest()[:16]
        return self._folder / finder.value / f"{safe}-{digest}.json"
