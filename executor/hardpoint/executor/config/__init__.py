"""What an operator sets in `hardpoint.toml`: pools, call rates, limits of tenants, local work, plugins.

Read `settings.py` for what there is, `finding.py` for where the file lies, `pool_policy.py` for what holds
for one pool in the end.
"""

from hardpoint.executor.config.checking import SettingsError
from hardpoint.executor.config.finding import CONFIG_FILE, find_settings
from hardpoint.executor.config.settings import (
    NO_SETTINGS,
    LocalSettings,
    PluginSettings,
    PoolSettings,
    Settings,
    TenantSettings,
)
from hardpoint.executor.config.tenant_limits import NO_LIMITS, TenantLimits

__all__ = [
    "CONFIG_FILE",
    "NO_LIMITS",
    "NO_SETTINGS",
    "LocalSettings",
    "PluginSettings",
    "PoolSettings",
    "Settings",
    "SettingsError",
    "TenantLimits",
    "TenantSettings",
    "find_settings",
]
