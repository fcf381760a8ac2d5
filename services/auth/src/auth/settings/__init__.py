"""What Auth is told by its environment, a file for each part of it."""

from typing import Annotated

from auth.settings.service import Settings
from webcommon.app.state import component

__all__ = ["Settings", "SettingsDep"]

SettingsDep = Annotated[Settings, component(Settings)]
