"""The fault switch of the kit, over the proxy and the stand-in behind it; and credentials for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.error import HTTPError
from urllib.request import urlopen

from hardpoint.plugin_api import Phase
from hardpoint_bigquery.client import REFRESHES_MAX
from hardpoint_bigquery.testing.fault_proxy import TOKEN_PATH, Fault, FaultProxy
from hardpoint_bigquery.testing.standin import PROJECT

CLIENT_SECRET = "sesame-and-nothing-else"  # noqa: S105 - of the proxy alone


class BigQuerySwitch:
    """`FaultSwitch` over a proxy whose jobs run until they are told to end."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy

    @property
    def url(self) -> str:
        """Where the proxy listens."""
        return self.proxy.url

    def lose_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.proxy.add(Fault("lost", writes_only=True))

    def garble_next_reply(self) -> None:
        """See `FaultSwitch`."""
        self.proxy.add(Fault("garbled"))

    def stall_next_reply(self) -> None:
        """See `CanStall`."""
        self.proxy.add(Fault("late"))

    def repeat_next_call(self) -> None:
        """See `CanRepeat`."""
        self.proxy.add(Fault("repeated", writes_only=True))

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """See `FaultSwitch`. Credentials that are refused are refused with a new token too."""
        fault = Fault("refused", status=status, retry_after_s=retry_after_s)
        self.proxy.add(*[fault] * (1 + REFRESHES_MAX if status == 401 else 1))

    def settle(self) -> None:
        """Its listings are never late."""

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """See `FaultSwitch`."""
        self.proxy.book.end(job_id, phase)

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """See `FaultSwitch`: what the stand-in has under that name."""
        url = f"{self.proxy.upstream}/bigquery/v2/projects/{PROJECT}/jobs/{token}?location=US"
        try:
            with urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback
                found = json.load(answer)["jobReference"]["jobId"]
        except HTTPError as error:
            error.close()
            return {}
        return {found: self.proxy.book.phase(found) or Phase.SUCCEEDED}

    def calls_received(self) -> int:
        """See `FaultSwitch`."""
        return len(self.proxy.calls)


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
