"""Run the job service in a process of its own, for a test or a benchmark, and steer it."""

from __future__ import annotations

import http.client
import subprocess
import sys
from contextlib import closing
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from hardpoint.plugin_api.errors import TransientError, UsageError
from hardpoint.plugin_api.testing.jobservice.board import JobState
from hardpoint.plugin_api.testing.jobservice.faults import ScriptedFault
from hardpoint.plugin_api.testing.jobservice.settings import Settings
from hardpoint.plugin_api.testing.jobservice.stats import ArrayRecord, JobRecord, Stats

MODULE = "hardpoint.plugin_api.testing.jobservice"
STOP_WITHIN_S = 10.0


class JobService:
    """A job service in a process of its own; it ends with the `with` block or with this process.

    Args:
        settings: Fields of `Settings`.

    Raises:
        TypeError: No such setting.

    >>> with JobService(slots=1) as service:
    ...     service.stats().total.created
    0
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self._process: subprocess.Popen[str] | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it listens, such as `http://127.0.0.1:40123`."""
        return self._url

    @property
    def pid(self) -> int:
        """Its process, so that a test can pause it."""
        assert self._process is not None, "the service was not started"
        return self._process.pid

    def start(self, port: int = 0) -> Self:
        """Start the process and wait until it listens; after `stop`, perhaps on the port it had."""
        command = [sys.executable, "-m", MODULE, "--port", str(port), "--until-eof"]
        for name, value in msgspec.structs.asdict(self.settings).items():
            command += [f"--{name.replace('_', '-')}={value}"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._url = self._process.stdout.readline().strip()
        if not self._url:
            self.stop()
            raise TransientError(f"The job service did not start; its command was `{' '.join(command)}`")
        return self

    def stop(self) -> None:
        """End the process. Repeatable."""
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            process.terminate()
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stats(self) -> Stats:
        """Everything counted since the last reset."""
        return msgspec.json.decode(self._call("GET", "/stats"), type=Stats)

    def records(self) -> list[JobRecord]:
        """All jobs, oldest first."""
        return msgspec.json.decode(self._call("GET", "/records"), type=list[JobRecord])

    def arrays(self) -> list[ArrayRecord]:
        """All arrays, oldest first."""
        return msgspec.json.decode(self._call("GET", "/arrays"), type=list[ArrayRecord])

    def configure(self, **settings: Any) -> Settings:
        """Change some settings; raises `UsageError` naming one that does not exist or fit."""
        self.settings = msgspec.json.decode(self._call("POST", "/config", settings), type=Settings)
        return self.settings

    def script(self, *faults: ScriptedFault) -> None:
        """Let faults hit the next requests that match, behind those already scripted."""
        self._call("POST", "/script", faults)

    def finish(self, job_id: str, state: JobState = JobState.SUCCEEDED) -> None:
        """End a job, or all items of an array, now, whatever its duration."""
        self._call("POST", "/finish", {"id": job_id, "state": state})

    def reset(self) -> None:
        """Forget jobs, counters and scripted faults; settings stay."""
        self._call("POST", "/reset")

    def _call(self, verb: str, path: str, body: Any = None) -> bytes:
        with closing(http.client.HTTPConnection(urlsplit(self._url).netloc, timeout=30)) as connection:
            connection.request(verb, path, msgspec.json.encode(body) if body is not None else None)
            response = connection.getresponse()
            answer = response.read()
        if response.status != 200:
            message = msgspec.json.decode(answer)["error"]
            raise UsageError(f"The job service refused `{verb} {path}`: {message}")
        return answer
