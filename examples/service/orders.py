"""The workflow of the service: an order is charged and packed at once, then shipped.

Each step writes one line to a ledger, as if it were a call to a shop's systems: what must not happen twice.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from hardpoint.core import task, workflow


class Shipped(NamedTuple):
    """What the service answers."""

    parcel: str
    cents: int


def enter(ledger: Path, line: str) -> None:
    """Add one line, whole, even when many processes do so at once."""
    descriptor = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@task
def charge(number: int, cents: int, ledger: str, takes_s: float) -> int:
    """Charge the customer; return what was charged."""
    time.sleep(takes_s)
    enter(Path(ledger), f"charge {number}")
    return cents


@task
def pack(number: int, ledger: str, takes_s: float) -> str:
    """Pack the parcel; return its name."""
    time.sleep(takes_s)
    enter(Path(ledger), f"pack {number}")
    return f"parcel-{number}"


@task
def ship(parcel: str, cents: int, ledger: str) -> Shipped:
    """Ship a parcel that is paid."""
    enter(Path(ledger), f"ship {parcel.removeprefix('parcel-')}")
    return Shipped(parcel, cents)


@workflow
def order(number: int, cents: int, ledger: str = "ledger.txt", takes_s: float = 0.5) -> Shipped:
    """Charge and pack at once, then ship."""
    shipped = ship(
        pack(number, ledger=ledger, takes_s=takes_s),
        charge(number, cents, ledger=ledger, takes_s=takes_s),
        ledger=ledger,
    )
    return Shipped(shipped.parcel, shipped.cents)
