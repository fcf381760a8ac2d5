"""The dependency of routes on what all sockets share."""

from typing import Annotated

from l2p.live.parts import LiveParts
from webcommon.app.state import component

LivePartsDep = Annotated[LiveParts, component(LiveParts)]
