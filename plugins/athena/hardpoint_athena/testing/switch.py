"""The fault switch of the stand-in: what the kit steers."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy, ProxySwitch
from hardpoint_athena.config import Connection
from hardpoint_athena.testing.standin import Standin


class AthenaSwitch(ProxySwitch):
    """`FaultSwitch` over a running stand-in with a proxy in front; forgets what both did before.

    Args:
        standin: Where queries run; from now on each runs until `finish`.
        proxy: What the plugin talks to.
    """

    def __init__(self, standin: Standin, proxy: FaultProxy) -> None:
        super().__init__(proxy)
        self.standin = standin
        standin.reset(hold=True)
        proxy.reset()

    def connection(self, timeout_s: float = 20.0) -> Connection:
        """How the stand-in is reached through the proxy, with the kit's secrets."""
        return Connection(
            region="us-east-1",
            endpoint_url=self.url,
            access_key="ATHENA_KEY",
            secret_key="ATHENA_SECRET",  # noqa: S106 - the name of one
            timeout_s=timeout_s,
        )

    def settle(self) -> None:
        """This stand-in's listings are never late."""

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """See `FaultSwitch`."""
        self.standin.tell("end", id=job_id, state=phase.name, reason="Ended on purpose")

    def show(self, job_id: str, state: str) -> None:
        """See `CanShow`."""
        self.standin.tell("show", id=job_id, state=state)

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """See `FaultSwitch`."""
        found = [each for each in self.standin.queries() if each["token"] == token]
        return {each["id"]: Phase.__members__.get(each["state"], Phase.RUNNING) for each in found}
