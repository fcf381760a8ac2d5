"""Routes under `/.well-known`."""

from fastapi import APIRouter, Response

from auth.keys.dependencies import KeyringDep
from auth.keys.errors import KeysNotReady
from auth.oidc.discovery_schemas import JsonWebKey, JsonWebKeySet, ProviderConfiguration
from auth.settings import SettingsDep
from webcommon.api.problems import ServiceUnavailable, problem_responses

router = APIRouter(tags=["discovery"])

CACHE_SECONDS = 300
"""How long clients may cache the documents. A new key is published for longer before it signs."""


@router.head("/.well-known/openid-configuration", include_in_schema=False)
@router.head("/.well-known/oauth-authorization-server", include_in_schema=False)
@router.get("/.well-known/openid-configuration", operation_id="read_provider_configuration")
@router.get("/.well-known/oauth-authorization-server", operation_id="read_server_metadata")
async def read_provider_configuration(response: Response, settings: SettingsDep) -> ProviderConfiguration:
    """The provider's metadata (OpenID Connect Discovery 1.0, RFC 8414)."""
    _allow_caching(response)
    return ProviderConfiguration.of_issuer(settings.auth_issuer)


@router.head("/.well-known/jwks.json", include_in_schema=False)
@router.get(
    "/.well-known/jwks.json",
    operation_id="read_keys",
    responses=problem_responses(ServiceUnavailable, KeysNotReady),
)
async def read_keys(response: Response, keyring: KeyringDep) -> JsonWebKeySet:
    """The public keys of access and ID tokens."""
    documents = await keyring.read_documents()
    _allow_caching(response)
    return JsonWebKeySet(keys=[JsonWebKey.model_validate(document) for document in documents])


def _allow_caching(response: Response) -> None:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
