"""hardpoint's own options of `run` and `plan`, and how they are spelled."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any


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
    priority: int = 0
    qos: str = ""
    max_parallelism: int = 0

    @property
    def terms(self) -> dict[str, Any]:
        """What a run is submitted with, besides its tenant."""
        return {"priority": self.priority, "qos": self.qos, "max_parallelism": self.max_parallelism}

    @property
    def home_words(self) -> str:
        """What a further command needs to find the same store.

        >>> RunOptions(home="store").home_words
        ' --home store'
        """
        return f" --home {shlex.quote(self.home)}" if self.home else ""


@dataclass(frozen=True, slots=True)
class PlanOptions(RunOptions):
    """What `plan` takes besides: a run is simulated, with such durations; services are asked."""

    pools: bool = False
    durations: str = ""
    estimate: bool = False


OPTIONS = {
    "--project": "project",
    "-p": "project",
    "--domain": "domain",
    "-d": "domain",
    "--home": "home",
    "--workers": "workers",
    "--detach": "detach",
    "--priority": "priority",
    "--qos": "qos",
    "--max-parallelism": "max_parallelism",
    "--json": "json",
    "--help": "help",
}
"""Spelling → field of `RunOptions`."""

PLAN_OPTIONS = {**OPTIONS, "--pools": "pools", "--durations": "durations", "--estimate": "estimate"}
"""The same of `plan`: field of `PlanOptions`."""

FLAGS = frozenset({"detach", "json", "help"})
"""Fields whose options take no value."""
PLAN_FLAGS = FLAGS | {"pools", "estimate"}

NUMBERS = {
    "workers": (1, "a number above 0"),
    "priority": (None, "a whole number"),
    "max_parallelism": (0, "a whole number from 0 on"),
}
"""Fields whose options take a whole number → the least, and how it is called."""
