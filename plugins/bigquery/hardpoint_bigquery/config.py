"""What a task of type `bigquery` may say in its config."""

from __future__ import annotations

from typing import Any

import msgspec

from hardpoint.plugin_api.sql_text import SqlText

DEFAULT_LOCATION = "US"
HTTP_TIMEOUT_S = 30.0
QUERY, LOAD, COPY, EXTRACT = "query", "load", "copy", "extract"
TRANSFERS = (LOAD, COPY, EXTRACT)
"""Jobs that move data and query nothing; each is a key of Google's `JobConfiguration`."""


class BigQueryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The config of a `bigquery` task.

    Args:
        project: That runs the job and is billed for it.
        sql: One statement or a script, in GoogleSQL unless `job` says otherwise. None: `job` has a `load`, a
            `copy` or an `extract`.
        location: Where the job runs, such as `US`, `EU` or `europe-west1`: where its tables are.
        table_outputs: Outputs that are the name of the destination.
        job: Google's `JobConfiguration`, without what the task itself says: query, parameters, dry run.
        source_input: The input that is loaded, a file or a table; or the name of the table that is copied or
            extracted. Empty: `job` says what.
        ceiling_bytes: A query whose dry run says that it would read more is not started.
        ceiling_usd: The same of its price; needs `price_usd_per_tib`.
        price_usd_per_tib: What reading a TiB costs you on demand; with it usage tells `cost_usd`.
        credentials_secret: Name of the secret that holds the JSON of a credentials file. Empty: Google's
            default credentials; none at all for an `endpoint` that begins with `http://`.
        endpoint: Of the service. Empty: Google's.
        http_timeout_s: Longest wait for one answer.
    """

    project: str
    sql: SqlText | None = None
    location: str = DEFAULT_LOCATION
    table_outputs: tuple[str, ...] = ()
    job: dict[str, Any] = {}
    source_input: str = ""
    ceiling_bytes: int | None = None
    ceiling_usd: float | None = None
    price_usd_per_tib: float | None = None
    credentials_secret: str = ""
    endpoint: str = ""
    http_timeout_s: float = HTTP_TIMEOUT_S

    @property
    def account(self) -> str:
        """Project and location: whose quotas a job uses.

        >>> BigQueryConfig("shop", SqlText("SELECT 1"), "EU").account
        'shop/eu'
        """
        return f"{self.project}/{self.location.lower()}"

    @property
    def kind(self) -> str:
        """Which of Google's four jobs it is.

        >>> BigQueryConfig("shop", job={"copy": {}}).kind
        'copy'
        """
        return next((each for each in TRANSFERS if each in self.job), QUERY)
