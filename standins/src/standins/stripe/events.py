"""`/v1/events`."""

from standins.stripe.account import Account, Call, Json, Operation
from standins.stripe.errors import StripeError
from standins.stripe.forms import LIST_FIELDS, array, filled
from standins.stripe.lists import list_objects


def retrieve(account: Account, call: Call) -> Json:
    """An event."""
    return account.find("event", call.id, param="id")


def list_events(account: Account, call: Call) -> Json:
    """Events, all or of some types; `type` may end in `.*`."""
    wanted = call.params.get("types", [])
    if "type" in call.params:
        if wanted:
            raise StripeError("You may only specify one of these parameters: type, types.")
        wanted = [call.params["type"]]
    return list_objects(
        account,
        "event",
        call.params,
        url="/v1/events",
        is_in=lambda event: not wanted or any(matches(event["type"], each) for each in wanted),
    )


def matches(type: str, wanted: str) -> bool:
    """Whether a type is the wanted one; `charge.*` are all that begin with `charge.`, `*` is any."""
    return type.startswith(wanted[:-1]) if wanted.endswith("*") else type == wanted


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/events",
        run=list_events,
        fields=LIST_FIELDS | {"type": filled, "types": array(filled)},
    ),
    Operation(method="GET", path="/v1/events/{id}", run=retrieve),
)
