"""What the service needs to know of an event. Everything else is read from Stripe: an event may be old, or of another
version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from payment.settlement.adoption import attempt_of

HANDLED = ("payment_intent.", "checkout.session.", "charge.dispute.", "refund.")
HANDLED_CHARGES = ("charge.refunded", "charge.updated", "charge.refund.updated")

_LONGEST = 255


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event. `subject`: the id of the PaymentIntent or Checkout session that it is about, or its own."""

    id: str
    type: str
    api_version: str | None
    livemode: bool
    subject: str
    metadata: Mapping[str, Any]
    declined_charge: str | None

    @classmethod
    def of(cls, body: str) -> Self:
        """The event of a body. Raises `ValueError` when it is none."""
        event = json.loads(body)
        if not isinstance(event, dict) or event.get("object") != "event":
            raise ValueError("not an object of the type event")
        data = event.get("data")
        thing = data.get("object") if isinstance(data, dict) else None
        if not isinstance(thing, dict):
            raise ValueError("without an object")  # noqa: TRY004 - of a value that came from outside
        event_id, type_ = _text(event.get("id")), _text(event.get("type"))
        if event_id is None or type_ is None or not isinstance(event.get("livemode"), bool):
            raise ValueError("without an id, a type or a mode")
        metadata = thing.get("metadata")
        return cls(
            id=event_id,
            type=type_,
            api_version=_text(event.get("api_version")),
            livemode=event["livemode"],
            subject=_text(_subject_of(type_, thing)) or event_id,
            metadata=metadata if isinstance(metadata, dict) else {},
            declined_charge=_declined_charge(type_, thing),
        )

    @property
    def is_handled(self) -> bool:
        """Whether the service does something about such an event."""
        return self.type.startswith(HANDLED) or self.type in HANDLED_CHARGES

    @property
    def names_this_service(self) -> bool:
        """Whether the object says that this service made it."""
        return attempt_of(self.metadata) is not None


def _text(value: object) -> str | None:
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
        return value
    return None


def _subject_of(type_: str, thing: Mapping[str, Any]) -> object:
    if type_.startswith(("payment_intent.", "checkout.session.")):
        return thing.get("id")
    return thing.get("payment_intent")


def _declined_charge(type_: str, thing: Mapping[str, Any]) -> str | None:
    if type_ != "payment_intent.payment_failed":
        return None
    error = thing.get("last_payment_error")
    return _text(error.get("charge")) if isinstance(error, dict) else None
