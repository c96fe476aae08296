"""A client of the job service without a plugin in between, for tests of the service itself."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

from hardpoint.plugin_api.testing.jobservice import JobService

LONG_S = 3600.0


class RawClient:
    """One call per connection; a cut connection is status 0."""

    def __init__(self, service: JobService) -> None:
        self.address = urlsplit(service.url).netloc
        self.headers: dict[str, str] = {}

    def __call__(self, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(self.address, timeout=30)) as connection:
            try:
                connection.request(verb, path, None if body is None else json.dumps(body), sent)
                response = connection.getresponse()
            except (http.client.HTTPException, ConnectionError):
                return 0, None
            self.headers = dict(response.headers)
            return response.status, json.loads(response.read())

    def create(self, **body: Any) -> str:
        status, job = self("POST", "/v1/jobs", {"duration_s": LONG_S, **body})
        assert status == 201
        return str(job["id"])

    def states(self, *ids: str) -> list[str]:
        return [job["state"] for job in self("POST", "/v1/jobs:batchGet", {"ids": ids})[1]["jobs"]]
