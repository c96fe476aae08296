"""What can go wrong with blobs, said so that somebody can act on it."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator

from hardpoint.plugin_api import HardpointError, PermanentSystemError, TransientError

_FULL = (errno.ENOSPC, errno.EDQUOT)


class StoreError(PermanentSystemError):
    """A blob is missing or is not what it was, or the store cannot be read or written."""


@contextlib.contextmanager
def disk_errors(action: str, where: object) -> Iterator[None]:
    """Turn the system's errors into ones that say what was tried, and where."""
    try:
        yield
    except FileNotFoundError as error:
        raise missing(where) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StoreError(
                f"No space left to {action} `{where}`",
                hint="Free space there, or put the store elsewhere; then run again",
            ) from error
        raise StoreError(
            f"Cannot {action} `{where}`: {error.strerror or error}",
            hint="Check the permissions of the store's folder and the disk it is on",
        ) from error


@contextlib.contextmanager
def remote_errors(action: str, where: object) -> Iterator[None]:
    """As `disk_errors`; what the network or a service does may pass by itself."""
    try:
        yield
    except HardpointError:
        raise
    except FileNotFoundError as error:
        raise missing(where) from error
    except PermissionError as error:
        raise StoreError(
            f"Not allowed to {action} `{where}`: {error}",
            hint="Check the credentials and the bucket's policy",
        ) from error
    except Exception as error:  # every filesystem has exceptions of its own
        raise TransientError(
            f"Cannot {action} `{where}`: {type(error).__name__}: {error}",
            hint="Check the network and the store's service",
        ) from error


def missing(where: object) -> StoreError:
    """A blob that somebody removed, or a store that moved."""
    return StoreError(
        f"No blob at `{where}`",
        hint="It was deleted, or the store was moved: run the step that made it again",
    )


def corrupt(where: object, expected: str, found: str) -> StoreError:
    """A blob that is not what was written."""
    return StoreError(
        f"The blob at `{where}` is corrupt: its digest is `{found}`, not `{expected}`",
        hint="Delete it and run the step that made it again",
    )
