"""Which clients are registered."""

from collections.abc import Mapping

from pydantic import Field, field_validator

from auth.standard_clients.registry import DEVELOPMENT_CLIENTS, RegisteredClient, origin_of, parse_clients
from webcommon.settings import ServiceSettings


class ClientSettings(ServiceSettings):
    """The part of Auth's settings that is about programs that sign people in by its page."""

    clients: str | None = Field(
        None,
        description="Programs that sign people in by /oauth2/authorize: client=redirect-uri, comma separated; one client"
        " may stand several times. In development the suite's own on localhost, in production none.",
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
        """The origins whose pages may use the cookie of a session: those that were registered for calls, and no more."""
        return super().allowed_origins

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `cors_origins`, and those that the clients' pages are at: a browser fetches the tokens from there."""
        clients = {
            origin_of(uri) for client in self.registered_clients.values() for uri in client.redirect_uris
        }
        listed = super().allowed_origins
        return [*listed, *sorted(clients.difference(listed))]
