"""The dependency of routes on the driver of games."""

from typing import Annotated

from l2p.driver.driver import Driver
from l2p.driver.phases import Phases
from webcommon.app.state import component

DriverDep = Annotated[Driver, component(Driver)]

PhasesDep = Annotated[Phases, component(Phases)]
"""The steps of games."""
