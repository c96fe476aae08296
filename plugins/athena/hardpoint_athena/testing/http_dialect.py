"""Athena's calls and refusals, as the fault proxy needs to know them."""

from __future__ import annotations

import json

from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, HttpDialect

WRITES = ("StartQueryExecution", "StopQueryExecution")
CODES = {
    400: "InvalidRequestException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    409: "ConflictException",
    429: "TooManyRequestsException",
    500: "InternalServerException",
}
"""What the service says with a status; gateways in front of it say nothing readable."""


class AthenaDialect(HttpDialect):
    """Calls are named by their operation, such as `StartQueryExecution`; those of STS have no name."""

    def name(self, call: Call) -> str:
        """The operation."""
        return call.headers.get("x-amz-target", "").rpartition(".")[2]

    def writes(self, call: Call) -> bool:
        """Whether it starts or stops a query."""
        return self.name(call) in WRITES

    def refusal(self, fault: Fault) -> Answer:
        """In the form of AWS, or of a gateway."""
        code = fault.code or CODES.get(fault.status, "")
        words = {"__type": code, "message": "Refused on purpose"}
        body = json.dumps(words).encode() if code else b"<html>Refused on purpose</html>"
        return Answer(fault.status, {"Content-Type": "application/x-amz-json-1.1"}, body)
