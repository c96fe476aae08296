"""The kinds of idempotency, and the stream, held to the contract against a running service with faults."""

from __future__ import annotations

from hardpoint_jobservice_contract import JobServiceContract


class TestToken(JobServiceContract):
    name = "jobservice"


class TestName(JobServiceContract):
    name = "jobservice_name"


class TestSearch(JobServiceContract):
    name = "jobservice_search"


class TestPush(JobServiceContract):
    name = "jobservice_push"
