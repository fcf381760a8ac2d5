"""The dependency of routes on the driver of games."""

from typing import Annotated

from l2p.driver.driver import Driver
from webcommon.app.state import component

DriverDep = Annotated[Driver, component(Driver)]
