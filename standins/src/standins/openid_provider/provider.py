"""The provider's rules: OpenID Connect Core 1.0, RFC 6749, RFC 7636 (S256 only) and RFC 9700; where they leave a choice,
Google's.
"""

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from standins.openid_provider.faults import Fault
from standins.openid_provider.keys import SigningKeys

CODE_SECONDS = 60
TOKEN_SECONDS = 3600

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, kw_only=True)
class Person:
    """An account at the provider."""

    subject: str
    email: str | None
    email_verified: bool = True
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Client:
    """The registered client."""

    id: str
    secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A valid authorization request."""

    redirect_uri: str
    state: str
    nonce: str
    challenge: str


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The request and the person of a code."""

    request: Request
    person: Person
    expires_at: float


class UnknownClient(Exception):
    """The client or its redirect URI is not registered. Shown on a page, never redirected (RFC 6749, 4.1.2.1)."""


class RequestRefused(Exception):
    """The request is invalid. `code` is sent to the client with its state."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class TokensRefused(Exception):
    """An error of the token endpoint (RFC 6749, section 5.2)."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.code = code
        self.status = status


class Provider:
    """The provider's state. `faults`: those to simulate now. `issued`: every secret that it has issued."""

    def __init__(self, *, issuer: str, client: Client, people: list[Person]) -> None:
        self.issuer = issuer
        self.client = client
        self.people = {person.subject: person for person in people}
        self.keys = SigningKeys()
        self.faults: set[Fault] = set()
        self.issued: list[str] = []
        self.revoked: list[str] = []
        self.calls: dict[str, int] = {}
        self._grants: dict[str, Grant] = {}
        self._used: dict[str, str] = {}

    def add(self, person: Person) -> Person:
        """Add an account, or replace it."""
        self.people[person.subject] = person
        return person

    def count(self, endpoint: str) -> None:
        """Count a call of an endpoint."""
        self.calls[endpoint] = self.calls.get(endpoint, 0) + 1

    def find_person(self, hint: str) -> Person | None:
        """The account with this subject or e-mail address."""
        by_email = (person for person in self.people.values() if person.email == hint)
        return self.people.get(hint) or next(by_email, None)

    def describe(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0, section 3)."""
        issuer = "https://elsewhere.example" if Fault.FOREIGN_DISCOVERY in self.faults else self.issuer
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "email", "profile"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }

    def check_request(self, query: dict[str, str]) -> Request:
        """The request behind a query. Raises `UnknownClient` and `RequestRefused`."""
        redirect_uri = query.get("redirect_uri", "")
        if query.get("client_id") != self.client.id:
            raise UnknownClient("client_id is not registered")
        if redirect_uri not in self.client.redirect_uris:
            raise UnknownClient("redirect_uri is not registered exactly so")
        if query.get("response_type") != "code":
            raise RequestRefused("unsupported_response_type", "response_type must be code")
        if "openid" not in query.get("scope", "").split(" "):
            raise RequestRefused("invalid_scope", "scope must contain openid")
        for name in ("state", "nonce"):
            if len(query.get(name, "")) < 16:
                raise RequestRefused("invalid_request", f"{name} is missing, or too short to be unguessable")
        if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
            query.get("code_challenge", "")
        ):
            raise RequestRefused("invalid_request", "a code_challenge of the method S256 is needed")
        return Request(
            redirect_uri=redirect_uri,
            state=query["state"],
            nonce=query["nonce"],
            challenge=query["code_challenge"],
        )

    def grant(self, request: Request, person: Person) -> str:
        """A one-time code for a person who signed in."""
        code = self._secret()
        self._grants[code] = Grant(request=request, person=person, expires_at=time.monotonic() + CODE_SECONDS)
        return code

    def redeem(self, form: dict[str, str], *, client_id: str, client_secret: str) -> dict[str, Any]:
        """The token response for a code. Raises `TokensRefused`. Reuse of a code revokes its access token."""
        self._check_client(client_id, client_secret)
        if form.get("grant_type") != "authorization_code":
            raise TokensRefused("unsupported_grant_type", "grant_type must be authorization_code")
        code = form.get("code", "")
        if code in self._used:
            self.revoked.append(self._used[code])
            raise TokensRefused("invalid_grant", "the code was used before")
        grant = self._grants.pop(code, None)
        if grant is None or grant.expires_at < time.monotonic() or Fault.CODE_REVOKED in self.faults:
            raise TokensRefused("invalid_grant", "the code is unknown or has expired")
        if form.get("redirect_uri") != grant.request.redirect_uri:
            raise TokensRefused("invalid_grant", "redirect_uri is not that of the request")
        if not _matches(form.get("code_verifier", ""), challenge=grant.request.challenge):
            raise TokensRefused("invalid_grant", "code_verifier does not match the code_challenge")
        access_token = self._secret()
        self._used[code] = access_token
        answer: dict[str, Any] = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "scope": "openid email profile",
        }
        if Fault.NO_ID_TOKEN not in self.faults:
            answer["id_token"] = self._sign_id_token(grant, access_token=access_token)
        return answer

    def revoke(self, token: str) -> None:
        """Revoke a token (RFC 7009)."""
        self.revoked.append(token)

    def _check_client(self, client_id: str, client_secret: str) -> None:
        known = client_id == self.client.id
        if not hmac.compare_digest(client_secret.encode(), self.client.secret.encode()) or not known:
            raise TokensRefused("invalid_client", "client authentication failed", status=401)

    def _sign_id_token(self, grant: Grant, *, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        person = grant.person
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "azp": self.client.id,
            "aud": self.client.id,
            "sub": person.subject,
            "at_hash": base64.urlsafe_b64encode(half).rstrip(b"=").decode(),
            "nonce": grant.request.nonce,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        if person.email is not None:
            claims |= {"email": person.email, "email_verified": person.email_verified}
        if person.name:
            claims["name"] = person.name
        claims = apply_faults(claims, faults=self.faults, now=now)
        token = self.keys.sign(claims, faults=self.faults, client_secret=self.client.secret)
        self.issued.append(token)
        return token

    def _secret(self) -> str:
        value = secrets.token_urlsafe(32)
        self.issued.append(value)
        return value


def apply_faults(claims: dict[str, Any], *, faults: set[Fault], now: int) -> dict[str, Any]:
    """The claims as the faults change them. Claims that become None are left out."""
    changes: dict[Fault, dict[str, Any]] = {
        Fault.WRONG_AUDIENCE: {"aud": "another-client", "azp": None},
        Fault.SECOND_AUDIENCE: {"aud": [claims["aud"], "another-client"], "azp": None},
        Fault.WRONG_AUTHORIZED_PARTY: {"azp": "another-client"},
        Fault.WRONG_ISSUER: {"iss": "https://elsewhere.example"},
        Fault.WRONG_NONCE: {"nonce": secrets.token_urlsafe(32)},
        Fault.NO_NONCE: {"nonce": None},
        Fault.EXPIRED: {"iat": now - 400, "exp": now - 300},
        Fault.NO_EXPIRY: {"exp": None},
        Fault.ISSUED_LATER: {"iat": now + 600},
        Fault.ISSUED_LONG_AGO: {"iat": now - 86_400},
        Fault.NO_SUBJECT: {"sub": None},
    }
    for fault in faults:
        claims = claims | changes.get(fault, {})
    return {name: value for name, value in claims.items() if value is not None}


def _matches(verifier: str, *, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)
