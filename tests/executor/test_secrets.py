"""Secrets: where they are found, and that they are masked."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardpoint.executor.secrets import SecretValues, masked, resolve_secret, secrets_dir_of
from hardpoint.plugin_api import SecretMissingError


def message(name: str, environ: dict[str, str], folder: Path | None) -> str:
    with pytest.raises(SecretMissingError) as caught:
        resolve_secret(name, environ, folder)
    return str(caught.value)


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "db-password").write_text("from file\n")
    environ = {"HARDPOINT_SECRET_DB_PASSWORD": "from environment"}
    assert resolve_secret("db-password", environ, tmp_path) == "from environment"
    assert resolve_secret("db-password", {}, tmp_path) == "from file"


def test_a_file_loses_one_newline_and_may_be_a_link_or_in_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "..2026"
    data.mkdir()
    (data / "key").write_text("two\nlines\n\n")
    (tmp_path / "team").mkdir()
    (tmp_path / "team/key").symlink_to(data / "key")
    assert resolve_secret("team/key", {}, tmp_path) == "two\nlines\n"


def test_the_folder_is_named_by_a_variable() -> None:
    assert secrets_dir_of({"HARDPOINT_SECRETS": "/run/secrets"}) == Path("/run/secrets")


def test_a_missing_secret_says_where_it_was_looked_for(tmp_path: Path) -> None:
    assert message("db", {}, None) == (
        "Secret `db` is not set\n\n"
        "hint: Set `HARDPOINT_SECRET_DB`, "
        "or put it into a file `db` and set `HARDPOINT_SECRETS` to its folder"
    )
    assert message("db", {}, tmp_path) == (
        f"Secret `db` is not set, and `{tmp_path}/db` cannot be read: No such file or directory\n\n"
        "hint: Set `HARDPOINT_SECRET_DB`, or put the secret into that file"
    )
    (tmp_path / "db").write_bytes(b"\xff")
    assert message("db", {}, tmp_path) == (
        f"Secret `db` is not set, and `{tmp_path}/db` is not UTF-8 text\n\n"
        "hint: Keep binary secrets as base64 text, and decode them where they are used"
    )


@pytest.mark.parametrize("name", ["../passwd", "/etc/passwd", "a/../../b", ""])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    assert message(name, {}, tmp_path).startswith(f"Secret `{name}` leads out of the folder `{tmp_path}`")


def test_values_are_masked_whole_and_by_line() -> None:
    key = "-----BEGIN-----\nMIIEvQ\n-----END-----"
    assert masked(f"{key} and MIIEvQ", [key]) == "*** and ***"
    assert masked("abcdef abcd", ["abcd", "abcdef"]) == "*** ***"
    assert masked("1 of 10", ["1"]) == "1 of 10"


def test_only_secrets_that_were_asked_for_are_masked() -> None:
    values = SecretValues({"HARDPOINT_SECRET_A": "alpha", "HARDPOINT_SECRET_B": "beta!"})
    assert values.get("a") == "alpha"
    assert values.mask("alpha beta!") == "*** beta!"
