"""Refusals as Stripe words them (API reference, "Errors")."""

from typing import Any

UNEXPECTED_STATE = "payment_intent_unexpected_state"


class StripeError(Exception):
    """An answer that is not 200. `details`: further fields of the error object; those that are None are left out."""

    def __init__(
        self, message: str, *, status: int = 400, type: str = "invalid_request_error", **details: Any
    ) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.details = details

    @property
    def code(self) -> str | None:
        """The `code` of the error object."""
        return self.details.get("code")

    @property
    def is_stored(self) -> bool:
        """Whether an idempotency key repeats it: refusals of parameters come before that layer at Stripe."""
        return self.status == 402 or self.status >= 500 or self.code == UNEXPECTED_STATE

    def body(self) -> dict[str, Any]:
        """The error object."""
        fields = {name: value for name, value in self.details.items() if value is not None}
        if "code" in fields:
            fields["doc_url"] = f"https://stripe.com/docs/error-codes/{fields['code'].replace('_', '-')}"
        return {"error": fields | {"message": str(self), "type": self.type}}


def resource_missing(kind: str, id: str, *, param: str, status: int = 400) -> StripeError:
    """An id that names nothing: 404 in a path, 400 in a parameter."""
    return StripeError(f"No such {kind}: '{id}'", status=status, code="resource_missing", param=param)


def unexpected_state(message: str, intent: dict[str, Any]) -> StripeError:
    """A PaymentIntent whose status does not allow the call."""
    return StripeError(message, code=UNEXPECTED_STATE, payment_intent=intent)
