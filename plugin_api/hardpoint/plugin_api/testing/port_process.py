"""A process that serves on a port of its own choice: how a stand-in runs beside the tests."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from hardpoint.plugin_api.errors import PermanentSystemError

STARTED_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 60.0


class PortProcess:
    """A process that prints the port of 127.0.0.1 on which it listens, as the first line of its stdout.

    It is ended with its context. Its stdin is a pipe: it should end by itself once that is closed, so that
    none stays behind when the tests are killed.

    Args:
        command: What to run.
        environment: All of its environment variables; None for those of this process.
        started_within_s: How long it may take until the port is printed.

    Raises:
        PermanentSystemError: It ended, or printed nothing for so long.

    >>> import sys
    >>> with PortProcess([sys.executable, "-c", "print(4567, flush=True); input()"]) as process:
    ...     process.url
    'http://127.0.0.1:4567'
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        *,
        started_within_s: float = STARTED_WITHIN_S,
    ) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self._process.stdout is not None
        too_late = threading.Timer(started_within_s, self._process.kill)
        too_late.start()
        line = self._process.stdout.readline()
        too_late.cancel()
        if not line.strip().isdigit():
            self.close()
            raise PermanentSystemError(
                f"`{' '.join(map(str, command))}` printed no port within {started_within_s:g} s but {line!r}",
                hint="Its stderr, above, says why",
            )
        self.port = int(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End the process. Repeatable."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def tell(self, what: str, **asked: Any) -> Any:
        """`POST /standin/WHAT` with JSON: a call of a stand-in's own, past the service that it plays.

        Args:
            what: The end of the path.
            asked: The fields of the body.

        Returns:
            The JSON of the answer.

        Raises:
            PermanentSystemError: The answer was not a 200.
        """
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=ANSWERS_WITHIN_S)) as connection:
            connection.request("POST", f"/standin/{what}", json.dumps(asked))
            response = connection.getresponse()
            body = response.read()
        if response.status != 200:
            raise PermanentSystemError(f"`{what}` of the stand-in was refused: {body[:500]!r}")
        return json.loads(body)
