"""How a call of Stripe fails: it was refused, or its outcome is unknown."""

from collections.abc import Mapping
from typing import Any, Self

import stripe

from webcommon.api.problems import ServiceUnavailable


class StripeUnavailable(ServiceUnavailable):
    """503: Stripe did not answer in time, could not be reached, or answered with an error of its own.

    Whether a write had its effect is unknown; the same key and parameters may be sent again, or Stripe's lists say it.
    `http_status` is that of the last answer, None without one. `is_stored`: Stripe repeats this answer to the key for a
    day, so that sending it again tells nothing.
    """

    title = "Stripe cannot be reached"
    slug = "stripe-unavailable"

    def __init__(self, *, http_status: int | None = None, is_stored: bool = False) -> None:
        super().__init__("Nothing is lost; try again in a few seconds.", retry_after=5)
        self.http_status = http_status
        self.is_stored = is_stored


class StripeRefused(Exception):
    """Stripe refused the call (API reference, "Errors"): it had no effect besides that of a decline.

    `payment_intent` is the one that Stripe sent with the refusal. An unknown id has `code` `resource_missing`, and
    `http_status` 404 in a path, 400 in a parameter.
    """

    def __init__(
        self,
        message: str,
        *,
        http_status: int,
        type: str,  # noqa: A002 - Stripe's word
        code: str | None = None,
        decline_code: str | None = None,
        param: str | None = None,
        payment_intent: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        self.type = type
        self.code = code
        self.decline_code = decline_code
        self.param = param
        self.payment_intent = payment_intent

    @classmethod
    def from_answer(cls, error: stripe.StripeError) -> Self:
        """The refusal in an answer of status 4xx."""
        details = read_details(error)
        intent = details.get("payment_intent")
        return cls(
            str(details.get("message") or "Stripe gave no reason"),
            http_status=error.http_status or 400,
            type=str(details.get("type")),
            code=details.get("code"),
            decline_code=details.get("decline_code"),
            param=details.get("param"),
            payment_intent=dict(intent) if isinstance(intent, Mapping) else None,
        )


def read_details(error: stripe.StripeError) -> dict[str, Any]:
    """The error object of an answer; empty without one."""
    body = error.json_body
    details = body.get("error") if isinstance(body, dict) else None
    return details if isinstance(details, dict) else {}
