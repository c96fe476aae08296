"""Names of runs and attempts, and the token that makes a create call repeatable."""

from __future__ import annotations

import base64
import hashlib
from typing import NewType

ExecutionId = NewType("ExecutionId", str)
"""One run: a ULID-like text that sorts by time of submission."""

NodeId = NewType("NodeId", str)
"""One node of a run: its name; inside a sub-workflow `outer.inner`."""

TOKEN_BYTES = 20


def attempt_token(execution: str, node: str, attempt: int, spec_digest: str) -> str:
    """Return the name under which one attempt's external job is created.

    The same attempt gets the same token in every process and after every restart, which is what makes
    a repeated create find the first job. How often an engine adopted the run is not part of it.

    Args:
        execution: The run.
        node: The node in it; for an array's chunk, `node[chunk]`.
        attempt: From 1; a new try is a new job.
        spec_digest: Digest of the task's spec and inputs.

    Returns:
        35 characters, `hp-` and lower-case base32: fits DNS labels and every vendor's limits known to us.

    >>> attempt_token("e1", "train", 1, "d")
    'hp-jgkiuixathk73gqd4utwwauqelsginec'
    """
    text = "\x00".join((execution, node, str(attempt), spec_digest))
    digest = hashlib.sha256(text.encode()).digest()[:TOKEN_BYTES]
    return "hp-" + base64.b32encode(digest).decode().lower()
