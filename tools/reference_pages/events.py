"""`docs/reference/events.md`: every event of the journal with its fields."""

from __future__ import annotations

import inspect
from typing import get_args

from tools.reference_pages.markdown import NOTE, one_line, page, table

from hardpoint.executor.journal import events


def events_page() -> str:
    """Every event, the frequent first."""
    parts = ["# Events", NOTE, inspect.cleandoc(events.__doc__ or "")]
    for event in get_args(events.Event):
        tag = event.__struct_config__.tag
        fields = [(f"`{name}`", f"`{hint}`") for name, hint in event.__annotations__.items()]
        parts += [
            f"## `{event.__name__}`",
            f"{one_line(inspect.cleandoc(event.__doc__ or ''))} On disk `{tag}`.",
            table(("field", "type"), fields),
        ]
    return page(parts)
