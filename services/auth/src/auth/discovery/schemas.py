"""Bodies of the discovery routes."""

from typing import Literal

from pydantic import Field

from webcommon.schemas import ResponseBody


class JsonWebKey(ResponseBody):
    """A public key (RFC 7517)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    use: Literal["sig"]
    alg: Literal["ES256"]
    kid: str


class JsonWebKeySet(ResponseBody):
    """Every key that tokens may be signed with now, lately, or soon."""

    keys: list[JsonWebKey]


class ProviderConfiguration(ResponseBody):
    """OpenID Connect Discovery 1.0, section 3, as far as it is true of this service.

    Lists are empty rather than absent where absence stands for a default that would be untrue.
    """

    issuer: str = Field(examples=["http://localhost:5500"])
    jwks_uri: str = Field(examples=["http://localhost:5500/.well-known/jwks.json"])
    subject_types_supported: list[Literal["public"]] = Field(default=["public"])
    response_types_supported: list[str] = Field(default=[])
    response_modes_supported: list[str] = Field(default=[])
    grant_types_supported: list[str] = Field(default=[])
    request_uri_parameter_supported: bool = False
