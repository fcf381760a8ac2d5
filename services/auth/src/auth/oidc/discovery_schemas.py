"""Bodies of the discovery routes."""

from typing import Literal, Self

from pydantic import Field

from auth.oidc.authorization_requests import PROMPTS, SCOPES
from auth.oidc.id_tokens import CLAIMS_SUPPORTED
from webcommon.api.schemas import ResponseBody
from webcommon.auth.bearer import ALGORITHM


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
    """The active signing key, the next one, and retired ones whose tokens are still valid."""

    keys: list[JsonWebKey]


class ProviderConfiguration(ResponseBody):
    """The provider's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414)."""

    issuer: str = Field(examples=["http://localhost:5500"])
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    introspection_endpoint: str
    revocation_endpoint: str
    jwks_uri: str = Field(examples=["http://localhost:5500/.well-known/jwks.json"])
    scopes_supported: list[str] = Field(list(SCOPES))
    response_types_supported: list[str] = Field(["code"])
    response_modes_supported: list[str] = Field(["query"])
    grant_types_supported: list[str] = Field(["authorization_code", "refresh_token"])
    subject_types_supported: list[Literal["public"]] = Field(["public"])
    id_token_signing_alg_values_supported: list[str] = Field([ALGORITHM])
    token_endpoint_auth_methods_supported: list[str] = Field(["none"])
    revocation_endpoint_auth_methods_supported: list[str] = Field(["none"])
    introspection_endpoint_auth_methods_supported: list[str] = Field(
        ["none", "Bearer"],
        description="none: a client, for its own tokens. Bearer: an access token of the same account, or of an administrator.",
    )
    code_challenge_methods_supported: list[str] = Field(["S256"])
    claim_types_supported: list[str] = Field(["normal"])
    claims_supported: list[str] = Field(list(CLAIMS_SUPPORTED))
    prompt_values_supported: list[str] = Field(list(PROMPTS))
    authorization_response_iss_parameter_supported: bool = True
    claims_parameter_supported: bool = False
    request_parameter_supported: bool = False
    request_uri_parameter_supported: bool = False

    @classmethod
    def of_issuer(cls, issuer: str) -> Self:
        """The metadata of the issuer with this URL."""
        base = issuer.rstrip("/")
        return cls(
            issuer=issuer,
            authorization_endpoint=f"{base}/oauth2/authorize",
            token_endpoint=f"{base}/oauth2/token",
            userinfo_endpoint=f"{base}/oauth2/userinfo",
            introspection_endpoint=f"{base}/oauth2/introspect",
            revocation_endpoint=f"{base}/oauth2/revoke",
            jwks_uri=f"{base}/.well-known/jwks.json",
        )
