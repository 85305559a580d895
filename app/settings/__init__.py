"""Every setting of Settle: its meaning, default and bounds, in one typed class read from SETTLE_... variables.

A module an area. A new setting goes where it belongs; its description there is its documentation.
"""

from app.settings.errors import SettingsInvalid
from app.settings.every import Settings, describe, names, read_fields
from app.settings.reading import load, unknown
from app.settings.variables import variable

__all__ = ["Settings", "SettingsInvalid", "describe", "load", "names", "read_fields", "unknown", "variable"]
