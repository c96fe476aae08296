"""hardpoint's own options of `run` and `plan`, and how they are spelled."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What may stand before the file's name, or behind the workflow's."""

    project: str = ""
    domain: str = ""
    home: str = ""
    workers: int | None = None
    detach: bool = False
    json: bool = False
    help: bool = False

    @property
    def home_words(self) -> str:
        """What a further command needs to find the same store.

        >>> RunOptions(home="store").home_words
        ' --home store'
        """
        return f" --home {shlex.quote(self.home)}" if self.home else ""


OPTIONS = {
    "--project": "project",
    "-p": "project",
    "--domain": "domain",
    "-d": "domain",
    "--home": "home",
    "--workers": "workers",
    "--detach": "detach",
    "--json": "json",
    "--help": "help",
}
"""Spelling → field of `RunOptions`."""

FLAGS = frozenset({"detach", "json", "help"})
"""Fields whose options take no value."""
