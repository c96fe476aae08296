"""Sums of what jobs used, from the events of a run, of any age."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor.journal.events import (
    AttemptCancelled,
    AttemptFailed,
    AttemptStarted,
    AttemptSucceeded,
    Budget,
    Event,
    NodeCached,
    decode_events,
    encode_events,
)
from hardpoint.executor.usage import TaskUsage, by_task, summed
from hardpoint.executor.view import tries_of
from hardpoint.plugin_api import ErrorInfo

USAGES = st.lists(st.dictionaries(st.sampled_from(["bytes", "usd"]), st.floats(0, 1e12), max_size=2))
ERROR = ErrorInfo("ValueError", "no")


@given(USAGES, st.integers())
def test_a_sum_is_the_same_in_any_order(usages: list[dict[str, float]], seed: int) -> None:
    mixed = random.Random(seed).sample(usages, len(usages))
    assert summed(usages) == summed(mixed)


def test_every_attempt_that_ended_counts_by_task() -> None:
    events: list[Event] = [
        AttemptStarted(1.0, "scan", 1),
        AttemptFailed(2.0, "scan", 1, ERROR, Budget.USER, 3.0, usage={"bytes": 1.0}),
        AttemptStarted(3.0, "scan", 2),
        AttemptSucceeded(4.0, "scan", 2, {}, usage={"bytes": 2.0, "usd": 0.5}),
        NodeCached(4.0, "cached", {}, "run", "key"),
        AttemptStarted(5.0, "load[0]", 1),
        AttemptCancelled(6.0, "load[0]", 1, usage={"bytes": 4.0}),
        AttemptStarted(5.0, "silent", 1),
        AttemptSucceeded(6.0, "silent", 1, {}),
        AttemptStarted(7.0, "runs", 1),
    ]
    assert by_task(tries_of(events), lambda unit: unit.partition("[")[0]) == [
        TaskUsage("scan", 2, {"bytes": 3.0, "usd": 0.5}),
        TaskUsage("load", 1, {"bytes": 4.0}),
    ]


def test_journals_from_before_there_was_a_usage_are_read() -> None:
    """And an executor from before it reads what is written now: it takes no notice of fields at the end."""
    old = b'[["succeeded",1.0,"a",1,{}],["failed",1.0,"b",1,{"code":"E","message":"m"},"user",null]]'
    assert [event.usage for event in decode_events(old) if hasattr(event, "usage")] == [None, None]
    [event] = decode_events(b'[["succeeded",1.0,"a",1,{},null,[],{"bytes":2.0},"later still"]]')
    assert event == AttemptSucceeded(1.0, "a", 1, {}, usage={"bytes": 2.0})
    assert decode_events(encode_events([event])) == [event]
