"""Secrets: looked up by name at the last moment, and kept out of everything that is written down."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hardpoint.plugin_api import SecretMissingError

ENV_PREFIX = "HARDPOINT_SECRET_"
DIR_VARIABLE = "HARDPOINT_SECRETS"
MASK = "***"

_MIN_MASKED_CHARS = 4


def variable_of(name: str) -> str:
    """The environment variable that a secret is first looked for in.

    >>> variable_of("db/read-only")
    'HARDPOINT_SECRET_DB_READ_ONLY'
    """
    return ENV_PREFIX + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


class Asked(NamedTuple):
    """What came of asking plugins for a secret.

    Args:
        value: Of the secret; None if none of them has it.
        without: Those that do not have it.
        passed_over: Those that could not be asked, with the reason.
    """

    value: str | None = None
    without: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """The same as the end of a sentence.

        >>> Asked(None, ("`vault`",), ("`safe`: it hangs",)).told
        '; `vault` does not have it; passed over: `safe`: it hangs'
        """
        verb = "does" if len(self.without) == 1 else "do"
        without = f"; {' and '.join(self.without)} {verb} not have it" if self.without else ""
        return without + (f"; passed over: {'; '.join(self.passed_over)}" if self.passed_over else "")


Ask: TypeAlias = Callable[[str], Asked]


def ask_nobody(name: str) -> Asked:
    """Where there are no plugins."""
    return Asked()


def resolve_secret(
    name: str, environ: Mapping[str, str], secrets_dir: Path | None, ask: Ask = ask_nobody
) -> str:
    """Find the value of a secret.

    Args:
        name: As the author wrote it.
        environ: Looked at first, under `variable_of(name)`.
        secrets_dir: Then its file `name`, as Kubernetes and Docker mount secrets. One newline at the
            end is not part of the value.
        ask: Asks plugins, if neither has it.

    Raises:
        SecretMissingError: Nobody has it; it names the plugins that were passed over.

    >>> resolve_secret("api key", {"HARDPOINT_SECRET_API_KEY": "s3"}, None)
    's3'
    """
    variable = variable_of(name)
    value = environ.get(variable)
    if value is not None:
        return value
    try:
        return _read(name, secrets_dir, variable)
    except SecretMissingError as missing:
        asked = ask(name)
        if asked.value is not None:
            return asked.value
        raise SecretMissingError(missing.message + asked.told, hint=missing.hint) from None


def secrets_dir_of(environ: Mapping[str, str]) -> Path | None:
    """The folder that `$HARDPOINT_SECRETS` names, if it is set.

    >>> secrets_dir_of({})
    """
    folder = environ.get(DIR_VARIABLE)
    return Path(folder) if folder else None


def _read(name: str, secrets_dir: Path | None, variable: str) -> str:
    if secrets_dir is None:
        raise SecretMissingError(
            f"Secret `{name}` is not set",
            hint=f"Set `{variable}`, or put it into a file `{name}` and set `{DIR_VARIABLE}` to its folder",
        )
    # Kubernetes mounts secrets as links into a hidden sibling folder, so links are followed and only
    # the name itself is checked.
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise SecretMissingError(
            f"Secret `{name}` leads out of the folder `{secrets_dir}`",
            hint=f"Set `{variable}`, or give the secret a name without `..` and without a leading `/`",
        )
    try:
        text = (secrets_dir / name).read_text()
    except OSError as error:
        raise SecretMissingError(
            f"Secret `{name}` is not set, and `{secrets_dir / name}` cannot be read: {error.strerror}",
            hint=f"Set `{variable}`, or put the secret into that file",
        ) from None
    except UnicodeDecodeError:
        raise SecretMissingError(
            f"Secret `{name}` is not set, and `{secrets_dir / name}` is not UTF-8 text",
            hint="Keep binary secrets as base64 text, and decode them where they are used",
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def masked(text: str, values: Iterable[str]) -> str:
    """Return `text` with each secret value replaced.

    A multi-line value (a private key) is also masked line by line. Parts shorter than four characters
    stay: masking every `1` would leave nothing to read, and hide nothing.

    >>> masked("login as bob:hunter22 failed", ["hunter22"])
    'login as bob:*** failed'
    """
    parts = {part for value in values for part in (value, *value.splitlines())}
    # Longest first: a short one may be a part of a longer one, whose rest would then stay readable.
    for part in sorted(parts, key=len, reverse=True):
        if len(part.strip()) >= _MIN_MASKED_CHARS and part in text:
            text = text.replace(part, MASK)
    return text


class SecretValues:
    """The secrets of one attempt: resolved when asked for, remembered so that they can be masked.

    Args:
        environ: Where to look; `os.environ` by default.
        ask: Asks plugins, if neither it nor the folder it names has one.
    """

    __slots__ = ("_ask", "_environ", "_values")

    def __init__(self, environ: Mapping[str, str] = os.environ, ask: Ask = ask_nobody) -> None:
        self._environ = environ
        self._ask = ask
        self._values: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value; raises `SecretMissingError`."""
        value = self._values.get(name)
        if value is None:
            value = resolve_secret(name, self._environ, secrets_dir_of(self._environ), self._ask)
            self._values[name] = value
        return value

    def mask(self, text: str) -> str:
        """Return `text` without any value that was handed out."""
        return masked(text, self._values.values()) if self._values else text
