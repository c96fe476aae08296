"""What a dry run means for a task: its price, and whether the job may start."""

from __future__ import annotations

from hardpoint.plugin_api import Estimate, UserError
from hardpoint_bigquery.config import BigQueryConfig
from hardpoint_bigquery.states import TIB

GIB = 2**30


class CeilingError(UserError):
    """A job would use more than its task allows; nothing was started."""


def price(config: BigQueryConfig, bytes_scanned: float, kind: str = "statement") -> Estimate:
    """The estimate of a job that would read so much.

    >>> from hardpoint.plugin_api.sql_text import SqlText
    >>> priced = BigQueryConfig("shop", SqlText("SELECT 1"), price_usd_per_tib=6.25)
    >>> price(priced, 2.0**39, "SELECT").text
    'Dry run: the SELECT would read 512 GiB, for 3.12 USD'
    """
    usage, text = {"bytes_scanned": bytes_scanned}, f"Dry run: the {kind} would read {shown(bytes_scanned)}"
    if config.price_usd_per_tib is None:
        return Estimate(usage, text)
    cost_usd = bytes_scanned / TIB * config.price_usd_per_tib
    return Estimate({**usage, "cost_usd": cost_usd}, f"{text}, for {cost_usd:.2f} USD")


def expect_below(config: BigQueryConfig, bytes_scanned: float) -> None:
    """Raise `CeilingError` if a job that would read so much is above a ceiling of its task."""
    if config.ceiling_bytes is not None and bytes_scanned > config.ceiling_bytes:
        raise CeilingError(
            f"The query would read {bytes_scanned:.0f} bytes, above its ceiling of {config.ceiling_bytes}",
            hint="Read fewer columns or one partition, or raise `ceiling_bytes` of the task",
        )
    cost_usd = price(config, bytes_scanned).usage.get("cost_usd")
    if config.ceiling_usd is not None and cost_usd is not None and cost_usd > config.ceiling_usd:
        raise CeilingError(
            f"The query would cost {cost_usd:.2f} USD, above its ceiling of {config.ceiling_usd:.2f} USD",
            hint="Read fewer columns or one partition, or raise `ceiling_usd` of the task",
        )


def shown(size_bytes: float) -> str:
    """A size for the reader.

    >>> shown(0), shown(1536 * 2**20)
    ('0 bytes', '1.5 GiB')
    """
    return f"{size_bytes / GIB:.3g} GiB" if size_bytes >= GIB / 100 else f"{size_bytes:.0f} bytes"
