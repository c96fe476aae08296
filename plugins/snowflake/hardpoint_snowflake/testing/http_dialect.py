"""Snowflake's requests and refusals, as the fault proxy needs to know them."""

from __future__ import annotations

import enum
import gzip
import json

from hardpoint.plugin_api.testing.http_dialect import Answer, Call, Fault, HttpDialect, json_answer


class Step(enum.StrEnum):
    """What a request is; its name for faults and counts."""

    SIGN_IN = "sign in"
    READ = "read"
    CHANGE = "change"


class SnowflakeDialect(HttpDialect):
    """Signing in is neither of the verbs' calls: only a fault of its own hits it."""

    spared = frozenset({Step.SIGN_IN})

    def name(self, call: Call) -> Step:
        """The step, as the path and the body tell."""
        if "login-request" in call.path:
            return Step.SIGN_IN
        plain = gzip.decompress(call.body) if call.headers.get("content-encoding") == "gzip" else call.body
        if "abort-request" in call.path or (plain and json.loads(plain).get("asyncExec")):
            return Step.CHANGE
        return Step.READ

    def writes(self, call: Call) -> bool:
        """Whether it starts or stops a query."""
        return self.name(call) is Step.CHANGE

    def refusal(self, fault: Fault) -> Answer:
        """In the service's own form if it has a code, else that of a gateway."""
        if not fault.code:
            return Answer(fault.status, {}, b"<html>Refused on purpose</html>")
        told = {"data": {}, "code": fault.code, "message": "Refused on purpose", "success": False}
        return json_answer(fault.status, told)
