"""One example of a Hypothesis strategy for one seed, cheaply.

This is the only file that touches Hypothesis's insides. Its own way to an example from a seed goes through
a whole test run, and mixes in constants found in whatever modules happen to be imported: the same seed would
give another workflow in another process.
"""

from __future__ import annotations

import random
from typing import Any, TypeVar

from hypothesis.internal.conjecture.data import ConjectureData
from hypothesis.internal.conjecture.providers import PrimitiveProvider
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


class _Uniform(PrimitiveProvider):
    """Draws whole numbers and booleans, evenly; that is all the strategies here need."""

    def __init__(self, conjecturedata: Any, /, *, dice: random.Random) -> None:
        super().__init__(conjecturedata)
        self._dice = dice

    def draw_boolean(self, p: float = 0.5) -> bool:
        return self._dice.random() < p

    def draw_integer(
        self,
        min_value: int | None = None,
        max_value: int | None = None,
        *,
        weights: dict[int, float] | None = None,
        shrink_towards: int = 0,
    ) -> int:
        if min_value is None or max_value is None or weights is not None:
            raise NotImplementedError("the strategies here give every integer a lower and an upper bound")
        return min_value + int(self._dice.random() * (max_value - min_value + 1))

    def draw_float(self, **bounds: Any) -> float:
        raise NotImplementedError("draw an integer and divide it")

    def draw_string(self, intervals: Any, **bounds: Any) -> str:
        raise NotImplementedError("sample from a list")

    def draw_bytes(self, min_size: int = 0, max_size: int = 0) -> bytes:
        raise NotImplementedError("sample from a list")


def example(strategy: SearchStrategy[T], dice: random.Random) -> T:
    """The example that these dice give; the same dice give the same one, in every process."""
    data = ConjectureData(random=None, provider=_Uniform, provider_kw={"dice": dice})
    return data.draw(strategy)
