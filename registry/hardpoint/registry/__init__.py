"""Finding, checking and resolving plugins: which installed object runs which task type.

Nothing is imported before a task type asks for it, and nothing that a plugin does, at import or later,
reaches another plugin or the host.
"""

from hardpoint.registry.deciding import Refused, Rewritten
from hardpoint.registry.errors import (
    DuplicateOfferError,
    DuplicateTaskTypeError,
    IncompatiblePluginError,
    NoPluginError,
    PluginDeniedError,
    PluginQuarantinedError,
    UnresolvedTaskTypesError,
)
from hardpoint.registry.examiner import TRUSTING, ApartExaminer, Examiner, Remembering, Retrying
from hardpoint.registry.listing import InstalledPlugin, PluginState
from hardpoint.registry.permits import SAFE_MODE, Permits, is_safe_mode
from hardpoint.registry.quarantine import Quarantine, Stage
from hardpoint.registry.registry import Registry, load_registry
from hardpoint.registry.troubles import Trouble

__all__ = [
    "SAFE_MODE",
    "TRUSTING",
    "ApartExaminer",
    "DuplicateOfferError",
    "DuplicateTaskTypeError",
    "Examiner",
    "IncompatiblePluginError",
    "InstalledPlugin",
    "NoPluginError",
    "Permits",
    "PluginDeniedError",
    "PluginQuarantinedError",
    "PluginState",
    "Quarantine",
    "Refused",
    "Registry",
    "Remembering",
    "Retrying",
    "Rewritten",
    "Stage",
    "Trouble",
    "UnresolvedTaskTypesError",
    "is_safe_mode",
    "load_registry",
]
