"""Why a webhook is refused."""

from webcommon.api.problems import BadRequest


class InvalidStripeEvent(BadRequest):
    """400: the signature, its time, or the event is not valid; nothing is stored."""

    title = "This is no event of Stripe"
    slug = "invalid-stripe-event"
