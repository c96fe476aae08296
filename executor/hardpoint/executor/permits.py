"""Which installed plugins this process may import: by the operator's file, and by safe mode."""

from __future__ import annotations

from collections.abc import Mapping

from hardpoint.executor.config.settings import PluginSettings
from hardpoint.registry import Permits, is_safe_mode


def permits_of(settings: PluginSettings, environ: Mapping[str, str]) -> Permits:
    """What holds in a process.

    >>> permits_of(PluginSettings(deny=("acme-*",)), {"HARDPOINT_SAFE_MODE": "1"}).denied_by("hardpoint-x")
    'denied by safe mode'
    """
    return Permits(settings.allow, settings.deny, is_safe_mode(environ))
