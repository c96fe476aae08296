"""The page about conformance speaks of cases, faults and methods of the switch that there are."""

from __future__ import annotations

import re
from pathlib import Path

from hardpoint.plugin_api.testing.contract import (
    ArrayContract,
    CanFinishItems,
    CanRepeat,
    CanShow,
    CanStall,
    FaultSwitch,
    FunctionContract,
    PushContract,
)
from hardpoint.plugin_api.testing.contract.crashing import Fault

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "authors" / "conformance.md").read_text("utf-8")


def methods(*classes: type) -> set[str]:
    """Public names that the classes define themselves or inherit."""
    return {name for each in classes for name in dir(each) if not name.startswith("_")}


def test_every_case_that_the_page_speaks_of_is_there() -> None:
    cases = methods(ArrayContract, FunctionContract, PushContract)
    spoken = set(re.findall(r"`(test_\w+)", TEXT))
    assert {each for each in spoken if not any(case.startswith(each) for case in cases)} == set()


def test_every_fault_of_the_matrix_is_on_the_page() -> None:
    [matrix] = re.findall(r"### The crash matrix\n(.*?)\n## ", TEXT, re.DOTALL)
    assert {fault.name.lower() for fault in Fault} <= set(re.findall(r"`(\w+)`", matrix))


def test_every_method_of_the_switch_is_on_the_page() -> None:
    wanted = methods(FaultSwitch, CanRepeat, CanStall, CanShow, CanFinishItems)
    assert wanted - set(re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)) == set()
