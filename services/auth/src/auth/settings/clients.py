"""Settings of the registered clients: public clients with exact redirect URIs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from webcommon.settings import DatabaseServiceSettings

DEVELOPMENT_CLIENTS = ",".join(
    f"{client}=http://{host}:{port}/callback"
    for client, port in (("videovault-web", 5100), ("l2p-web", 3001), ("payment-web", 3004))
    for host in ("localhost", "127.0.0.1")
)
"""The default of `AUTH_CLIENTS` in development."""

_NAMES = {"videovault-web": "VideoVault", "l2p-web": "Learn2Play", "payment-web": "Payments"}

_CLIENT_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,512}")
_HOST = re.compile(r"[a-z0-9.-]+(:[0-9]{1,5})?")
_LOOPBACK = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True, kw_only=True)
class RegisteredClient:
    """A public client (RFC 6749, section 2.1) with its redirect URIs."""

    client_id: str
    redirect_uris: frozenset[str]

    @property
    def name(self) -> str:
        """Its name on the sign-in page."""
        return _NAMES.get(self.client_id, self.client_id)


def parse_clients(text: str) -> Mapping[str, RegisteredClient]:
    """The clients of a comma separated list of `client=redirect-uri`, in which a client may be repeated.

    Raises `ValueError`, which names the first invalid entry.
    """
    found: dict[str, set[str]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        client_id, _, uri = entry.partition("=")
        error = _find_error(client_id, uri)
        if error is not None:
            raise ValueError(f"{entry!r}: {error}; write client=https://host/path, comma separated")
        found.setdefault(client_id, set()).add(uri)
    return {
        client_id: RegisteredClient(client_id=client_id, redirect_uris=frozenset(uris))
        for client_id, uris in found.items()
    }


def origin_of(uri: str) -> str:
    """Scheme, host and port of a registered redirect URI, as browsers write an origin."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}"


def _find_error(client_id: str, uri: str) -> str | None:
    if not _CLIENT_ID.fullmatch(client_id):
        return "the client's id may have lower case letters, digits, '-', '.' and '_'"
    if client_id == FIRST_PARTY_CLIENT:
        return f"{FIRST_PARTY_CLIENT!r} is reserved for sign-ins without a client"
    if not _VISIBLE.fullmatch(uri) or "*" in uri or "\\" in uri:
        return "the redirect URI has to be visible ASCII without * and \\"
    parts = urlsplit(uri) if "[" not in uri else None
    if parts is None or not _HOST.fullmatch(parts.netloc) or "#" in uri:
        return "the redirect URI needs a host in lower case, and no user and no fragment"
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return "the redirect URI has to be https, or http on localhost or 127.0.0.1"
    return None


FIRST_PARTY_CLIENT = "quartet"
"""`client_id` of sign-ins without a registered client."""

EVERY_SCOPE = "openid profile email"
"""The scope of sign-ins without a registered client; a client may request less. It selects the claims of ID tokens and
userinfo."""


class ClientSettings(DatabaseServiceSettings):
    """Auth's settings for registered clients."""

    clients: str | None = Field(
        None,
        description="Clients of /oauth2/authorize: client=redirect-uri, comma separated; a client may be repeated. By default"
        " the suite's own on localhost in development, none in production.",
    )

    @field_validator("clients")
    @classmethod
    def _check_clients(cls, text: str | None) -> str | None:
        if text is not None:
            parse_clients(text)
        return text

    @property
    def registered_clients(self) -> Mapping[str, RegisteredClient]:
        """The clients by their ids."""
        if self.clients is None:
            return parse_clients(DEVELOPMENT_CLIENTS if self.environment == "development" else "")
        return parse_clients(self.clients)

    @property
    def cookie_origins(self) -> list[str]:
        """The origins whose pages may use the cookie of a session: those of `cors_origins`."""
        return super().allowed_origins

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `cors_origins` and of the clients' redirect URIs, whose pages fetch tokens."""
        clients = {
            origin_of(uri) for client in self.registered_clients.values() for uri in client.redirect_uris
        }
        listed = super().allowed_origins
        return [*listed, *sorted(clients.difference(listed))]
