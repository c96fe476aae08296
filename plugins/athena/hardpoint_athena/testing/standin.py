"""Installs the stand-in once, starts it, and tells it what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hardpoint.plugin_api.testing import standins
from hardpoint.plugin_api.testing.port_process import PortProcess

STANDIN = standins.Standin("athena", ("moto==5.2.5", "flask==3.1.3", "flask-cors==6.0.5", "duckdb==2.0.0"))


def installed() -> Path:
    """The Python that has moto and DuckDB; installed the first time, which can take a minute or two."""
    return standins.installed(STANDIN) / "bin" / "python"


class Standin(PortProcess):
    """The stand-in as a process of its own, on a port of its own; ends with its context."""

    def __init__(self) -> None:
        super().__init__(
            [installed(), "-m", "server"],
            {
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parent),
                "AWS_EC2_METADATA_DISABLED": "true",
                "PYTHONWARNINGS": "ignore",
            },
        )

    def reset(self, **settings: Any) -> None:
        """Forget everything.

        Args:
            settings: `hold`: queries run until `end`; `scanned`: bytes that each scans; `explained`: bytes
                that EXPLAIN expects, None for unknown; `failing`: reasons for which the next DROPs fail.
        """
        self.tell("reset", **settings)

    def queries(self) -> list[Mapping[str, Any]]:
        """Every query, oldest first: id, token, state, sql, submitted, ended, properties of its table."""
        found: list[Mapping[str, Any]] = self.tell("queries")
        return found

    def sql(self, sql: str) -> Any:
        """Ask the data directly."""
        return self.tell("sql", sql=sql)


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
