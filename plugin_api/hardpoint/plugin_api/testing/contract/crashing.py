"""The crash matrix: for each way a create can go wrong, one token is one job.

What has to hold follows from the `Idempotency` that the task type declares: see `why_not`. Nothing of it is
written by the plugin's author.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import assert_never

import msgspec
import pytest

from hardpoint.plugin_api.errors import ErrorKind, HardpointError, TransientError
from hardpoint.plugin_api.handler import CreateRequest, Idempotency, JobRef
from hardpoint.plugin_api.literals import Wire
from hardpoint.plugin_api.testing.contract.switch import ability
from hardpoint.plugin_api.testing.contract.trial import ContractPart, SwitchT, Trial, expect
from hardpoint.plugin_api.testing.fakes import FakeCalls, SuddenDeath


class Fault(enum.Enum):
    """What goes wrong with a create; the text completes "…, one token is one job"."""

    REPLY_LOST = "after a lost reply"
    REPLY_BROKEN = "after a broken reply"
    REPLY_LATE = "when the reply comes after the plugin stopped waiting"
    CALL_REPEATED = "when the call arrives twice"
    CRASH_BEFORE_CALL = "after a crash before the call"
    CRASH_AFTER_CALL = "after a crash after the call"
    RESTART = "in another process"
    CONFLICT = "when the service answers 409"
    LISTING_LAG = "while listings do not show the job"
    TWO_ENGINES = "when two engines create at once"


def why_not(fault: Fault, idempotency: Idempotency) -> str:
    """Why a task type is not held to one cell of the matrix; empty if it is.

    >>> why_not(Fault.REPLY_LOST, Idempotency.TOKEN)
    ''
    >>> why_not(Fault.CONFLICT, Idempotency.SEARCH)
    'It declares `search`: the service knows no identity of ours that could be taken'
    """
    if idempotency is Idempotency.NONE:
        return "It declares no idempotency, so the executor repeats no create of it"
    if idempotency is Idempotency.SEARCH and fault is Fault.CONFLICT:
        return "It declares `search`: the service knows no identity of ours that could be taken"
    return ""


class CrashingContract(ContractPart[SwitchT]):
    """`create`, whatever happens to it."""

    @pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
    def test_one_token_is_one_job(self, trial: Trial[SwitchT], fault: Fault) -> None:
        """And the executor learns its id in the end."""
        reason = why_not(fault, trial.type.idempotency)
        if reason:
            pytest.skip(reason)
        for affected, job in _outcomes(trial, fault):
            affected.expect_one_job(job, fault.value)

    def test_a_name_that_another_request_has_is_not_adopted(self, trial: Trial[SwitchT]) -> None:
        """After a 409: read, compare, adopt. Its results would be those of other inputs."""
        if trial.type.idempotency is not Idempotency.NAME:
            pytest.skip(f"It declares `{trial.type.idempotency.value}`, not `name`")
        first = trial.create()
        make = trial.make_request
        trial.make_request = lambda service, token: of_other_inputs(make(service, token))
        try:
            adopted = trial.create_again()
        except HardpointError as error:
            expect(error.kind is ErrorKind.CONTRACT, f"That is a `ContractViolation`, not `{error!r}`")
        else:
            raise AssertionError(f"`{first.id}` was started for other inputs, and `{adopted.id}` was adopted")


def _outcomes(trial: Trial[SwitchT], fault: Fault) -> list[tuple[Trial[SwitchT], JobRef]]:
    """Let it happen, then do what the executor does; the trials, each with the job it believes in."""
    match fault:
        case Fault.REPLY_LOST:
            trial.create_with_lost_reply()
        case Fault.REPLY_BROKEN:
            trial.service.garble_next_reply()
            _try(trial.create)
        case Fault.REPLY_LATE:
            trial.make_request = trial.contract.impatient_request
            ability(trial.service, "stall_next_reply")()
            _try(trial.create)
        case Fault.CALL_REPEATED:
            ability(trial.service, "repeat_next_call")()
            return [(trial, trial.create())]
        case Fault.CRASH_BEFORE_CALL:
            return [_die(trial.another(), fault, FakeCalls.die_before_write, each) for each in _writes(trial)]
        case Fault.CRASH_AFTER_CALL:
            return [_die(trial.another(), fault, FakeCalls.die_after_write, each) for each in _writes(trial)]
        case Fault.RESTART:
            trial.create()
        case Fault.CONFLICT:
            trial.create()
            trial.service.fail_next(409)
            error = _try(trial.restarted().create)
            author = isinstance(error, HardpointError) and error.kind is ErrorKind.USER
            expect(not author, f"A 409 to a repeated create is not the author's error: `{error!r}`")
        case Fault.LISTING_LAG:
            trial.create()
            return [(trial, trial.restarted().create())]
        case Fault.TWO_ENGINES:
            _race(trial)
        case _:
            assert_never(fault)
    return [(trial, _adopted(trial, fault))]


def _adopted(trial: Trial[SwitchT], fault: Fault) -> JobRef:
    """What a create of the next process returns, once the listings have settled: the oldest job."""
    job = trial.restarted().create_again()
    oldest = trial.find()
    found = None if oldest is None else oldest.id
    expect(found == job.id, f"One token, one job, {fault.value}: got `{job.id}`, and `find` shows `{found}`")
    return job


def _try(create: Callable[[], JobRef]) -> Exception | None:
    """A create of which the executor only learns that it went wrong; other cases say how it may."""
    try:
        create()
    except Exception as error:
        return error
    return None


def _writes(trial: Trial[SwitchT]) -> range:
    """Which calls a create consists of, counted from 1."""
    whole = trial.another()
    whole.create()
    return range(1, max(1, whole.context.calls.writes) + 1)


def _die(
    trial: Trial[SwitchT], fault: Fault, die: Callable[[FakeCalls, int], None], number: int
) -> tuple[Trial[SwitchT], JobRef]:
    die(trial.context.calls, number)
    with suppress(SuddenDeath, TransientError):
        trial.create()
    return trial, _adopted(trial, fault)


def _race(trial: Trial[SwitchT]) -> None:
    """Two executors that both believe they own the attempt."""
    trials = [trial, trial.restarted()]
    together = Barrier(len(trials))

    def create(each: Trial[SwitchT]) -> None:
        together.wait()
        try:
            each.create()
        except TransientError:
            each.create_again()

    with ThreadPoolExecutor(len(trials)) as threads:
        for done in [threads.submit(create, each) for each in trials]:
            done.result()


def of_other_inputs(request: CreateRequest) -> CreateRequest:
    """The same attempt with other inputs, as no executor asks for it."""
    inputs = {name: _other(value) for name, value in request.inputs.items()}
    if inputs == request.inputs:
        pytest.skip("No input of the request is a number or a text, so there is no other one like it")
    return msgspec.structs.replace(request, inputs=inputs)


def _other(value: Wire) -> Wire:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "-other"
        case _:
            return value
