"""What the operator's command is told, and what it keeps: settings, `.env`, generated secrets."""

from quartet.settings.catalogue import Setting, known_settings
from quartet.settings.operator import OperatorSettings, load_settings

__all__ = ["OperatorSettings", "Setting", "known_settings", "load_settings"]
