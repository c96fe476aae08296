"""What `hardpoint plugins doctor athena` finds, against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hardpoint.plugin_api import Severity
from hardpoint.plugin_api.testing.fault_proxy import FaultProxy
from hardpoint.plugin_api.testing.http_dialect import Fault, FaultKind
from hardpoint_athena import plugin
from hardpoint_athena.testing.http_dialect import AthenaDialect
from hardpoint_athena.testing.standin import Standin


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultProxy]:
    with Standin() as standin, FaultProxy(standin.url, AthenaDialect()) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def environment(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy.reset()
    settings = {
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "ATHENA_WORKGROUP": "primary",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def told() -> dict[str, tuple[Severity, str]]:
    found = list(plugin.diagnose())
    assert all(each.hint for each in found if each.severity is not Severity.OK)
    return {each.subject: (each.severity, each.message) for each in found}


def test_all_is_well() -> None:
    found = told()
    assert {severity for severity, _ in found.values()} == {Severity.OK}
    assert "arn:aws:" in found["credentials"][1] and "`primary` is enabled" in found["workgroup"][1]
    assert found["clock"][1] == "the clock of the service agrees with ours"


def test_without_a_region_nothing_is_asked(proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert told()["region"][0] is Severity.WARNING and not proxy.calls()


def test_refused_credentials_are_an_error(proxy: FaultProxy) -> None:
    proxy.script(Fault(FaultKind.REFUSE, status=403, code="InvalidClientTokenId"))
    severity, message = told()["credentials"]
    assert severity is Severity.ERROR and message.startswith("Athena does not tell who we are: ")


def test_an_unknown_workgroup_is_an_error(monkeypatch: pytest.MonkeyPatch, proxy: FaultProxy) -> None:
    monkeypatch.setenv("ATHENA_WORKGROUP", "nowhere")
    refusal = Fault(FaultKind.REFUSE, ("GetWorkGroup",), 400, "InvalidRequestException")
    proxy.script(refusal)
    assert told()["workgroup"][0] is Severity.ERROR
