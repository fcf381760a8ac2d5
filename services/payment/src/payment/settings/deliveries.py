"""Settings of outgoing webhooks."""

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import Field, field_validator

from webcommon.settings import DatabaseServiceSettings


class DeliverySettings(DatabaseServiceSettings):
    """Payment's settings for the events that it sends."""

    delivery_seconds: float = Field(
        1, ge=0.05, le=3600, description="How often events that are due at webhook endpoints are looked for."
    )
    delivery_timeout_seconds: float = Field(
        10, ge=0.1, le=60, description="How long the request to a webhook endpoint may take as a whole."
    )
    delivery_networks: str = Field(
        "",
        description="Networks that webhook endpoints may be in although they are not public, comma separated, such as "
        "10.1.0.0/16.",
    )

    @field_validator("delivery_networks")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        _read_networks(text)
        return text

    @property
    def allowed_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `delivery_networks`."""
        return _read_networks(self.delivery_networks)


def _read_networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
