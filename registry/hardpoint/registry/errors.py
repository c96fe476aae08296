"""Why a task type cannot be resolved.

UsageError
├── NoPluginError               nothing installed runs it
├── DuplicateTaskTypeError      two distributions claim it
├── DuplicateOfferError         two distributions claim a command, or a suffix of files
├── IncompatiblePluginError     written for another plugin API
├── PluginDeniedError           the operator keeps it out
└── UnresolvedTaskTypesError    several of these at once
PermanentSystemError
└── PluginQuarantinedError      installed, and broken
"""

from __future__ import annotations

from collections.abc import Sequence

from hardpoint.plugin_api import HardpointError, PermanentSystemError, UsageError
from hardpoint.registry.quarantine import Quarantine


class NoPluginError(UsageError):
    """No installed plugin runs a task type that was asked for."""


class DuplicateTaskTypeError(UsageError):
    """More than one distribution claims a task type; none of them is chosen."""


class DuplicateOfferError(UsageError):
    """More than one distribution claims a command or a suffix of files; none of them is chosen."""


class IncompatiblePluginError(UsageError):
    """A plugin is written for another version of the plugin API; it was not imported."""


class PluginDeniedError(UsageError):
    """A plugin is kept out by safe mode, or by the operator's file; it was not imported."""


class PluginQuarantinedError(PermanentSystemError):
    """A plugin failed and is kept away from the rest.

    Args:
        message: What it did, in the words of its traceback's last line.
        quarantine: Everything known about the failure, the traceback included.
        hint: What may repair it.
    """

    def __init__(self, message: str, *, quarantine: Quarantine, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.quarantine = quarantine


class UnresolvedTaskTypesError(UsageError):
    """Several task types that a workflow needs cannot be resolved; `problems` has each one's own error."""

    def __init__(self, problems: Sequence[HardpointError]) -> None:
        self.problems = tuple(problems)
        lines = (f"  - {problem.message}" for problem in self.problems)
        hints = dict.fromkeys(problem.hint for problem in self.problems if problem.hint)
        super().__init__(
            "\n".join((f"{len(self.problems)} task types cannot be resolved:", *lines)),
            hint="; ".join(hints),
        )
