"""Calls that request links by mail, and use them."""

from typing import Any

import httpx

from tests.services.auth.auth_app import bearer

NEW_PASSWORD = "eight silent lagoons"


async def verify(client: httpx.AsyncClient, token: str) -> httpx.Response:
    """Confirm an address with the token of its link."""
    return await client.post("/v1/auth/email/verify", json={"token": token})


async def forgot(client: httpx.AsyncClient, email: str) -> httpx.Response:
    """Request a link that sets a new password."""
    return await client.post("/v1/auth/password/forgot", json={"email": email})


async def reset(client: httpx.AsyncClient, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    """Set a new password with the token of a link."""
    return await client.post("/v1/auth/password/reset", json={"token": token, "new_password": password})


async def change(client: httpx.AsyncClient, answer: dict[str, Any], email: str) -> httpx.Response:
    """Request a new address for the account of a login."""
    return await client.patch("/v1/users/me", json={"email": email}, headers=bearer(answer["access_token"]))


def assert_gone(response: httpx.Response) -> None:
    """The link has expired, was used, or never was."""
    assert response.status_code == 410
    assert response.json()["type"] == "/problems/invalid-link"
