"""Secrets: looked up by name at the last moment, and kept out of everything that is written down."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

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


def resolve_secret(name: str, environ: Mapping[str, str], secrets_dir: Path | None) -> str:
    """Find the value of a secret.

    Args:
        name: As the author wrote it.
        environ: Looked at first, under `variable_of(name)`.
        secrets_dir: Then its file `name`, as Kubernetes and Docker mount secrets. One newline at the
            end is not part of the value.

    Raises:
        SecretMissingError: Neither has it, or the name leads out of the folder.

    >>> resolve_secret("api key", {"HARDPOINT_SECRET_API_KEY": "s3"}, None)
    's3'
    """
    variable = variable_of(name)
    value = environ.get(variable)
    if value is not None:
        return value
    if secrets_dir is not None:
        return _read(name, secrets_dir, variable)
    raise SecretMissingError(
        f"Secret `{name}` is not set",
        hint=f"Set `{variable}`, or put it into a file `{name}` and set `{DIR_VARIABLE}` to its folder",
    )


def secrets_dir_of(environ: Mapping[str, str]) -> Path | None:
    """The folder that `$HARDPOINT_SECRETS` names, if it is set.

    >>> secrets_dir_of({})
    """
    folder = environ.get(DIR_VARIABLE)
    return Path(folder) if folder else None


def _read(name: str, secrets_dir: Path, variable: str) -> str:
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
    """

    __slots__ = ("_environ", "_values")

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._values: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value; raises `SecretMissingError`."""
        value = self._values.get(name)
        if value is None:
            value = resolve_secret(name, self._environ, secrets_dir_of(self._environ))
            self._values[name] = value
        return value

    def mask(self, text: str) -> str:
        """Return `text` without any value that was handed out."""
        return masked(text, self._values.values()) if self._values else text
