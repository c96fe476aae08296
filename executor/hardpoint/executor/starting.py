"""How a process of hardpoint's own imports what it needs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports_that_stay() -> Iterator[None]:
    """Import without looking for garbage, now or ever again, in what is made by it.

    Modules live as long as their process, and looking through all of them, several times and once more at
    exit, costs a tenth of a small run. Only for processes that are ours: what cycles of dead objects there
    are already is never freed.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
