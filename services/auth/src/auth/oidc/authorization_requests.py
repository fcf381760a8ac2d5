"""Authorization requests of clients (RFC 6749 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1)."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote, urlencode

from auth.oidc.errors import AuthorizationRefusal, UntrustedRequest
from auth.oidc.parameters import RepeatedParameters, describe_repeated, parse_parameters
from auth.settings.clients import EVERY_SCOPE, RegisteredClient

SCOPES = tuple(EVERY_SCOPE.split())

PROMPTS = ("none", "login", "consent", "select_account")
"""Every value but `none` gets the sign-in page, which covers them all."""

LONGEST_STATE = 2048
LONGEST_NONCE = 512
_LONGEST_HINT = 320

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_SECONDS = re.compile(r"[0-9]{1,10}")
_UNSUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}


@dataclass(frozen=True, kw_only=True)
class ReturnAddress:
    """Where the browser is redirected to, with which state. Client and redirect URI are registered."""

    client_id: str
    redirect_uri: str
    state: str | None = None

    def with_answer(self, *, issuer: str, **answer: str) -> str:
        """The redirect URI with an answer; `iss` names this server (RFC 9207)."""
        parameters = {**answer, "iss": issuer}
        if self.state is not None:
            parameters["state"] = self.state
        separator = "&" if "?" in self.redirect_uri else "?"
        return self.redirect_uri + separator + urlencode(parameters, quote_via=quote, safe="")


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """A valid request for a code."""

    address: ReturnAddress
    scope: str
    code_challenge: str
    nonce: str | None = None
    login_hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The request as a JSON object."""
        return asdict(self)

    def to_query(self) -> str:
        """The request as a query."""
        parameters = {
            "response_type": "code",
            "client_id": self.address.client_id,
            "redirect_uri": self.address.redirect_uri,
            "state": self.address.state,
            "scope": self.scope,
            "code_challenge": self.code_challenge,
            "code_challenge_method": "S256",
            "nonce": self.nonce,
            "login_hint": self.login_hint,
        }
        return urlencode({name: value for name, value in parameters.items() if value})

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "AuthorizationRequest":
        """The request of `to_json`."""
        return cls(**{**content, "address": ReturnAddress(**content["address"])})


def read_query(text: str) -> tuple[dict[str, str], frozenset[str]]:
    """The parameters of an authorization request, and the names of repeated ones. Raises `UntrustedRequest`."""
    try:
        return parse_parameters(text), frozenset()
    except RepeatedParameters as error:
        return error.parameters, error.names
    except ValueError as error:
        raise UntrustedRequest("invalid_request", str(error)) from None


def find_return_address(
    parameters: Mapping[str, str], repeated: frozenset[str], *, clients: Mapping[str, RegisteredClient]
) -> ReturnAddress:
    """Where answers and errors may be sent. Raises `UntrustedRequest` if they may not be sent anywhere."""
    client_id, redirect_uri = parameters.get("client_id"), parameters.get("redirect_uri")
    client = clients.get(client_id or "")
    if client is None:
        raise UntrustedRequest("invalid_client", "the app that sent you here is not registered (client_id)")
    if redirect_uri not in client.redirect_uris:
        raise UntrustedRequest(
            "invalid_redirect_uri", "the address to send you back to is not registered (redirect_uri)"
        )
    state = parameters.get("state")
    if state is None or "state" in repeated or not _is_printable(state, longest=LONGEST_STATE):
        state = None
    return ReturnAddress(client_id=client.client_id, redirect_uri=redirect_uri, state=state)


def check_still_registered(address: ReturnAddress, *, clients: Mapping[str, RegisteredClient]) -> None:
    """Raises `UntrustedRequest` when the client or its redirect URI is not registered any more."""
    parameters = {"client_id": address.client_id, "redirect_uri": address.redirect_uri}
    find_return_address(parameters, frozenset(), clients=clients)


def check_request(
    parameters: Mapping[str, str], repeated: frozenset[str], *, address: ReturnAddress
) -> AuthorizationRequest:
    """The valid request. Raises `AuthorizationRefusal`."""
    if repeated:
        raise _invalid(describe_repeated(repeated))
    for name, error in _UNSUPPORTED.items():
        if name in parameters:
            raise AuthorizationRefusal(error, f"{name} is not supported")
    _check_response(parameters)
    _check_texts(parameters)
    _check_prompt(parameters)
    return AuthorizationRequest(
        address=address,
        scope=_read_scope(parameters.get("scope")),
        code_challenge=_read_challenge(parameters),
        nonce=parameters.get("nonce"),
        login_hint=parameters.get("login_hint", "")[:_LONGEST_HINT],
    )


def _check_response(parameters: Mapping[str, str]) -> None:
    if "response_type" not in parameters:
        raise _invalid("response_type is missing")
    if parameters["response_type"] != "code":
        raise AuthorizationRefusal("unsupported_response_type", "response_type has to be code")
    if parameters.get("response_mode", "query") != "query":
        raise _invalid("response_mode has to be query")


def _check_texts(parameters: Mapping[str, str]) -> None:
    for name, longest in (("state", LONGEST_STATE), ("nonce", LONGEST_NONCE)):
        if not _is_printable(parameters.get(name, ""), longest=longest):
            raise _invalid(f"{name} has to be printable ASCII, {longest} characters at most")
    if not _SECONDS.fullmatch(parameters.get("max_age", "0")):
        raise _invalid("max_age has to be a number of seconds")


def _check_prompt(parameters: Mapping[str, str]) -> None:
    prompts = parameters.get("prompt", "").split()
    if not set(prompts) <= set(PROMPTS) or ("none" in prompts and len(prompts) > 1):
        raise _invalid(f"prompt has to be of {', '.join(PROMPTS)}; none cannot be combined")
    if prompts == ["none"]:
        # This service keeps no session of its own: each client has one.
        raise AuthorizationRefusal("login_required", "the person has to sign in")


def _read_scope(text: str | None) -> str:
    # Unknown scopes are ignored (OpenID Connect Core, 3.1.2.1); the token response names the granted ones.
    requested = EVERY_SCOPE if text is None else text
    granted = [scope for scope in SCOPES if scope in requested.split(" ")]
    if not granted:
        raise AuthorizationRefusal("invalid_scope", f"scope has to be of {', '.join(SCOPES)}")
    return " ".join(granted)


def _read_challenge(parameters: Mapping[str, str]) -> str:
    challenge = parameters.get("code_challenge")
    if challenge is None:
        raise _invalid("code_challenge is missing: PKCE is required (RFC 7636)")
    if parameters.get("code_challenge_method") != "S256":
        raise _invalid("code_challenge_method has to be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise _invalid("code_challenge has to be 43 characters of base64url")
    return challenge


def _is_printable(text: str, *, longest: int) -> bool:
    return len(text) <= longest and _PRINTABLE.fullmatch(text) is not None


def _invalid(description: str) -> AuthorizationRefusal:
    return AuthorizationRefusal("invalid_request", description)
