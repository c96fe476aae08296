"""The name of a table as a value that goes from task to task."""

from __future__ import annotations

from dataclasses import dataclass

from hardpoint.plugin_api import AnyType, StructType


@dataclass(frozen=True, slots=True)
class BigQueryTable:
    """A table: as an output of a job, the one its result was written to; as an input, one it reads.

    >>> str(BigQueryTable("shop", "sales", "orders"))
    'shop.sales.orders'
    """

    project: str
    dataset: str
    table: str

    def __str__(self) -> str:
        return f"{self.project}.{self.dataset}.{self.table}"


FIELDS = ("project", "dataset", "table")


def is_table(type: AnyType) -> bool:
    """Whether values of this type are names of tables."""
    return isinstance(type, StructType) and type.name == BigQueryTable.__name__
