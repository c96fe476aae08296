"""The switch of a fake service: what an author writes so that the suite can break things on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import pytest

from hardpoint.plugin_api.phase import Phase


class FaultSwitch(Protocol):
    """Steers a fake of the service and looks into it, past the plugin.

    These every switch has. With the abilities below the suite tests more; a case for which one is missing
    is skipped and says so.
    """

    def lose_next_reply(self) -> None:
        """Let the next call that changes something take effect, and its answer never arrive."""

    def garble_next_reply(self) -> None:
        """Let the next call of any kind take effect, and its answer arrive broken."""

    def fail_next(self, status: int, *, retry_after_s: float | None = None) -> None:
        """Refuse the next call of any kind before any effect, with what means this HTTP status."""

    def settle(self) -> None:
        """Let listings show everything that was created so far."""

    def finish(self, job_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
        """End a job now."""

    def jobs_for(self, token: str) -> Mapping[str, Phase]:
        """Every job that was ever started for a token, oldest first, with what became of it."""

    def calls_received(self) -> int:
        """Calls that reached the service, whatever came of them."""


class CanRepeat(Protocol):
    """Ability: calls that arrive twice."""

    def repeat_next_call(self) -> None:
        """Let the next call that changes something be carried out twice, as if a proxy repeated it."""


class CanStall(Protocol):
    """Ability: answers that come too late."""

    def stall_next_reply(self) -> None:
        """Let the next call of any kind take effect, and its answer come later than the plugin waits."""


class CanShow(Protocol):
    """Ability: any state of the vendor's."""

    def show(self, job_id: str, state: str) -> None:
        """Let the service say from now on that the job is in this state, in the vendor's word."""


class CanFinishItems(Protocol):
    """Ability, of arrays: items that end one by one."""

    def finish_item(self, job_id: str, index: int, phase: Phase = Phase.SUCCEEDED) -> None:
        """End one item now."""


SwitchT = TypeVar("SwitchT", bound=FaultSwitch)


def ability(switch: object, name: str) -> Callable[..., Any]:
    """A method that not every switch has; skips the case if this one has not."""
    found: Callable[..., Any] | None = getattr(switch, name, None)
    if found is None:
        pytest.skip(f"The switch `{type(switch).__name__}` has no `{name}`")
    return found
