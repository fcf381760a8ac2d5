"""Authlib's client with Auth, configured with issuer URL and client id only."""

import warnings
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.common.security import generate_token

from tests.documented import checking
from tests.services.auth.auth_app import AuthDatabase, bearer, make_app, register
from tests.services.auth.oidc.standard_client import send_page
from tests.services.auth.serving import serving

with warnings.catch_warnings(record=True):
    # It says which HTTP client it would rather have.
    from authlib.integrations.starlette_client import OAuth

CLIENT = "l2p-web"
REDIRECT_URI = "https://play.example.com/signed-in"


@pytest.fixture
async def issuer(auth_database: AuthDatabase) -> AsyncIterator[str]:
    async with serving(
        lambda url: make_app(auth_database.settings, auth_issuer=url, clients=f"{CLIENT}={REDIRECT_URI}")
    ) as url:
        yield url


def find_client(issuer: str, *, document: str = "openid-configuration") -> Any:
    """The client, as an application configures it."""
    return OAuth().register(
        "auth",
        client_id=CLIENT,
        server_metadata_url=f"{issuer}/.well-known/{document}",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server"])
async def test_a_client_signs_in_by_discovery_alone(issuer: str, document: str) -> None:
    client = find_client(issuer, document=document)
    async with httpx.AsyncClient(
        base_url=issuer, follow_redirects=False, event_hooks=checking("auth")
    ) as browser:
        person = await register(browser)
        begun = await client.create_authorization_url(REDIRECT_URI, nonce=generate_token(20))
        landed = await send_page(browser, await browser.get(begun["url"]), person)
        assert landed.status_code == 303
        answer = {
            name: values[0] for name, values in parse_qs(urlsplit(landed.headers["location"]).query).items()
        }
        assert (answer["state"], answer["iss"]) == (begun["state"], issuer)
        token = await client.fetch_access_token(
            REDIRECT_URI, code=answer["code"], code_verifier=begun["code_verifier"]
        )
        identity = await client.parse_id_token(token, nonce=begun["nonce"])
        told = await client.userinfo(token=token)
        assert identity["sub"] == told["sub"]
        assert (told["email"], told["preferred_username"]) == (person.email, person.username)

        metadata = await client.load_server_metadata()
        session = client._get_oauth_client(**metadata)  # noqa: SLF001 - the plain OAuth client behind it
        async with session:
            session.token = token
            refreshed = await session.refresh_token(metadata["token_endpoint"])
            assert refreshed["refresh_token"] != token["refresh_token"]
            seen = await session.introspect_token(
                metadata["introspection_endpoint"],
                token=refreshed["refresh_token"],
            )
            assert (seen.json()["active"], seen.json()["client_id"]) == (True, CLIENT)
            gone = await session.revoke_token(
                metadata["revocation_endpoint"], token=refreshed["refresh_token"]
            )
            assert gone.status_code == 200
        me = await browser.get("/v1/users/me", headers=bearer(refreshed["access_token"]))
        assert me.status_code == 401


async def test_a_wrong_nonce_or_another_client_does_not_pass(issuer: str) -> None:
    client = find_client(issuer)
    async with httpx.AsyncClient(base_url=issuer, event_hooks=checking("auth")) as browser:
        person = await register(browser)
        begun = await client.create_authorization_url(REDIRECT_URI, nonce=generate_token(20))
        landed = await send_page(browser, await browser.get(begun["url"]), person)
        code = parse_qs(urlsplit(landed.headers["location"]).query)["code"][0]
        token = await client.fetch_access_token(REDIRECT_URI, code=code, code_verifier=begun["code_verifier"])
        with pytest.raises(Exception, match="nonce"):
            await client.parse_id_token(token, nonce="another")
        client.client_id = "payment-web"
        with pytest.raises(Exception, match=r"aud|azp|client"):
            await client.parse_id_token(token, nonce=begun["nonce"])


async def test_discovery_tells_the_truth(issuer: str) -> None:
    async with httpx.AsyncClient(base_url=issuer, event_hooks=checking("auth")) as client:
        documents = [
            (await client.get(f"/.well-known/{name}")).json()
            for name in ("openid-configuration", "oauth-authorization-server")
        ]
        assert documents[0] == documents[1]
        found = documents[0]
        assert found["issuer"] == issuer
        for name, value in found.items():
            if name.endswith(("_endpoint", "_uri")):
                assert value.startswith(issuer + "/")
                assert (await client.options(value)).status_code == 405, "the path is there"
        assert found["code_challenge_methods_supported"] == ["S256"]
        assert found["token_endpoint_auth_methods_supported"] == ["none"]
        assert found["id_token_signing_alg_values_supported"] == ["ES256"]
        assert found["authorization_response_iss_parameter_supported"] is True
