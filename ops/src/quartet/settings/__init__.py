"""What the operator's command is told, and what it keeps: settings, `.env`, generated secrets."""

from quartet.settings.catalogue import Setting, known_settings
from quartet.settings.loading import load_settings
from quartet.settings.operator import OperatorSettings

__all__ = ["OperatorSettings", "Setting", "known_settings", "load_settings"]
