"""The authorization endpoint. Its page works without script, and no URL has a token."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from auth.oidc.authorization_requests import (
    AuthorizationRequest,
    check_request,
    find_return_address,
    read_query,
)
from auth.oidc.dependencies import StandardClients, StandardClientsDep
from auth.oidc.errors import AuthorizationRefusal, OAuthRefusal, UntrustedRequest
from auth.oidc.parameters import read_form_text
from auth.oidc.responses import answer_with_page, send_back
from auth.oidc.sign_in_page import show_untrusted
from auth.web.pages import page_responses

router = APIRouter(tags=["standard clients"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **page_responses(
        {200: "The sign-in page.", 400: "A page: the client or its redirect URI is not registered."}
    ),
    302: {"description": "An error, for the client: `error`, `error_description`, `state`, `iss`."},
}

_QUERY = [
    {
        "name": name,
        "in": "query",
        "required": required,
        "schema": {"type": "string"},
        "description": description,
    }
    for name, required, description in (
        ("response_type", True, "`code`"),
        ("client_id", True, "A registered client."),
        ("redirect_uri", True, "One of the client's registered URIs, exactly."),
        ("code_challenge", True, "PKCE (RFC 7636): base64url of the verifier's SHA-256."),
        ("code_challenge_method", True, "`S256`"),
        ("scope", False, "Of `openid profile email`; all of them by default."),
        ("state", False, "Returned unchanged."),
        ("nonce", False, "Returned in the ID token."),
        ("prompt", False, "`none`, `login`, `consent`, `select_account`"),
        ("max_age", False, "Seconds; the person always signs in anew."),
        ("login_hint", False, "Prefills the form."),
    )
]


@router.get(
    "/oauth2/authorize",
    operation_id="show_sign_in_page",
    response_class=HTMLResponse,
    responses=_ANSWERS,
    openapi_extra={"parameters": _QUERY},
)
async def show_sign_in_page(request: Request, clients: StandardClientsDep) -> Response:
    """Request an authorization code (RFC 6749, 4.1; PKCE with S256 is required). Answers the sign-in page.

    An unknown client or redirect URI is shown on a page (400); other errors are sent to the client.
    """
    authorization = _read(request.url.query, clients=clients)
    return (
        authorization
        if isinstance(authorization, Response)
        else answer_with_page(request, authorization, clients=clients)
    )


@router.post("/oauth2/authorize", include_in_schema=False)
async def redirect_form_to_sign_in_page(request: Request, clients: StandardClientsDep) -> Response:
    """The same with the parameters in a form (OpenID Connect Core 3.1.2.1). Redirects to the GET: a browser sends no cookie
    with another site's form, and a new one would break a page that is open in another tab. Unknown parameters are
    dropped, so that the URL is not too long."""
    try:
        authorization = _read(await read_form_text(request), clients=clients)
    except OAuthRefusal as refusal:
        return show_untrusted(UntrustedRequest(refusal.error, refusal.description))
    if isinstance(authorization, Response):
        return authorization
    # Relative, since a proxy may add a prefix.
    return RedirectResponse(
        f"?{authorization.to_query()}", status_code=303, headers={"Cache-Control": "no-store"}
    )


def _read(text: str, *, clients: StandardClients) -> AuthorizationRequest | Response:
    """The authorization request, or the response to an invalid one."""
    try:
        parameters, repeated = read_query(text)
        address = find_return_address(parameters, repeated, clients=clients.registered)
    except UntrustedRequest as refusal:
        return show_untrusted(refusal)
    try:
        return check_request(parameters, repeated, address=address)
    except AuthorizationRefusal as refusal:
        return send_back(
            address, clients=clients, status=302, error=refusal.error, error_description=refusal.description
        )
