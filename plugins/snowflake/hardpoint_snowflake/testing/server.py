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

REQUIREMENTS = (
    "fakesnow[server]==0.12.1",
    "snowflake-connector-python==4.8.1",
    "duckdb==2.0.0",
    "sqlglot==30.22.0",
)
FOLDER_VARIABLE = "HARDPOINT_STANDINS"
ANSWERS_WITHIN_S = 60.0


def _folder() -> Path:
    """In a checkout, beside the environment of the project; else among the user's caches."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given)
    root = Path(__file__).parents[4]
    if (root / "plugins").is_dir() and (root / "pyproject.toml").is_file():
        return root / ".venv-standins"
    return Path.home() / ".cache" / "hardpoint" / "standins"


def installed() -> Path:
    """The Python that has fakesnow; installed the first time, which takes half a minute."""
    folder = _folder() / "snowflake"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = folder / hashlib.sha256(" ".join(REQUIREMENTS).encode()).hexdigest()[:16]
    python = folder / "bin" / "python"
    with (folder / "lock").open("w") as lock:
        # Test processes start together.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            venv.create(folder, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
            stamp.touch()
    return python


class Standin:
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
        self._process = subprocess.Popen(
            [installed(), "-m", "standin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.close()
            raise RuntimeError("The stand-in for Snowflake did not start: its stderr says why")
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

    def set(self, **settings: Any) -> None:
        """Change how it behaves.

        Args:
            settings: `remembers`: whether a repeated request id is answered with the first query; `lag_s`:
                how long a search by tag does not show a query; `bytes_explained`; `public_keys` by user;
                `oauth_tokens` that are accepted.
        """
        self.tell("set", **settings)

    def queries(self, token: str) -> list[Mapping[str, str]]:
        """Queries of a token, oldest first: id, status, sql."""
        found: list[Mapping[str, str]] = self.tell("jobs", token=token)
        return found

    def tell(self, what: str, **asked: Any) -> Any:
        """A call of the stand-in's own, past the protocol."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=ANSWERS_WITHIN_S)
        try:
            connection.request("POST", f"/standin/{what}", json.dumps(asked))
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise RuntimeError(f"`{what}` of the stand-in failed: {body[:500]!r}")
            return json.loads(body)
        finally:
            connection.close()


if __name__ == "__main__":
    sys.stdout.write(f"{installed()}\n")
