"""What a task of type `athena` may say in its config."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hardpoint.plugin_api.query_task import Destination
from hardpoint.plugin_api.sql_text import SqlText

Encryption = Literal["SSE_S3", "SSE_KMS", "CSE_KMS"]


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the service is reached, and as whom. Left empty, all of it is boto3's own search.

    Args:
        region: Such as `eu-west-1`.
        profile: Of the AWS configuration files.
        role_arn: A role that is assumed for all calls.
        external_id: What that role asks for.
        endpoint_url: Of a VPC endpoint, or of a stand-in.
        sts_endpoint_url: The same of the service that gives out the role.
        access_key: Name of the secret that holds the access key's id.
        secret_key: Name of the secret that holds the secret access key.
        session_token: Name of the secret that holds the session's token, if the key is a temporary one.
        timeout_s: Longest wait for a connection, and for the next bytes.
    """

    region: str = ""
    profile: str = ""
    role_arn: str = ""
    external_id: str = ""
    endpoint_url: str = ""
    sts_endpoint_url: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    timeout_s: float = 20.0

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets it needs."""
        return tuple(filter(None, (self.access_key, self.secret_key, self.session_token)))

    @property
    def account(self) -> str:
        """What jobs have in common that one call can ask for; quotas are counted by it.

        >>> Connection(region="eu-west-1", profile="reports").account
        'eu-west-1@reports'
        """
        parts = (self.profile, self.role_arn, self.external_id, self.endpoint_url)
        whose = "@".join(filter(None, (*parts, *self.secrets)))
        return "@".join(filter(None, (self.region or "default", whose)))


class AthenaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of an `athena` task.

    Args:
        query: The SQL, with `:name` where an input's value goes.
        workgroup: Whose settings and quotas apply.
        database, catalog: Where names without them are looked up. Empty: the workgroup's.
        output_location: `s3://bucket/prefix/` for the result. Empty: the workgroup's.
        encryption: Of the result.
        kms_key: For `SSE_KMS` and `CSE_KMS`.
        expected_bucket_owner: The AWS account that must own the result's bucket.
        bucket_owner_full_control: Whether the bucket's owner gets all rights on the result.
        reuse_minutes: Take the result of the same query if it is not older than this. None: never.
        engine: `EngineConfiguration` as the service documents it.
        bytes_max: Refuse before anything is spent if more may be scanned. None: no ceiling.
        connection: How the service is reached.
        destination: The table that the result becomes. None: the result is read.
        table_properties: Of a table that is made, as `CREATE TABLE AS` takes them.
    """

    query: SqlText
    workgroup: str = "primary"
    database: str = ""
    catalog: str = ""
    output_location: str = ""
    encryption: Encryption | None = None
    kms_key: str = ""
    expected_bucket_owner: str = ""
    bucket_owner_full_control: bool = False
    reuse_minutes: int | None = None
    engine: dict[str, Any] = {}
    bytes_max: int | None = None
    connection: Connection = Connection()
    destination: Destination | None = None
    table_properties: dict[str, Any] = {}
