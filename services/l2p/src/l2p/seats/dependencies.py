"""The dependency of routes that take seats."""

from typing import Annotated

from l2p.seats.seats import LobbySeats
from webcommon.app.state import component

SeatsDep = Annotated[LobbySeats, component(LobbySeats)]
