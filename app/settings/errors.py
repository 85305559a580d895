"""What is wrong with the settings."""

from app.errors import SettleError


class SettingsInvalid(SettleError):
    """The settings can not be used: {problem}."""

    reason = "settings_invalid"
    status = 500
