"""Installs the stand-in once, starts it, and tells it what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardpoint.plugin_api.testing import standins
from hardpoint.plugin_api.testing.port_process import PortProcess

STANDIN = standins.Standin(
    "snowflake",
    (
        "fakesnow[server]==0.12.1",
        "snowflake-connector-python==4.8.1",
        "duckdb==2.0.0",
        "sqlglot==30.22.0",
    ),
)


def installed() -> Path:
    """The Python that has fakesnow; installed the first time, which takes half a minute."""
    return standins.installed(STANDIN) / "bin" / "python"


class Standin(PortProcess):
    """The stand-in as a process of its own, on a port of its own; ends with its context."""

    def __init__(self) -> None:
        # Nothing of the environment that runs the tests: its packages are others.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": os.environ.get("HOME", ""),
            "PYTHONPATH": str(Path(__file__).parent),
            "PYTHONWARNINGS": "ignore",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        super().__init__([installed(), "-m", "standin"], environment)

    def set(self, **settings: Any) -> None:
        """Change how it behaves.

        Args:
            settings: `remembers`: whether a repeated request id is answered with the first query; `lag_s`:
                how long a search by tag does not show a query; `bytes_explained`; `public_keys` by user;
                `oauth_tokens` that are accepted.
        """
        self.tell("set", **settings)

    def queries(self, token: str) -> list[Mapping[str, Any]]:
        """Queries of a token, oldest first: id, status, sql, and when it started and ended."""
        found: list[Mapping[str, Any]] = self.tell("jobs", token=token)
        return found


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
