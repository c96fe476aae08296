"""The fault switch of the kit, over the proxy and the stand-in behind it; and credentials for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.request import urlopen

from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy, ProxySwitch
from hardpoint_bigquery.client import REFRESHES_MAX
from hardpoint_bigquery.testing.http_dialect import TOKEN_PATH
from hardpoint_bigquery.testing.job_book import JobBook
from hardpoint_bigquery.testing.standin import PROJECT

CLIENT_SECRET = "sesame-and-nothing-else"  # noqa: S105 - of the proxy alone


class BigQuerySwitch(ProxySwitch):
    """`FaultSwitch` over a proxy whose jobs run until they are told to end."""

    def __init__(self, proxy: FaultProxy, book: JobBook) -> None:
        super().__init__(proxy)
        self.book = book

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """See `FaultSwitch`. Credentials that are refused are refused with a new token too."""
        for _ in range(1 + REFRESHES_MAX if status == 401 else 1):
            super().fail_next(status, retry_after_s=retry_after_s)

    def settle(self) -> None:
        """Its listings are never late."""

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """See `FaultSwitch`."""
        self.book.end(job_id, phase)

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """See `FaultSwitch`: what the stand-in has under that name."""
        url = f"{self.proxy.upstream}/bigquery/v2/projects/{PROJECT}/jobs/{token}?location=US"
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback
                found = json.load(answer)["jobReference"]["jobId"]
        except HTTPError as error:
            error.close()
            return {}
        return {found: self.book.phase(found) or Phase.SUCCEEDED}


def credentials_file(url: str) -> str:
    """The JSON of a user's credentials, whose tokens come from the proxy at `url`."""
    return json.dumps(
        {
            "type": "authorized_user",
            "client_id": "client-of-the-kit",
            "client_secret": CLIENT_SECRET,
            "refresh_token": "refresh-of-the-kit",
            "token_uri": url + TOKEN_PATH,
        }
    )
