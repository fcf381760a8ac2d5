"""The dependency of the webhook's route."""

from typing import Annotated

from payment.stripe_events.service import EventWaker
from webcommon.app.state import component

WakerDep = Annotated[EventWaker, component(EventWaker)]
