"""Arrays and the stream of the job service, through their handlers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hardpoint_jobservice import ArrayHandler, JobConfig, PushHandler
from jobservice_raw_client import RawClient

from hardpoint.plugin_api import (
    CreateRequest,
    Interface,
    Phase,
    SimpleKind,
    SimpleType,
    Status,
    StreamClosedError,
    TaskSpec,
    ThrottledError,
    TransientError,
    Variable,
)
from hardpoint.plugin_api.testing.fakes import FakeContext, fake_request
from hardpoint.plugin_api.testing.jobservice import JobService, JobState, ScriptedFault

LONG_S = 3600.0
NUMBER = SimpleType(SimpleKind.INT)
SQUARES = [{"value": number} for number in range(5)]


@pytest.fixture(scope="module")
def running() -> Iterator[JobService]:
    with JobService() as service:
        yield service


@pytest.fixture
def service(running: JobService) -> JobService:
    running.reset()
    running.configure(slots=10**9, listing_lag_s=0.0, max_queued=10**9)
    return running


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()


def request_for(service: JobService, token: str = "hp-1", **config: object) -> CreateRequest:
    settings = {"url": service.url, "duration_s": LONG_S, **config}
    interface = Interface((Variable("value", NUMBER),), (Variable("result", NUMBER),))
    spec = TaskSpec("flow.py:square", "jobservice_array", "v1", interface, settings)
    return fake_request(spec, token=token)


def test_one_create_starts_a_job_for_each_item(service: JobService, context: FakeContext) -> None:
    array = ArrayHandler().create_array(context, request_for(service), SQUARES)
    assert (array.id[0], context.calls.writes) == ("a", 1)
    records = service.records()
    assert [record.label for record in records] == [f"hp-1[{index}]" for index in range(5)]
    assert service.stats().total.created == 5


def test_a_repeated_create_is_the_same_array(service: JobService, context: FakeContext) -> None:
    first = ArrayHandler().create_array(context, request_for(service), SQUARES)
    service.script(ScriptedFault("POST /v1/arrays", "lost"))
    with pytest.raises(TransientError):
        ArrayHandler().create_array(context, request_for(service, "hp-2"), SQUARES)
    again = ArrayHandler().create_array(context, request_for(service), SQUARES)
    other = ArrayHandler().create_array(context, request_for(service, "hp-2"), SQUARES)
    assert again == first != other
    stats = service.stats().total
    assert (stats.created, stats.double_submits, stats.replayed) == (10, 0, 2)


def test_states_of_items_are_letters(service: JobService, context: FakeContext) -> None:
    service.configure(slots=3)
    handler = ArrayHandler()
    array = handler.create_array(context, request_for(service), SQUARES)
    items = [record.id for record in service.records()]
    service.finish(items[0])
    service.finish(items[1], JobState.FAILED)
    status = handler.poll_arrays(context, [array])[array.id]
    assert (status.phase, status.items.letters) == (Phase.RUNNING, "SFRRR")
    assert {index: error.message for index, error in status.errors.items()} == {
        1: f"Item 1 of array `{array.id}` failed: the item was told to fail"
    }
    for item in items[2:]:
        service.finish(item)
    status = handler.poll_arrays(context, [array])[array.id]
    assert (status.phase, status.items.letters) == (Phase.FAILED, "SFSSS")


def test_queued_arrays_are_queued_and_unknown_ones_absent(service: JobService, context: FakeContext) -> None:
    service.configure(slots=0)
    handler = ArrayHandler()
    array = handler.create_array(context, request_for(service), SQUARES)
    gone = type(array)("a999", array.account, array.secrets, array.extra)
    found = handler.poll_arrays(context, [array, gone])
    assert [found[each.id].phase for each in (array, gone)] == [Phase.QUEUED, Phase.ABSENT]
    assert context.calls.reads == 1


def test_outputs_of_items_are_read_in_one_call(service: JobService, context: FakeContext) -> None:
    handler = ArrayHandler()
    array = handler.create_array(context, request_for(service, duration_s=0.0, fail_values=[3]), SQUARES)
    RawClient(service)("GET", "/v1/jobs?limit=1")
    assert handler.poll_arrays(context, [array])[array.id].items.letters == "SSSFS"
    reads = context.calls.reads
    assert handler.item_outputs(context, array, [0, 2, 3, 4]) == {
        0: {"result": 0},
        2: {"result": 2},
        4: {"result": 4},
    }
    assert context.calls.reads == reads + 1
    assert service.stats().total.orphans == 0


def test_a_cancel_ends_all_items_and_is_repeatable(service: JobService, context: FakeContext) -> None:
    handler = ArrayHandler()
    array = handler.create_array(context, request_for(service), SQUARES)
    service.finish(service.records()[0].id)
    handler.cancel(context, array, "enough")
    handler.cancel(context, array, "enough")
    status = handler.poll_arrays(context, [array])[array.id]
    assert (status.phase, status.items.letters) == (Phase.CANCELLED, "SCCCC")


def test_an_array_is_found_by_its_token_once_it_is_listed(service: JobService, context: FakeContext) -> None:
    service.configure(listing_lag_s=LONG_S)
    handler, request = ArrayHandler(), request_for(service)
    array = handler.create_array(context, request, SQUARES)
    assert handler.find(context, request) is None
    service.configure(listing_lag_s=0.0)
    assert handler.find(context, request) == array


def test_faults_hit_arrays_too(service: JobService, context: FakeContext) -> None:
    service.script(ScriptedFault("POST /v1/arrays*", "429", retry_after_s=3.0))
    with pytest.raises(ThrottledError) as caught:
        ArrayHandler().create_array(context, request_for(service), SQUARES)
    assert caught.value.retry_after_s == 3.0
    service.configure(max_queued=4, slots=0)
    with pytest.raises(ThrottledError, match="over the quota of queued jobs"):
        ArrayHandler().create_array(context, request_for(service), SQUARES)
    calls = service.stats().total.calls
    assert calls == {"POST /v1/arrays": 2}


def test_a_config_names_the_items_that_fail(service: JobService) -> None:
    assert JobConfig(service.url, fail_values=(3,)).fail_values == (3,)


# --- the stream --------------------------------------------------------------------------------------------


def test_changes_arrive_in_order_without_a_poll(service: JobService, context: FakeContext) -> None:
    service.configure(slots=0)
    handler = PushHandler()
    request = fake_request(
        TaskSpec(
            "flow.py:double",
            "jobservice_push",
            "v1",
            Interface((Variable("value", NUMBER),), (Variable("result", NUMBER),)),
            {"url": service.url, "duration_s": LONG_S},
        ),
        {"value": 7},
        token="hp-9",
    )
    first = handler.create(context, request)
    told: list[tuple[str, Status]] = []
    queued, running = threading.Event(), threading.Event()

    def sink(job: str, status: Status) -> None:
        told.append((job, status))
        (queued if status.phase is Phase.QUEUED else running).set()
        if status.phase.terminal:
            raise StreamClosedError("enough")

    def watch() -> None:
        with pytest.raises(StreamClosedError):
            handler.watch(FakeContext(), first, sink)

    thread = threading.Thread(target=watch)
    thread.start()
    assert queued.wait(10.0)
    service.configure(slots=1)
    assert running.wait(10.0)
    service.finish(first.id)
    thread.join(10.0)
    assert not thread.is_alive()
    assert told == [
        (first.id, Status(Phase.QUEUED)),
        (first.id, Status(Phase.RUNNING)),
        (first.id, Status(Phase.SUCCEEDED, outputs={"result": 7})),
    ]
    assert service.stats().total.orphans == 0


def test_a_stream_that_is_cut_ends_with_a_transient_error(service: JobService, context: FakeContext) -> None:
    handler = PushHandler()
    spec = TaskSpec("flow.py:double", "jobservice_push", "v1", Interface(), {"url": service.url})
    job = handler.create(context, fake_request(spec, token="hp-8"))
    service.script(ScriptedFault("GET /v1/events", "cut", skip=1))
    with pytest.raises(TransientError, match="got no answer"):
        handler.watch(context, job, lambda job, status: None)
