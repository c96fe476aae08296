"""A plugin object whose module imports its vendor's SDK, for which a module of Python stands."""

import wave

from hardpoint_jobservice import plugin

__all__ = ["plugin", "wave"]
