"""Installs the stand-in once, starts it, and tells it what to do."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

REQUIREMENTS = ("moto==5.2.5", "flask==3.1.3", "flask-cors==6.0.5", "duckdb==2.0.0")
SERVER = Path(__file__).with_name("standin_server.py")
FOLDER_VARIABLE = "HARDPOINT_STANDINS"
STARTED_WITHIN_S = 60.0


def _folder() -> Path:
    """In a checkout, beside the environment of the project; else among the user's caches."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    root = Path(__file__).parents[4]
    if (root / "plugins").is_dir() and (root / "pyproject.toml").is_file():
        return root / ".venv-standins"
    return Path.home() / ".cache" / "hardpoint" / "standins"


def installed() -> Path:
    """The Python that has moto and DuckDB; installed the first time, which can take a minute or two."""
    folder = _folder() / "athena"
    folder.parent.mkdir(parents=True, exist_ok=True)
    stamp = folder / hashlib.sha256(" ".join(REQUIREMENTS).encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    with folder.with_suffix(".lock").open("w") as lock:
        # Test processes start together.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            # From scratch: an interrupted installation, or one of other versions, may lie there.
            venv.create(folder, clear=True, symlinks=True, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
            stamp.touch()
    return python


class Standin:
    """The stand-in as a process of its own, on a port of its own; ends with its context."""

    def __init__(self) -> None:
        environment = {**os.environ, "AWS_EC2_METADATA_DISABLED": "true", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [installed(), str(SERVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The stand-in for Athena did not start: see stderr of `{SERVER}`")
        self.port = int(line)

    def __enter__(self) -> Standin:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process. Repeatable."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def tell(self, path: str, **asked: Any) -> Any:
        """A call of the stand-in's own, past the service."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=STARTED_WITHIN_S)
        try:
            connection.request("POST", f"/standin/{path}", json.dumps(asked))
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"`{path}` of the stand-in failed: {body[:500]!r}")
            return json.loads(body)
        finally:
            connection.close()

    def reset(self, **settings: Any) -> None:
        """Forget everything.

        Args:
            settings: `hold`: queries run until `end`; `scanned`: bytes that each scans; `explained`: bytes
                that EXPLAIN expects, None for unknown.
        """
        self.tell("reset", **settings)

    def queries(self) -> list[Mapping[str, str]]:
        """Every query, oldest first: id, token, state."""
        found: list[Mapping[str, str]] = self.tell("queries")
        return found

    def sql(self, sql: str) -> Any:
        """Ask the data directly."""
        return self.tell("sql", sql=sql)


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
