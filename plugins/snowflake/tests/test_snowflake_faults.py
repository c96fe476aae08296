"""One query for one token, sessions that end, and credentials of both kinds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from hardpoint.plugin_api import (
    Kept,
    PermanentSystemError,
    Phase,
    SimpleKind,
    SimpleType,
    ThrottledError,
    TransientError,
)
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_snowflake.config import Connection
from hardpoint_snowflake.conformance import SECRET, TOKEN, connection_to
from hardpoint_snowflake.testing.http_dialect import Step
from hardpoint_snowflake.testing.runner import Runner, asking
from hardpoint_snowflake.testing.server import Standin
from hardpoint_snowflake.testing.switch import SnowflakeSwitch

INT = SimpleType(SimpleKind.INT)
LONG = "select system$wait(3600) as waited"
PASSPHRASE = "open-sesame"


@pytest.mark.parametrize("kind", [FaultKind.LOSE, FaultKind.GARBLE, FaultKind.REPEAT])
def test_a_submission_that_is_repeated_in_its_session_is_the_first_query(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, kind: FaultKind
) -> None:
    switch.standin.set(lag_s=60.0)  # a search would find nothing
    request = asking(account, LONG)
    switch.proxy.script(Fault(kind, (Step.CHANGE,)))
    if kind is not FaultKind.REPEAT:
        with pytest.raises(TransientError):
            runner.handler.create(runner.context, request)
    job = runner.handler.create(runner.context, request)
    assert list(switch.jobs_for(request.token)) == [job.id]


def test_threads_that_submit_at_once_have_one_query(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    switch.standin.set(lag_s=60.0)
    request = asking(account, LONG)
    with ThreadPoolExecutor(4) as threads:
        jobs = threads.map(lambda _: runner.handler.create(runner.context, request), range(4))
        assert len({job.id for job in jobs}) == 1
    assert len(switch.jobs_for(request.token)) == 1


def test_engines_that_submit_at_once_keep_the_same_query(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    request = asking(account, LONG)
    engines = [runner, Runner({SECRET: TOKEN}), Runner({SECRET: TOKEN})]
    with ThreadPoolExecutor(len(engines)) as threads:
        jobs = list(threads.map(lambda each: each.handler.create(each.context, request), engines))
    kept = [each.handler.find(each.context, request) for each in engines]
    assert kept[0] is not None and kept == [kept[0]] * len(engines)
    others = runner.handler.duplicates(runner.context, [Kept(request, kept[0])])
    assert {each.id for each in others} == {each.id for each in jobs} - {kept[0].id}


def test_a_second_query_is_told_and_what_a_script_has_started_is_not(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    switch.standin.set(remembers=False, lag_s=60.0)
    request = asking(account, LONG)
    first = runner.handler.create(runner.context, request)
    second = runner.handler.create(runner.context, request)
    of_a_script = asking(account, "select system$wait(3600) as step")
    child = runner.handler.create(runner.context, msgspec.structs.replace(of_a_script, token=request.token))
    switch.settle()
    assert runner.handler.find(runner.context, request) == first
    kept = [Kept(request, first)]
    assert [each.id for each in runner.handler.duplicates(runner.context, kept)] == [second.id]
    runner.handler.cancel(runner.context, second, "duplicate")
    assert not runner.handler.duplicates(runner.context, kept)
    assert switch.jobs_for(request.token)[child.id] is Phase.RUNNING


def test_threads_of_one_handler_share_one_session(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    requests = [asking(account, "select 1") for _ in range(8)]
    with ThreadPoolExecutor(len(requests)) as threads:
        jobs = threads.map(lambda each: runner.handler.create(runner.context, each), requests)
        assert len({job.id for job in jobs}) == len(requests)
    assert switch.proxy.calls().count(Step.SIGN_IN) == 1


@pytest.mark.parametrize("verb", ["create", "poll", "outputs", "cancel"])
def test_a_session_that_has_expired_is_renewed_within_the_call(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, verb: str
) -> None:
    request = asking(account, "select 7 as n", outputs={"n": INT})
    job = runner.handler.create(runner.context, request)
    assert runner.end(job).phase is Phase.SUCCEEDED
    switch.expire_session()
    match verb:
        case "create":
            assert runner.run(asking(account, "select 8 as n", outputs={"n": INT})) == {"n": 8}
        case "poll":
            assert runner.handler.poll_many(runner.context, [job])[job.id].phase is Phase.SUCCEEDED
        case "outputs":
            assert runner.handler.outputs(runner.context, request, job) == {"n": 7}
        case "cancel":
            runner.handler.cancel(runner.context, job, "test")
    assert switch.proxy.calls().count(Step.SIGN_IN) == 2


def test_the_service_forgets_all_sessions_and_nobody_notices(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    request = asking(account, "select 7 as n", outputs={"n": INT})
    job = runner.handler.create(runner.context, request)
    standin.tell("sign_out")
    assert runner.end(job).phase is Phase.SUCCEEDED
    assert runner.handler.outputs(runner.context, request, job) == {"n": 7}


def test_a_token_that_was_changed_meanwhile_is_used_from_then_on(
    account: Connection, standin: Standin, switch: SnowflakeSwitch
) -> None:
    secrets = {SECRET: TOKEN}
    runner = Runner(secrets)
    job = runner.handler.create(runner.context, asking(account, LONG))
    standin.set(oauth_tokens=["the-next-token"])
    switch.expire_session()
    with pytest.raises(PermanentSystemError, match=r"expired") as refused:
        runner.handler.poll_many(runner.context, [job])
    assert SECRET in refused.value.hint
    later = Runner({SECRET: "the-next-token"})
    assert runner.handler.poll_many(later.context, [job])[job.id].phase is Phase.RUNNING


@pytest.mark.parametrize(
    "fault", [Fault(FaultKind.LOSE), Fault(FaultKind.GARBLE), Fault(FaultKind.REFUSE, status=503)]
)
def test_a_poll_that_got_no_answer_is_asked_again(
    runner: Runner, account: Connection, switch: SnowflakeSwitch, fault: Fault
) -> None:
    job = runner.handler.create(runner.context, asking(account, LONG))
    switch.proxy.script(fault)
    with pytest.raises(TransientError):
        runner.handler.poll_many(runner.context, [job])
    assert runner.handler.poll_many(runner.context, [job])[job.id].phase is Phase.RUNNING


def test_a_wait_that_the_service_asks_for_is_told(
    runner: Runner, account: Connection, switch: SnowflakeSwitch
) -> None:
    job = runner.handler.create(runner.context, asking(account, LONG))
    switch.fail_next(429, retry_after_s=12.0)
    with pytest.raises(ThrottledError) as throttled:
        runner.handler.poll_many(runner.context, [job])
    assert throttled.value.retry_after_s == 12.0


def test_a_query_that_the_history_does_not_show_is_asked_for_by_its_id(
    runner: Runner, account: Connection, standin: Standin
) -> None:
    job = runner.handler.create(runner.context, asking(account, LONG))
    standin.tell("hide", id=job.id)
    assert runner.handler.poll_many(runner.context, [job])[job.id].phase is Phase.RUNNING


KEY_PAIRS = list(itertools.product([b"", PASSPHRASE.encode()], [True, False]))


@pytest.fixture(scope="module")
def private_key() -> Iterator[rsa.RSAPrivateKey]:
    yield rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(("passphrase", "known"), KEY_PAIRS)
def test_a_key_pair_opens_a_session_if_the_service_knows_it(
    switch: SnowflakeSwitch, private_key: rsa.RSAPrivateKey, passphrase: bytes, known: bool
) -> None:
    locked = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()
    public = private_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    user = f"KEYED_{known}".upper()
    if known:
        switch.standin.set(public_keys={user: public.decode()})
    account = Connection(
        "acme-eu1", user, "DB1", "SMALL", url=switch.url, passphrase="OPENS" if passphrase else ""
    )
    runner = Runner({"SNOWFLAKE_PRIVATE_KEY": pem, "OPENS": PASSPHRASE})
    request = asking(account, "select 7 as n", outputs={"n": INT})
    if known:
        assert runner.run(request) == {"n": 7}
        return
    with pytest.raises(PermanentSystemError, match=f"refuses user `{user}`"):
        runner.handler.create(runner.context, request)


def test_a_secret_that_is_no_key_is_not_repeated_in_the_error(switch: SnowflakeSwitch) -> None:
    account = connection_to(switch.url, oauth_token="")
    runner = Runner({"SNOWFLAKE_PRIVATE_KEY": "not-a-key-but-secret"})
    with pytest.raises(PermanentSystemError) as refused:
        runner.handler.create(runner.context, asking(account, LONG))
    assert "not-a-key-but-secret" not in f"{refused.value!s}{refused.value!r}"
    assert refused.value.hint


def test_a_service_that_is_not_there_is_a_matter_of_time(runner: Runner) -> None:
    nowhere = connection_to("http://127.0.0.1:9")
    with pytest.raises(TransientError, match="cannot be reached"):
        runner.handler.create(runner.context, asking(nowhere, LONG))
