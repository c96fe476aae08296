"""What `hardpoint plugins doctor` says of an account."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.plugin_api import Severity
from hardpoint.plugin_api.testing.fakes import FakeContext
from hardpoint_snowflake.conformance import SECRET, TOKEN
from hardpoint_snowflake.diagnosis import findings
from hardpoint_snowflake.testing.switch import SnowflakeSwitch


def environment(switch: SnowflakeSwitch) -> Mapping[str, str]:
    return {
        "SNOWFLAKE_ACCOUNT": "acme-eu1",
        "SNOWFLAKE_USER": "ETL",
        "SNOWFLAKE_DATABASE": "DB1",
        "SNOWFLAKE_WAREHOUSE": "SMALL",
        "SNOWFLAKE_URL": switch.url,
        "SNOWFLAKE_OAUTH_SECRET": SECRET,
    }


def test_without_an_account_nothing_is_asked() -> None:
    [found] = findings(FakeContext(), {})
    assert (found.severity, found.message) == (Severity.OK, "not asked: `SNOWFLAKE_ACCOUNT` is not set")


def test_who_may_read_the_history_can_work(switch: SnowflakeSwitch) -> None:
    found = {each.subject: each for each in findings(FakeContext({SECRET: TOKEN}), environment(switch))}
    assert found["credentials"].message == "`acme-eu1/ETL` may read its own history"
    assert found["credentials"].severity is Severity.OK
    assert set(found) == {"credentials", "clock"}


def test_a_refused_token_is_an_error_with_the_name_of_its_secret(switch: SnowflakeSwitch) -> None:
    [found] = findings(FakeContext({SECRET: "stale"}), environment(switch))
    assert found.severity is Severity.ERROR
    assert SECRET in found.hint
    assert "stale" not in found.message


def test_a_missing_secret_is_an_error(switch: SnowflakeSwitch) -> None:
    [found] = findings(FakeContext(), environment(switch))
    assert (found.severity, found.subject) == (Severity.ERROR, "credentials")
