"""The stand-in for Google is as strict as Google: one error, and a client gets nothing."""

import asyncio
import base64
import hashlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from jose import jwt

from standins.openid_provider.faults import Fault
from standins.openid_provider.provider import Person, Provider
from standins.openid_provider.server import running_provider
from tests.clients import certificates

REDIRECT_URI = "http://localhost:9/back"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ADA = Person(subject="1", email="ada@example.com", name="Ada")


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[Provider]:
    async with running_provider(redirect_uris=[REDIRECT_URI], people=[ADA]) as standin:
        yield standin


@pytest.fixture
async def client(provider: Provider) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=provider.issuer, verify=certificates()) as one:
        yield one


def request_of(provider: Provider, **changed: str | None) -> dict[str, str]:
    query = {
        "client_id": provider.client.id,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "openid email",
        "state": "s" * 43,
        "nonce": "n" * 43,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "login_hint": "ada@example.com",
    } | changed
    return {name: value for name, value in query.items() if value is not None}


def form_of(provider: Provider, code: str, /, **changed: str | None) -> dict[str, str]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_id": provider.client.id,
        "client_secret": provider.client.secret,
    } | changed
    return {name: value for name, value in form.items() if value is not None}


async def get_code(client: httpx.AsyncClient, provider: Provider) -> str:
    response = await client.get("/authorize", params=request_of(provider))
    location = httpx.URL(response.headers["location"])
    assert location.params["state"] == "s" * 43
    return location.params["code"]


async def redeem(client: httpx.AsyncClient, form: dict[str, str], **more: Any) -> httpx.Response:
    return await client.post("/token", data=form, **more)


async def test_a_correct_client_gets_a_signed_token(client: httpx.AsyncClient, provider: Provider) -> None:
    document = (await client.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == provider.issuer
    answer = (await redeem(client, form_of(provider, await get_code(client, provider)))).json()
    keys = (await client.get(document["jwks_uri"])).json()
    claims = jwt.decode(
        answer["id_token"],
        keys,
        algorithms=["RS256"],
        audience=provider.client.id,
        issuer=provider.issuer,
        access_token=answer["access_token"],
    )
    assert (claims["sub"], claims["nonce"], claims["email_verified"]) == ("1", "n" * 43, True)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": "another"}, None),
        ({"redirect_uri": f"{REDIRECT_URI}/"}, None),
        ({"redirect_uri": f"{REDIRECT_URI}?a=1"}, None),
        ({"redirect_uri": None}, None),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"state": None}, "invalid_request"),
        ({"nonce": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
async def test_a_request_with_one_error_is_refused(
    client: httpx.AsyncClient, provider: Provider, changed: dict[str, str | None], error: str | None
) -> None:
    response = await client.get("/authorize", params=request_of(provider, **changed))
    if error is None:
        assert (response.status_code, response.headers.get("location")) == (400, None)
    else:
        assert httpx.URL(response.headers["location"]).params["error"] == error


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": None}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"redirect_uri": "http://localhost:9/other"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code": "unknown"}, "invalid_grant"),
    ],
)
async def test_a_token_request_with_one_error_is_refused(
    client: httpx.AsyncClient, provider: Provider, changed: dict[str, str | None], error: str
) -> None:
    code = await get_code(client, provider)
    response = await redeem(client, form_of(provider, code, **changed))
    assert response.status_code == (401 if error == "invalid_client" else 400)
    assert response.json()["error"] == error


async def test_a_code_works_once_and_reuse_revokes_the_token(
    client: httpx.AsyncClient, provider: Provider
) -> None:
    form = form_of(provider, await get_code(client, provider))
    responses = await asyncio.gather(*(redeem(client, form) for _ in range(20)))
    (good,) = [response for response in responses if response.status_code == 200]
    assert {response.json().get("error") for response in responses if response is not good} == {
        "invalid_grant"
    }
    assert good.json()["access_token"] in provider.revoked


async def test_the_client_may_authenticate_by_header_but_not_twice(
    client: httpx.AsyncClient, provider: Provider
) -> None:
    credentials = (provider.client.id, provider.client.secret)
    form = form_of(provider, await get_code(client, provider), client_id=None, client_secret=None)
    assert (await redeem(client, form, auth=credentials)).status_code == 200
    form = form_of(provider, await get_code(client, provider))
    assert (await redeem(client, form, auth=credentials)).status_code == 400


async def test_only_a_form_is_accepted(client: httpx.AsyncClient, provider: Provider) -> None:
    form = form_of(provider, await get_code(client, provider))
    assert (await client.post("/token", json=form)).status_code == 400
    assert (await client.post("/token", params=form)).status_code == 400
    twice = "&".join(f"{name}={value}" for name, value in [*form.items(), *form.items()])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client.post("/token", content=twice, headers=headers)).status_code == 400


async def test_it_asks_for_the_account_unless_hinted(client: httpx.AsyncClient, provider: Provider) -> None:
    query = request_of(provider, login_hint=None)
    page = await client.get("/authorize", params=query)
    assert (page.status_code, "ada@example.com" in page.text) == (200, True)
    chosen = await client.post("/authorize", params=query, data={"person": "1"})
    assert "code" in httpx.URL(chosen.headers["location"]).params
    denied = await client.post("/authorize", params=query, data={"deny": "1"})
    assert httpx.URL(denied.headers["location"]).params["error"] == "access_denied"


async def test_keys_are_rotated_with_and_without_the_old_ones(
    client: httpx.AsyncClient, provider: Provider
) -> None:
    async def published() -> list[str]:
        return [key["kid"] for key in (await client.get("/keys")).json()["keys"]]

    (first,) = await published()
    provider.keys.rotate()
    assert (await published())[0] == first
    assert len(await published()) == 2
    provider.keys.rotate(keep_old=False)
    assert first not in await published()


async def test_it_runs_as_a_process() -> None:
    command = (sys.executable, "-m", "standins.openid_provider")
    asked = await asyncio.create_subprocess_exec(*command, "--help", stdout=asyncio.subprocess.PIPE)
    output, _ = await asked.communicate()
    assert asked.returncode == 0
    assert all(f"{fault}" in output.decode().replace("\n", "").replace(" ", "") for fault in Fault)
    async with running_provider(redirect_uris=[]) as neighbour:
        taken = neighbour.issuer.rpartition(":")[2]
    process = await asyncio.create_subprocess_exec(
        *command, "--port", taken, "--person", "eve@example.com:unverified", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        lines = [(await process.stdout.readline()).decode().strip() for _ in range(3)]
        assert [line.partition("=")[0] for line in lines] == [
            "GOOGLE_ISSUER",
            "GOOGLE_CLIENT_ID",
            "GOOGLE_CLIENT_SECRET",
        ]
        issuer = lines[0].partition("=")[2]
        document = await _ask_stubbornly(f"{issuer}/.well-known/openid-configuration")
        assert document["issuer"] == issuer
    finally:
        process.terminate()
        await process.wait()


async def _ask_stubbornly(url: str) -> dict[str, Any]:
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            try:
                document: dict[str, Any] = (await client.get(url)).json()
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return document
