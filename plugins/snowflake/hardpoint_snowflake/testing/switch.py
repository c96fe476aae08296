"""The switch of the contract: steers the stand-in, and the faults in front of it."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.plugin_api import Phase
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy, ProxySwitch
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_snowflake.testing.http_dialect import Step
from hardpoint_snowflake.testing.server import Standin

# From the service's documentation, not from the plugin.
PHASES = {
    "RUNNING": Phase.RUNNING,
    "SUCCESS": Phase.SUCCEEDED,
    "FAILED_WITH_ERROR": Phase.FAILED,
    "ABORTED": Phase.CANCELLED,
}
WORDS = {phase: word for word, phase in PHASES.items()}
SESSION_EXPIRED = "390112"
TOKEN_EXPIRED = "390318"  # noqa: S105 - an error code


class SnowflakeSwitch(ProxySwitch):
    """Implements `FaultSwitch`, `CanRepeat` and `CanStall`.

    Faults spare the sign-in, which is neither of the verbs' calls; refused credentials do not.
    """

    def __init__(self, standin: Standin, proxy: FaultProxy) -> None:
        super().__init__(proxy)
        self.standin = standin

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """Refuse the next call; 401: the session is over, and so is the token that would open another."""
        if status != 401:
            super().fail_next(status, retry_after_s=retry_after_s)
            return
        self.expire_session()
        self.proxy.script(Fault(FaultKind.REFUSE, (Step.SIGN_IN,), 200, TOKEN_EXPIRED))

    def expire_session(self) -> None:
        """Answer the next call with: sign in again."""
        self.proxy.script(Fault(FaultKind.REFUSE, status=200, code=SESSION_EXPIRED))

    def settle(self) -> None:
        """Searches by tag show everything that was submitted so far."""
        self.standin.tell("settle")

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """End a query that waits."""
        self.standin.tell("finish", id=job_id, status=WORDS[phase])

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """Queries with the token in their tag."""
        return {each["id"]: PHASES[each["status"]] for each in self.standin.queries(token)}
