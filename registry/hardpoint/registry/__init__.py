"""Finding, checking and resolving plugins: which installed object runs which task type.

Nothing is imported before a task type asks for it, and nothing that a plugin does, at import or later,
reaches another plugin or the host.
"""

from hardpoint.registry.errors import (
    DuplicateTaskTypeError,
    IncompatiblePluginError,
    NoPluginError,
    PluginQuarantinedError,
    UnresolvedTaskTypesError,
)
from hardpoint.registry.listing import InstalledPlugin, PluginState
from hardpoint.registry.quarantine import Quarantine, Stage
from hardpoint.registry.registry import Registry, load_registry

__all__ = [
    "DuplicateTaskTypeError",
    "IncompatiblePluginError",
    "InstalledPlugin",
    "NoPluginError",
    "PluginQuarantinedError",
    "PluginState",
    "Quarantine",
    "Registry",
    "Stage",
    "UnresolvedTaskTypesError",
    "load_registry",
]
