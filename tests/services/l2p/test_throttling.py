"""The limits of failed logins and of registrations."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from l2p.main import create_app
from l2p.settings import Settings
from tests.clients import running
from tests.services.l2p.accounts.test_accounts import PASSWORD, account, register
from tests.tokens import TokenMint

WRONG = "not the password"


async def log_in(client: httpx.AsyncClient, login: str, password: str = WRONG, **more: Any) -> httpx.Response:
    client.cookies.clear()
    return await client.post("/v1/auth/login", json={"login": login, "password": password}, **more)


@pytest.fixture
async def strict(settings: Settings, mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    """An application with three registrations a network, behind a trusted proxy."""
    changed = settings.model_copy(update={"sign_ups_per_network": 3, "trusted_proxies": "127.0.0.1"})
    async with running(create_app(changed, issuers=[mint.issuer])) as client:
        yield client


@pytest.mark.long
async def test_of_a_hundred_guesses_at_two_replicas_ten_are_tried(
    client: httpx.AsyncClient, replica: httpx.AsyncClient
) -> None:
    name = (await register(client))["username"]
    guesses = (log_in((client, replica)[number % 2], name) for number in range(100))
    answers = await asyncio.gather(*guesses)
    assert Counter(answer.status_code for answer in answers) == {401: 10, 429: 90}
    right = await log_in(client, name, PASSWORD)
    assert right.status_code == 429
    assert right.json()["type"] == "/problems/too-many-attempts"
    assert 880 <= int(right.headers["Retry-After"]) <= 900


async def test_an_unknown_login_is_limited_in_the_same_way(client: httpx.AsyncClient) -> None:
    answers = [await log_in(client, "nobody-of-this-name") for _ in range(12)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 2


async def test_strangers_cannot_lock_a_recognised_device_out(client: httpx.AsyncClient) -> None:
    body = await register(client)
    cookie = (await log_in(client, body["username"], PASSWORD)).headers["Set-Cookie"].partition(";")[0]
    for _ in range(12):
        await log_in(client, body["username"])
    assert (await log_in(client, body["username"], PASSWORD)).status_code == 429
    answer = await log_in(client, body["username"], PASSWORD, headers={"Cookie": cookie})
    assert answer.status_code == 200


async def test_registrations_of_a_network_are_limited(strict: httpx.AsyncClient) -> None:
    def come_from(address: str) -> dict[str, str]:
        return {"X-Forwarded-For": f"203.0.113.9, {address}"}

    addresses = [f"2001:db8:0:7::{number}" for number in range(5)] + ["2001:db8:0:8::1", "198.51.100.4"]
    answers = [
        await strict.post("/v1/auth/register", json=account(), headers=come_from(address))
        for address in addresses
    ]
    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 2 + [201] * 2
    assert 3_500 <= int(answers[3].headers["Retry-After"]) <= 3_600
