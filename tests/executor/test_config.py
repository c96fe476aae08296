"""The operator's file: where it is found, what it may say, and what holds for a pool in the end."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardpoint.executor import Executor
from hardpoint.executor.config import (
    NO_LIMITS,
    NO_SETTINGS,
    PoolSettings,
    Settings,
    SettingsError,
    TenantLimits,
    TenantSettings,
    find_settings,
)
from hardpoint.executor.config.checking import Place
from hardpoint.executor.config.pool_policy import (
    decode_live,
    encode_live,
    live_over,
    most_exact,
    pool_policy,
    pool_settings,
)
from hardpoint.executor.config.reading import settings_from
from hardpoint.executor.config.settings import LocalSettings
from hardpoint.executor.throttle.policy import PoolPolicy, Tenant, TenantPolicy
from hardpoint.plugin_api import RateLimit, ResourcePool

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
DECLARED = [ResourcePool("athena:*", 20), ResourcePool("athena:re*", 7), ResourcePool("job:here", 3)]


def parsed(text: str) -> Settings:
    return settings_from(tomllib.loads(text), "`f.toml`")


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parsed(text)
    return str(caught.value)


# --- where it lies --------------------------------------------------------------------------------------


def write(folder: Path, workers: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "hardpoint.toml"
    path.write_text(f"[local]\nworkers = {workers}\n")
    return path


def test_the_first_file_of_the_order_counts(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    below = project / "flows"
    below.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()

    def found(given: Path | None = None, **environ: str) -> int | None:
        return find_settings(given, home, environ, below).local.workers

    assert found() is None
    write(project, 4)
    assert found() == 4
    write(home, 3)
    assert found() == 3
    second = write(tmp_path / "elsewhere", 2)
    assert found(HARDPOINT_CONFIG=str(second)) == 2
    assert found(write(tmp_path / "given", 1), HARDPOINT_CONFIG=str(second)) == 1
    assert found(HARDPOINT_CONFIG="") == 3


def test_a_file_above_the_projects_root_is_not_ours(tmp_path: Path) -> None:
    write(tmp_path, 4)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").touch()
    assert find_settings(None, tmp_path / "home", {}, project) is NO_SETTINGS


def test_an_executor_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path / "settings", 3)
    with Executor(tmp_path / "home", config=path) as executor:
        assert executor.settings.local == LocalSettings(workers=3)
        assert executor.settings.source == f"`{path}`"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        find_settings(tmp_path / "x.toml", tmp_path, {}, tmp_path)
    assert str(caught.value) == (
        f"The settings `{tmp_path / 'x.toml'}` cannot be read: No such file or directory\n\n"
        "hint: Correct `HARDPOINT_CONFIG` or `config=`, or make the file; it may be empty"
    )


def test_a_file_that_is_not_toml_says_where(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text("[pools.athena:*]\n")
    with pytest.raises(SettingsError) as caught:
        find_settings(path, tmp_path, {}, tmp_path)
    assert caught.value.message.startswith(f"`{path}` is not TOML: ")
    assert "(at line 1, column 14)" in caught.value.message
    assert caught.value.hint == 'Names with `:`, `/` or `*` need quotes: `[pools."athena:*"]`'


# --- what it may say ------------------------------------------------------------------------------------


def test_the_example_of_the_page_says_what_the_page_says() -> None:
    example, *_ = re.findall(
        r"^```toml[^\n]*\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    settings = parsed(example)
    primary = pool_policy("athena:eu-west-1/primary", DECLARED, settings)
    assert (primary.capacity, primary.reserve_after_s) == (40, 30.0)
    assert primary.of_project("shop") == TenantPolicy(cap=20)
    assert primary.of_project("ads") == TenantPolicy(weight=2.0, guarantee=10)
    assert primary.of_domain(Tenant("ads", "production")) == TenantPolicy(guarantee=8)
    assert pool_policy("athena:eu-west-1/reports", DECLARED, settings) == PoolPolicy(
        capacity=5, reserve_after_s=None
    )
    assert settings.rates == (RateLimit("athena:eu-west-1", 20.0, 5.0, 10),)
    assert settings.limits("shop", "test") == TenantLimits(50, 1000)
    assert settings.limits("ads", "test") == TenantLimits(50, 5000)
    assert settings.limits("ads", "production") == TenantLimits(None, 5000)
    assert settings.local == LocalSettings(workers=8, memory_bytes=16 << 30)


def test_an_empty_file_sets_nothing() -> None:
    settings = parsed("")
    assert (settings.pools, settings.rates, settings.local) == ({}, (), LocalSettings())
    assert settings.limits("p", "d") == NO_LIMITS == TenantLimits(None, 1000)


REFUSALS = {
    "[pool.x]": ("`f.toml`: there is no key `pool`", "Did you mean `pools`?"),
    '[pools."a:*"]\ncapcity = 3': (
        '`f.toml`, table `[pools."a:*"]`: there is no key `capcity`, set to `3`',
        "Did you mean `capacity`?",
    ),
    "[pools.a]\nzzz = 3": (
        "`f.toml`, table `[pools.a]`: there is no key `zzz`, set to `3`",
        "The keys of this table: `capacity`, `reserve_after_s`, `each_project`, `each_domain`, `projects`, "
        "`domains`",
    ),
    "[pools.a]\ncapacity = -3": (
        "`f.toml`, table `[pools.a]`: `capacity` is `-3`: expected `int` >= 0",
        '`capacity` is a whole number from 0 on, or "unlimited"',
    ),
    "[pools.a.projects.ads]\nweight = 'big'": (
        '`f.toml`, table `[pools.a.projects.ads]`: `weight` is `"big"`: expected `float`, got `str`',
        "`weight` is a number above 0, such as 2.0",
    ),
    "[pools.a.projects.ads]\nguarantee = 3\ncap = 2": (
        "`f.toml`, table `[pools.a.projects.ads]`: "
        "A guarantee of 3 units does not lie between 0 and the cap of 2",
        "Raise `cap=` or lower `guarantee=`",
    ),
    "[pools.a.domains.ads]": (
        "`f.toml`, table `[pools.a.domains]`: `ads` names no domain of a project",
        'Write "PROJECT/DOMAIN", such as "ads/production"',
    ),
    "[pools.'a*b']": (
        "`f.toml`, table `[pools]`: nothing can be called `a*b`",
        'A name is `TASK-TYPE:ACCOUNT`, such as "athena:eu-west-1"; one `*` may stand at its end',
    ),
    "[pools]\nx = 3": (
        "`f.toml`, table `[pools.x]`: this must be a table, and is `3`",
        "Write keys and values below `[x]`",
    ),
    "[rates.x]\nreads_per_s = 3": (
        "`f.toml`, table `[rates.x]`: `writes_per_s` is missing",
        "Add `writes_per_s`, calls per second, above 0",
    ),
    "[rates.x]\nreads_per_s = 0": (
        "`f.toml`, table `[rates.x]`: `reads_per_s` is `0`: expected `float` > 0.0",
        "`reads_per_s` is calls per second, above 0",
    ),
    "[tenants.'a/b/c']": (
        "`f.toml`, table `[tenants]`: no tenant can be called `a/b/c`",
        'Write "PROJECT/DOMAIN", "PROJECT" for each of its domains, or "*" for all others',
    ),
    "[tenants.a]\nmax_runing = 3": (
        "`f.toml`, table `[tenants.a]`: there is no key `max_runing`, set to `3`",
        "Did you mean `max_running`?",
    ),
    "[local]\nmemory = '3 Quarks'": (
        '`f.toml`, table `[local]`: `memory` is `"3 Quarks"`: expected an amount of memory',
        'Write bytes as a number, or text such as "16 GiB" or "512 MB"',
    ),
    "[rates.x]\nreads_per_s = nan": (
        "`f.toml`, table `[rates.x]`: `reads_per_s` is `nan`: expected a finite number",
        "`reads_per_s` is calls per second, above 0",
    ),
    "[local]\nworkers = 0": (
        "`f.toml`, table `[local]`: `workers` is `0`: expected `int` >= 1",
        "`workers` is a whole number from 1 on",
    ),
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_does_not_fit_is_told_with_its_place_and_what_helps(text: str) -> None:
    message, hint = REFUSALS[text]
    assert refusal(text) == f"{message}\n\nhint: {hint}"


@pytest.mark.parametrize(
    ("text", "count"),
    [("4096", 4096), ('"4096"', 4096), ('"1.5GiB"', 3 << 29), ('"512 MB"', 512_000_000), ('"2Ki"', 2048)],
)
def test_memory_is_written_as_people_do(text: str, count: int) -> None:
    assert parsed(f"[local]\nmemory = {text}").local.memory_bytes == count


@pytest.mark.parametrize("text", ["0", "-1", '""', '"GiB"', '"nan GiB"', '"inf"', '"1 GiBB"', "true", "1.5"])
def test_memory_that_is_none_is_refused(text: str) -> None:
    assert "`memory` is `" in refusal(f"[local]\nmemory = {text}")


# --- what holds for a pool ------------------------------------------------------------------------------


def test_the_most_exact_declaration_wins() -> None:
    found = {
        name: pool_policy(name, DECLARED, NO_SETTINGS).capacity for name in ("athena:x", "athena:reports")
    }
    assert found == {"athena:x": 20, "athena:reports": 7}
    assert pool_policy("spark:x", DECLARED, NO_SETTINGS) == PoolPolicy()


def test_what_is_set_live_comes_before_the_file_and_that_before_the_plugin() -> None:
    file = Settings(
        "`f.toml`",
        pools={
            "athena:*": PoolSettings(
                capacity=30,
                each_project=TenantSettings(cap=10),
                projects={"ads": TenantSettings(weight=2.0, cap=15), "shop": TenantSettings(cap=3)},
            )
        },
    )
    live = PoolSettings(projects={"ads": TenantSettings(cap="unlimited")}, reserve_after_s="never")
    policy = pool_policy("athena:x", DECLARED, file, encode_live(live))
    assert policy == PoolPolicy(
        capacity=30,
        projects={"ads": TenantPolicy(weight=2.0), "shop": TenantPolicy(cap=3)},
        each_project=TenantPolicy(cap=10),
        reserve_after_s=None,
    )
    opened = PoolSettings(capacity="unlimited")
    assert pool_policy("athena:x", DECLARED, file, encode_live(opened)).capacity is None


def test_sources_that_contradict_each_other_are_named() -> None:
    file = Settings("`f.toml`", pools={"job:here": PoolSettings(each_project=TenantSettings(cap=2))})
    live = encode_live(PoolSettings(each_project=TenantSettings(guarantee=3)))
    with pytest.raises(SettingsError) as caught:
        pool_policy("job:here", DECLARED, file, live)
    assert caught.value.message == (
        "Pool `job:here`, as set by `f.toml` and `hardpoint pools set`: "
        "A guarantee of 3 units does not lie between 0 and the cap of 2"
    )


def test_live_settings_are_checked_like_the_file() -> None:
    with pytest.raises(SettingsError) as caught:
        decode_live("job:here", b'{"capacty": 3}')
    assert str(caught.value) == (
        "What is set of pool `job:here`: there is no key `capacty`, set to `3`\n\n"
        "hint: Did you mean `capacity`?"
    )
    with pytest.raises(SettingsError) as caught:
        decode_live("job:here", b"\xff")
    assert caught.value.hint == "Set it again: `hardpoint pools set job:here`"
    with pytest.raises(SettingsError):
        pool_settings({"domains": {"ads": {"cap": 1}}}, Place("typed"))


_tenants = st.builds(
    TenantSettings,
    weight=st.sampled_from([0.5, 2.0]),
    guarantee=st.integers(0, 3),
    cap=st.sampled_from(["unlimited", 3, 9]),
    lend=st.sampled_from(["all", 0, 2]),
) | st.builds(TenantSettings, cap=st.sampled_from(["unlimited", 3, 9]))
_names = st.sampled_from(["ads", "shop"])
_pools = st.builds(
    PoolSettings,
    capacity=st.sampled_from(["unlimited", 0, 7]),
    reserve_after_s=st.sampled_from(["never", 0.0, 5.0]),
    each_domain=_tenants,
    projects=st.dictionaries(_names, _tenants),
    domains=st.dictionaries(st.sampled_from(["ads/test", "ads/production"]), _tenants),
) | st.builds(PoolSettings, projects=st.dictionaries(_names, _tenants))


@given(_pools)
def test_live_settings_come_back_as_they_were(settings: PoolSettings) -> None:
    assert decode_live("p", encode_live(settings)) == settings


@given(_pools, _pools)
def test_laying_settings_over_others_is_the_same_in_one_step_or_two(
    first: PoolSettings, second: PoolSettings
) -> None:
    in_file = Settings("f", pools={"p": first})
    both = live_over(first, second)
    assert pool_policy("p", [], in_file, encode_live(second)) == pool_policy(
        "p", [], NO_SETTINGS, encode_live(both)
    )
    assert live_over(both, second) == both


@given(
    st.lists(st.sampled_from(["*", "a:*", "a:b*", "a:b", "b:*"]), unique=True),
    st.sampled_from(["a:b", "a:bc"]),
)
def test_matching_agrees_with_what_plugins_declare(names: list[str], pool: str) -> None:
    fitting = [each for each in names if ResourcePool(each, 1).matches(pool)]
    assert (most_exact({name: name for name in names}, pool) or "") in (fitting or [""])
