"""BigQuery's calls and refusals, as the fault proxy needs to know them."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, FaultKind, HttpDialect, json_answer
from hardpoint_bigquery.testing.job_book import JobBook

TOKEN_PATH = "/token"  # noqa: S105 - where tokens are fetched
REASONS = {
    400: "invalid",
    401: "authError",
    403: "accessDenied",
    404: "notFound",
    409: "duplicate",
    429: "rateLimitExceeded",
    500: "internalError",
}


class BigQueryDialect(HttpDialect):
    """Calls are named `VERB /path`; the proxy itself hands out tokens.

    Args:
        book: What is said of jobs.
    """

    def __init__(self, book: JobBook) -> None:
        self.book = book
        self.checks_tokens = False
        self._tokens: set[str] = set()

    def expire_tokens(self) -> None:
        """Refuse all tokens of before."""
        self._tokens.clear()

    def writes(self, call: Call) -> bool:
        """Whether it starts or stops a job."""
        return call.verb == "POST" and b'"dryRun": true' not in call.body

    def refusal(self, fault: Fault) -> Answer:
        """In Google's form."""
        reason = fault.code or REASONS.get(fault.status, "backendError")
        message = f"The proxy refuses this call with {fault.status}"
        inner = [{"message": message, "domain": "global", "reason": reason}]
        error = {"code": fault.status, "message": message, "errors": inner}
        return json_answer(fault.status, {"error": error})

    def own_answer(self, call: Call) -> Answer | None:
        """A token, where it is asked for."""
        if call.path != TOKEN_PATH:
            return None
        token = secrets.token_hex(16)
        self._tokens.add(token)
        return json_answer(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def carry_out(self, call: Call, forward: Callable[[Call], Answer]) -> Answer:
        """The stand-in's answer, jobs in it as the book has them; or a refusal of an outdated token."""
        token = call.headers.get("authorization", "").removeprefix("Bearer ")
        if self.checks_tokens and token not in self._tokens:
            return self.refusal(Fault(FaultKind.REFUSE, status=401))

        def typed(plain: Call) -> Answer:
            # The parts of an upload are told apart by what its type says.
            kind = call.headers.get("content-type", "application/json")
            return forward(msgspec.structs.replace(plain, headers={"Content-Type": kind}))

        return self.book.carry_out(call, typed)
