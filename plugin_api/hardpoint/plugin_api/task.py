"""What to run: the frozen description of one task, as the compiler emits and plugins receive it."""

from __future__ import annotations

from typing import Any

import msgspec

from hardpoint.plugin_api.interface import Interface


class Resources(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one attempt needs. A remote attempt asks its service for all of it; a local one waits until its
    machine has that much to spare, or, of what the machine has less of, all there is.

    Args:
        cpu: Cores, fractions allowed. None: the executor's default.
        memory_bytes: Hard limit of the attempt's memory. None: no limit.
        gpu: Whole devices.
        ephemeral_storage_bytes: Scratch space.

    >>> Resources(cpu=0.5, memory_bytes=2 << 30).cpu
    0.5
    """

    cpu: float | None = None
    memory_bytes: int | None = None
    gpu: int = 0
    ephemeral_storage_bytes: int | None = None


class Retry(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often the author's own errors are tried again.

    Throttled and transient errors have a budget of the platform's own and never use this one.

    Args:
        attempts: Tries in all, the first included. ≥ 1.
        on: Names of exception classes (or of their bases) that are tried again; empty: every one.
        delay_s: Upper bound of the first wait; it doubles with each attempt, drawn with full jitter.
        max_delay_s: Upper bound of every wait.

    >>> Retry(3, on=(ConnectionError,)).on
    ('ConnectionError',)
    """

    attempts: int = 1
    on: tuple[Any, ...] = ()
    delay_s: float = 1.0
    max_delay_s: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(
                f"`attempts` counts the first try too and must be at least 1, not {self.attempts}"
            )
        names = tuple(each if isinstance(each, str) else each.__name__ for each in self.on)
        msgspec.structs.force_setattr(self, "on", names)


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    """Reuse outputs of an earlier attempt with the same task, version and inputs.

    Args:
        version: Set by hand, it replaces the hash of the function's source: change it to forget old
            results. Empty: the source decides.
        ignore: Inputs that do not take part in the key.

    >>> Cache(ignore=("verbose",)).version
    ''
    """

    version: str = ""
    ignore: tuple[str, ...] = ()


class Secret(msgspec.Struct, frozen=True, omit_defaults=True):
    """The name of a secret, never its value; resolved by the worker just before use.

    Args:
        name: `HARDPOINT_SECRET_<NAME>` in the environment, else a file `<name>` in `$HARDPOINT_SECRETS`, else
            what a plugin's `SecretSource` has.
        env: Environment variable the attempt finds it in; empty: only `context.secret(name)`.
    """

    name: str
    env: str = ""


class TaskSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything about a task but where it is used. No absolute path, no secret, no line number.

    Args:
        name: Path relative to the project root and qualified name, such as `flows/etl.py:load`.
        type: Which handler runs it, such as `python` or `notebook`.
        version: Digest of the task's source and of what that references in the project.
        interface: Typed names in and out.
        config: What the task type's schema describes; plain JSON.
        resources: What one attempt needs.
        retry: Budget of the author's own errors.
        cache: None: every attempt runs.
        timeout_s: Longest one attempt may run; then it is killed and counts as the author's error.
        queue_timeout_s: Longest the node may wait for its first start.
        deadline_s: Longest from when the node could first start to its end, all attempts and waits together.
        interruptible: May run on capacity that is taken away; such a loss is the platform's.
        secrets: Names only.
        doc: First paragraph of the docstring.
    """

    name: str
    type: str
    version: str
    interface: Interface
    config: dict[str, Any] = {}
    resources: Resources = Resources()
    retry: Retry = Retry()
    cache: Cache | None = None
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    deadline_s: float | None = None
    interruptible: bool = False
    secrets: tuple[Secret, ...] = ()
    doc: str = ""
