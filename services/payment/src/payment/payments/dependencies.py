"""The dependency of routes that call Stripe."""

from typing import Annotated

from payment.stripe_api.client import StripeApi
from webcommon.app.state import component

StripeDep = Annotated[StripeApi, component(StripeApi)]
