"""Where a store keeps what: the folder behind `$HARDPOINT_HOME`.

hardpoint.db   the journal        code/   unpacked project archives, by digest
blobs/         values, by digest  logs/   output of workers

The journal lies elsewhere if `$HARDPOINT_JOURNAL` names a database.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hardpoint.plugin_api import UsageError

DEFAULT_HOME = ".hardpoint"
JOURNAL_FILE = "hardpoint.db"


class HomeUnusableError(UsageError):
    """The store's folder cannot be made or written."""


def home_path(given: str | Path | None, environ: Mapping[str, str]) -> Path:
    """The store's folder: as given, else `$HARDPOINT_HOME`, else `./.hardpoint`.

    >>> home_path(None, {"HARDPOINT_HOME": "/data/hp"}).as_posix()
    '/data/hp'
    """
    return Path(given or environ.get("HARDPOINT_HOME") or DEFAULT_HOME).absolute()


def journal_url(given: str, environ: Mapping[str, str]) -> str:
    """Where the journal is: as given, else `$HARDPOINT_JOURNAL`, else `sqlite`: in the store's folder.

    >>> journal_url("", {"HARDPOINT_JOURNAL": "postgresql://me@db/runs"})
    'postgresql://me@db/runs'
    """
    return given or environ.get("HARDPOINT_JOURNAL") or "sqlite"


def make_home(home: Path) -> Path:
    """Make the folder, unless it is there; keep it out of version control.

    Raises:
        HomeUnusableError: It cannot be made or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        ignore = home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
        for folder in ("blobs", "code", "logs"):
            (home / folder).mkdir(exist_ok=True)
    except OSError as error:
        raise HomeUnusableError(
            f"The store `{home}` cannot be used: {error.strerror or error}",
            hint="Set HARDPOINT_HOME to a folder that you may write to",
        ) from error
    if not os.access(home, os.W_OK):
        raise HomeUnusableError(
            f"The store `{home}` is not writable", hint="Set HARDPOINT_HOME to a folder that you may write to"
        )
    return home
