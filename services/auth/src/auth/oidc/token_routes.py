"""The endpoints that clients call directly: token, userinfo, introspect, revoke."""

import base64
import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import unquote_plus

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from starlette.responses import Response

from auth.errors import SessionEnded
from auth.mail.dependencies import OutboxDep
from auth.oidc import repository
from auth.oidc.dependencies import StandardClientsDep
from auth.oidc.errors import NOT_STORED, OAuthRefusal, TemporarilyUnavailable
from auth.oidc.id_tokens import choose_claims
from auth.oidc.introspection import IssuedTokens
from auth.oidc.parameters import FORM, read_form
from auth.oidc.schemas import ClientTokens, Introspection, OAuthError, UserInfo
from auth.oidc.token_service import TokenEndpoint, identify_client, require_parameter
from auth.sessions.current_user import get_current_user
from auth.sessions.dependencies import TokensDep
from dbcommon.errors import DatabaseError
from dbcommon.session import DatabaseDep
from webcommon.api.problems import Forbidden, ServiceUnavailable, Unauthorized, problem_responses
from webcommon.auth.bearer import BearerToken, CallerDep, read_bearer_token

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/oauth2", tags=["standard clients"])

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthError, "description": "Refused (RFC 6749, section 5.2)."},
    503: {"model": OAuthError, "description": "Temporarily unavailable: `temporarily_unavailable`."},
}
_UNKNOWN_CLIENT: dict[int | str, dict[str, Any]] = {
    401: {"model": OAuthError, "description": "The client is not registered: `invalid_client`."}
}


def _form_of(*required: str, **optional: str) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in (*required, *optional)}
    for name, description in optional.items():
        properties[name]["description"] = description
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


async def get_token_endpoint(
    database: DatabaseDep, tokens: TokensDep, outbox: OutboxDep, clients: StandardClientsDep
) -> TokenEndpoint:
    """The token endpoint of this application."""
    return TokenEndpoint(database=database, tokens=tokens, outbox=outbox, clients=clients)


async def get_issued_tokens(
    request: Request, database: DatabaseDep, tokens: TokensDep, clients: StandardClientsDep
) -> IssuedTokens:
    """Introspects and revokes tokens."""
    return IssuedTokens(
        database=database, codec=tokens.refresh, verifier=request.app.verifier, issuer=clients.issuer
    )


IssuedTokensDep = Annotated[IssuedTokens, Depends(get_issued_tokens)]


@router.post(
    "/token",
    operation_id="exchange_grant",
    response_model=ClientTokens,
    responses=_REFUSED | _UNKNOWN_CLIENT,
    openapi_extra=_form_of(
        "grant_type",
        "client_id",
        code="For `authorization_code`, like the next two.",
        redirect_uri="The one of the authorization request.",
        code_verifier="PKCE (RFC 7636).",
        refresh_token="For `refresh_token`.",  # noqa: S106 - a description
        scope="For `refresh_token`: the scope of the new tokens, within the session's.",
    ),
)
async def exchange_grant(
    request: Request, endpoint: Annotated[TokenEndpoint, Depends(get_token_endpoint)]
) -> Response:
    """Tokens for an authorization code or a refresh token (RFC 6749; clients have no secret)."""

    async def answer() -> Response:
        parameters = await _read_client_form(request)
        return _write(await endpoint.answer(parameters))

    return await _or_refusal(answer)


@router.post(
    "/introspect",
    operation_id="introspect_token",
    response_model=Introspection,
    responses=_REFUSED | {401: problem_responses(SessionEnded)[401] | _UNKNOWN_CLIENT[401]},
    openapi_extra={
        "security": [{"AccessToken": []}, {}],
        **_form_of(
            "token",
            client_id="The client, when it asks without an access token about a token of its own.",
            token_type_hint="Not needed: the kind is recognised by itself.",  # noqa: S106
        ),
    },
)
async def introspect_token(
    request: Request, database: DatabaseDep, clients: StandardClientsDep, issued: IssuedTokensDep
) -> Response:
    """The state of an access or refresh token (RFC 7662). A caller with an access token sees the tokens of its own account,
    an administrator all of them, a client those that were issued to it. Any other token is `{"active": false}`."""

    async def answer() -> Response:
        shows_token = read_bearer_token(request) is not None
        caller = await get_current_user(await BearerToken()(request), database) if shows_token else None
        parameters = await _read_client_form(request)
        if caller is None and "client_id" not in parameters:
            raise Unauthorized("Send an access token, or the client_id that the token was issued to.")
        by = caller or identify_client(parameters, clients=clients)
        return _write(await issued.introspect(require_parameter(parameters, "token"), by=by))

    return await _or_refusal(answer)


@router.post(
    "/revoke",
    operation_id="revoke_token",
    status_code=200,
    responses=_REFUSED
    | _UNKNOWN_CLIENT
    | {200: {"description": "The token is not valid any more.", "content": {}}},
    response_class=Response,
    openapi_extra=_form_of(
        "token",
        client_id="The client that the token was issued to.",
        token_type_hint="Not needed: the kind is recognised by itself.",  # noqa: S106
    ),
)
async def revoke_token(request: Request, clients: StandardClientsDep, issued: IssuedTokensDep) -> Response:
    """End the session of an access or refresh token (RFC 7009). 200 for an unknown one too."""

    async def answer() -> Response:
        parameters = await _read_client_form(request)
        client_id = identify_client(parameters, clients=clients) if "client_id" in parameters else None
        await issued.revoke(require_parameter(parameters, "token"), client_id=client_id)
        return Response(status_code=200, headers=NOT_STORED)

    return await _or_refusal(answer)


@router.get(
    "/userinfo",
    operation_id="read_userinfo",
    response_model=UserInfo,
    responses=problem_responses(SessionEnded, Forbidden),
)
@router.post(
    "/userinfo",
    operation_id="request_userinfo",
    response_model=UserInfo,
    responses=problem_responses(SessionEnded, Forbidden),
)
async def read_userinfo(caller: CallerDep, database: DatabaseDep) -> Response:
    """Claims of the caller's account, limited by the scope of the access token (OpenID Connect Core, 5.3)."""
    found = await repository.find_claims(database, session_id=caller.session_id, user_id=caller.id)
    if found is None:
        raise SessionEnded
    if "openid" not in caller.scope.split():
        challenge = 'Bearer error="insufficient_scope", scope="openid"'
        raise Forbidden("This needs the scope openid.", headers={"WWW-Authenticate": challenge})
    known = {
        "preferred_username": found["username"],
        "updated_at": int(found["updated_at"].timestamp()),
        "email": found["email"],
        "email_verified": found["email_verified"],
    }
    return _write(UserInfo(sub=caller.id, **choose_claims(known, scope=caller.scope)))


async def _read_client_form(request: Request) -> dict[str, str]:
    """The form, with the client of a Basic header. Raises `OAuthRefusal` for a secret: clients are public."""
    form = await read_form(request)
    named = _read_basic_client(request.headers.get("authorization", ""))
    if named is None:
        return form
    if form.setdefault("client_id", named) != named:
        raise OAuthRefusal("invalid_client", "the form and the Authorization header name two clients")
    return form


def _read_basic_client(header: str) -> str | None:
    """The client of `Basic client_id:`, which some libraries send for a public client (RFC 6749, 2.3.1)."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, colon, secret = (
            base64.b64decode(credentials.strip(" "), validate=True).decode().partition(":")
        )
    except ValueError:
        client_id, colon, secret = "", "", ""
    if not client_id or not colon or secret:
        raise OAuthRefusal("invalid_client", "clients have no secret: send client_id in the form")
    return unquote_plus(client_id)


async def _or_refusal(answer: Callable[[], Awaitable[Response]]) -> Response:
    try:
        return await answer()
    except OAuthRefusal as refusal:
        return refusal.answer()
    except DatabaseError as error:
        logger.warning("%s: %s", type(error).__name__, error)
        return TemporarilyUnavailable(retry_after=error.retry_after).answer()
    except ServiceUnavailable as problem:
        return TemporarilyUnavailable(retry_after=int(problem.headers["Retry-After"])).answer()


def _write(body: BaseModel) -> Response:
    text = body.model_dump_json(exclude_none=True)
    return Response(text, media_type="application/json", headers=NOT_STORED)
