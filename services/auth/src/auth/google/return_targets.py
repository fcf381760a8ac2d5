"""What a sign-in with Google is for; it is written down at the beginning, and no return from Google can change it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from auth.oidc.authorization_requests import AuthorizationRequest, check_still_registered
from auth.settings.clients import RegisteredClient
from dbcommon.rows import AnyRow


@dataclass(frozen=True, kw_only=True)
class AppReturn:
    """An app that gets its people back at `redirect_to`, with a code to exchange at `/v1/oauth/exchange`."""

    redirect_to: str
    code_challenge: str | None


Goal: TypeAlias = AppReturn | AuthorizationRequest
"""An app's address, or what a standard client asked the sign-in page for."""


def describe_goal(goal: Goal) -> dict[str, Any]:
    """The columns that say it."""
    return asdict(goal) if isinstance(goal, AppReturn) else {"authorization_request": goal.describe()}


def read_goal(row: AnyRow, *, clients: Mapping[str, RegisteredClient]) -> Goal:
    """What the columns say. Raises `UntrustedRequest` for a client that is not registered any more."""
    if row.authorization_request is None:
        return AppReturn(redirect_to=row.redirect_to, code_challenge=row.code_challenge)
    request = AuthorizationRequest.restore(row.authorization_request)
    check_still_registered(request.address, clients=clients)
    return request
