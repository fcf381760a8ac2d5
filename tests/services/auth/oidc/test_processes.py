"""The log of an Auth process during sign-ins of standard clients."""

from pathlib import Path

import httpx
import pytest

from tests.services.auth.auth_app import AuthDatabase, register
from tests.services.auth.oidc.standard_client import Attempt, send_page
from tests.services.auth.processes import auth_process


@pytest.mark.long
async def test_nothing_secret_of_a_client_is_logged(auth_database: AuthDatabase, tmp_path: Path) -> None:
    log = tmp_path / "log"
    secrets: set[str] = set()
    settings = {"LOG_LEVEL": "debug", "LOG_FORMAT": "json"}
    async with auth_process(auth_database, folder=tmp_path, log=str(log), **settings) as replica:
        client = replica.client
        person, attempt = await register(client), Attempt(state="canary-state-81", nonce="canary-nonce-81")
        page = await attempt.open_page(client)
        wrong = await send_page(client, page, person, {"password": "canary-password-81"})
        landed = await send_page(client, wrong, person)
        code = httpx.URL(landed.headers["location"]).params["code"]
        tokens = (await attempt.exchange(client, code)).json()
        await attempt.exchange(client, code)
        await client.get("/oauth2/token", params={"code": code})
        await client.post(f"/oauth2/{tokens['refresh_token']}")
        grant = {"grant_type": "refresh_token", "client_id": attempt.client_id}
        await client.post("/oauth2/token", data={**grant, "refresh_token": tokens["refresh_token"]})
        await client.post("/oauth2/revoke", data={"token": tokens["access_token"]})
        secrets |= {
            code,
            attempt.verifier,
            attempt.state,
            attempt.nonce,
            "canary-password-81",
            person.password,
        }
        secrets |= {tokens["access_token"], tokens["refresh_token"], tokens["id_token"]}
        secrets |= {cookie.value for cookie in client.cookies.jar if cookie.value}
    text = log.read_text()
    assert "/oauth2/authorize" in text
    assert "its authorization code was exchanged twice" in text
    assert [secret for secret in secrets if secret in text] == []
