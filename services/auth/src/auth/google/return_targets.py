"""The return target of a sign-in with Google. It is stored at the start; the callback cannot change it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

from auth.oidc.authorization_requests import AuthorizationRequest, check_still_registered
from auth.settings.clients import RegisteredClient
from dbcommon.rows import AnyRow


@dataclass(frozen=True, kw_only=True)
class AppTarget:
    """An app that gets the browser back at `redirect_to`, with a code to exchange at `/v1/oauth/exchange`."""

    redirect_to: str
    code_challenge: str | None


ReturnTarget: TypeAlias = AppTarget | AuthorizationRequest
"""An app's address, or the authorization request of a standard client."""


def describe_target(target: ReturnTarget) -> dict[str, Any]:
    """The target as columns of `OAuthState`."""
    return asdict(target) if isinstance(target, AppTarget) else {"authorization_request": target.to_json()}


def read_target(row: AnyRow, *, clients: Mapping[str, RegisteredClient]) -> ReturnTarget:
    """The target of a row of `OAuthState`. Raises `UntrustedRequest` when its client is not registered any more."""
    if row.authorization_request is None:
        return AppTarget(redirect_to=row.redirect_to, code_challenge=row.code_challenge)
    request = AuthorizationRequest.from_json(row.authorization_request)
    check_still_registered(request.address, clients=clients)
    return request
