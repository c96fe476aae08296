"""The verbs of a handler, each as a call that would succeed."""

from __future__ import annotations

from collections.abc import Callable

from hardpoint.plugin_api.handler import JobRef
from hardpoint.plugin_api.testing.contract.trial import SwitchT, Trial, expect

VERBS = ("create", "find", "poll", "outputs", "cancel")


def prepared_call(trial: Trial[SwitchT], verb: str) -> Callable[[], object]:
    """A call of that verb that would succeed; jobs it needs exist already."""
    if verb == "create":
        return trial.create
    job: JobRef = trial.create()
    trial.service.settle()
    if verb == "outputs":
        trial.service.finish(job.id)
    calls: dict[str, Callable[[], object]] = {
        "find": lambda: trial.handler.find(trial.context, trial.request()),
        "poll": lambda: trial.poll(job),
        "outputs": lambda: trial.outputs(job),
        "cancel": lambda: trial.cancel(job),
    }
    return calls[verb]


def raised(call: Callable[[], object]) -> Exception | None:
    """What the call raises; None if it returns."""
    try:
        call()
    except Exception as error:  # whatever it is, the caller compares it with what it should be
        return error
    return None


def expect_recovered(call: Callable[[], object], verb: str) -> None:
    """Fail unless the same call works once the fault is over."""
    error = raised(call)
    expect(error is None, f"`{verb}` works again after the fault, but raised `{error!r}`")
