"""Users with a passkey, and the calls that they make."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.services.auth.auth_app import Person, bearer, log_in, register
from tests.services.auth.passkeys.authenticator import Authenticator

TwoAuths = tuple[httpx.AsyncClient, httpx.AsyncClient]


@dataclass
class Owner:
    """A signed-in user with a passkey."""

    person: Person
    user_id: str
    headers: dict[str, str] = field(repr=False)
    authenticator: Authenticator
    passkey: dict[str, Any]


async def creation_options(client: httpx.AsyncClient, headers: dict[str, str]) -> dict[str, Any]:
    """The options for `navigator.credentials.create()`."""
    response = await client.post("/v1/passkeys/register/options", headers=headers)
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["public_key"]
    return options


async def request_options(client: httpx.AsyncClient) -> dict[str, Any]:
    """The options for `navigator.credentials.get()`."""
    response = await client.post("/v1/passkeys/login/options")
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["public_key"]
    return options


async def add(
    client: httpx.AsyncClient, headers: dict[str, str], credential: dict[str, Any], **more: Any
) -> httpx.Response:
    """The response to a registration."""
    return await client.post(
        "/v1/passkeys/register", json={"credential": credential, **more}, headers=headers
    )


async def sign_in(client: httpx.AsyncClient, credential: dict[str, Any]) -> httpx.Response:
    """The response to an assertion."""
    client.cookies.clear()
    return await client.post("/v1/passkeys/login", json={"credential": credential})


async def new_owner(client: httpx.AsyncClient, person: Person | None = None) -> Owner:
    """A new user with a passkey."""
    person = person or await register(client)
    answer = await log_in(client, person)
    headers, authenticator = bearer(answer["access_token"]), Authenticator()
    credential = authenticator.make(await creation_options(client, headers))
    response = await add(client, headers, credential, name="My telephone")
    assert response.status_code == 201, response.text
    return Owner(
        person=person,
        user_id=answer["user"]["id"],
        headers=headers,
        authenticator=authenticator,
        passkey=response.json(),
    )
