"""The owner reverts the e-mail change of a thief who has added sign-in methods since."""

import httpx

from standins.openid_provider.provider import Provider
from tests.services.auth.auth_app import Person, bearer, log_in, new_person, register
from tests.services.auth.google.visits import Browser, somebody
from tests.services.auth.mail.mails import mails_to, newest_token
from tests.services.auth.passkeys.authenticator import Authenticator
from tests.services.auth.second_factors.factors import ask, finish, new_app


async def use_link(client: httpx.AsyncClient, address: str) -> None:
    token = await newest_token(client, address)
    assert (await client.post("/v1/auth/email/verify", json={"token": token})).status_code == 200


async def request_change(client: httpx.AsyncClient, headers: dict[str, str], address: str) -> None:
    response = await client.patch("/v1/users/me", json={"email": address}, headers=headers)
    assert response.status_code == 200


async def add_passkey(client: httpx.AsyncClient, headers: dict[str, str]) -> Authenticator:
    authenticator = Authenticator()
    options = (await client.post("/v1/passkeys/register/options", headers=headers)).json()["public_key"]
    body = {"credential": authenticator.make(options), "name": "key"}
    response = await client.post("/v1/passkeys/register", json=body, headers=headers)
    assert response.status_code == 201
    return authenticator


async def passkey_login(client: httpx.AsyncClient, authenticator: Authenticator) -> int:
    options = (await client.post("/v1/passkeys/login/options")).json()["public_key"]
    response = await client.post(
        "/v1/passkeys/login", json={"credential": authenticator.get_assertion(options)}
    )
    return response.status_code


async def subjects_to(client: httpx.AsyncClient, address: str) -> set[str]:
    return {mail["subject"] for mail in await mails_to(client, address)}


async def test_reverting_voids_every_sign_in_method_that_was_added_since(
    browser: Browser, provider: Provider
) -> None:
    client, owner, mailbox = browser.client, await register(browser.client), new_person()
    await use_link(client, owner.email)
    stolen = await log_in(client, owner)
    headers = bearer(stolen["access_token"])
    before = await add_passkey(client, headers)
    thief = Person(email=mailbox.email, username=owner.username, password=owner.password)
    await request_change(client, headers, thief.email)
    revert = await newest_token(client, owner.email)
    await use_link(client, thief.email)
    added = await add_passkey(client, headers)
    at_google = somebody(provider, email=thief.email)
    assert (await browser.sign_in(at_google))["user"]["id"] == stolen["user"]["id"]
    await new_app(client, thief)
    told = {
        "A passkey was added to your account",
        "You can sign in with Google now",
        "Signing in now asks for a code",
    }
    assert told <= await subjects_to(client, owner.email)
    assert told <= await subjects_to(client, thief.email)

    assert (await client.post("/v1/auth/email/verify", json={"token": revert})).status_code == 200
    await client.post("/v1/auth/password/forgot", json={"email": owner.email})
    body = {"token": await newest_token(client, owner.email), "new_password": "eight silent lagoons"}
    assert (await client.post("/v1/auth/password/reset", json=body)).status_code == 204
    again = await log_in(
        client, Person(email=owner.email, username=owner.username, password=body["new_password"])
    )
    assert again["user"]["id"] == stolen["user"]["id"]
    assert (await passkey_login(client, added), await passkey_login(client, before)) == (401, 200)
    assert (await browser.sign_in(at_google))["user"]["id"] != stolen["user"]["id"]
    events = (await client.get("/v1/users/me/events", headers=bearer(again["access_token"]))).json()["items"]
    voided = [event["event"] for event in events]
    for event in ("passkey_removed", "oauth_unlinked", "mfa_disabled", "email_change_reverted"):
        assert voided.count(event) == 1, event
    # The address is not reverted any more, so nothing is mailed to the thief's address.
    assert "Your password was reset" not in await subjects_to(client, thief.email)


async def test_reverting_a_change_that_was_requested_twice_counts_from_the_first_request(
    browser: Browser,
) -> None:
    client, owner = browser.client, await register(browser.client)
    headers = bearer((await log_in(client, owner))["access_token"])
    await request_change(client, headers, new_person().email)
    added = await add_passkey(client, headers)
    await request_change(client, headers, new_person().email)
    await use_link(client, owner.email)
    assert await passkey_login(client, added) == 401


async def test_reverting_keeps_an_older_factor_and_voids_newer_recovery_codes(browser: Browser) -> None:
    client = browser.client
    app = await new_app(client)
    await request_change(client, app.headers, new_person().email)
    revert = await newest_token(client, app.person.email)
    renewed = await client.post("/v1/mfa/recovery-codes", headers=app.headers)
    assert (await client.post("/v1/auth/email/verify", json={"token": revert})).status_code == 200
    token = await ask(client, app.person)
    assert (await finish(client, token, renewed.json()["recovery_codes"][0])).status_code == 401
    assert (await finish(client, token, app.code())).status_code == 200


async def change_address(client: httpx.AsyncClient) -> tuple[Person, Person, str]:
    """An owner whose account has the thief's address now, the thief, and the owner's revert link."""
    owner, mailbox = await register(client), new_person()
    await use_link(client, owner.email)
    headers = bearer((await log_in(client, owner))["access_token"])
    await request_change(client, headers, mailbox.email)
    revert = await newest_token(client, owner.email)
    await use_link(client, mailbox.email)
    return owner, Person(email=mailbox.email, username=owner.username, password="nine loud harbours"), revert


async def test_reverting_voids_a_password_that_was_set_since(browser: Browser) -> None:
    client = browser.client
    _, thief, revert = await change_address(client)
    await client.post("/v1/auth/password/forgot", json={"email": thief.email})
    body = {"token": await newest_token(client, thief.email), "new_password": thief.password}
    assert (await client.post("/v1/auth/password/reset", json=body)).status_code == 204
    await log_in(client, thief)
    assert (await client.post("/v1/auth/email/verify", json={"token": revert})).status_code == 200
    body = {"login": thief.username, "password": thief.password}
    assert (await client.post("/v1/auth/login", json=body)).status_code == 401


async def test_a_deletion_is_reported_to_previous_addresses_too(browser: Browser) -> None:
    client = browser.client
    owner, thief, _ = await change_address(client)
    person = Person(email=thief.email, username=owner.username, password=owner.password)
    headers = bearer((await log_in(client, person))["access_token"])
    body = {"password": owner.password}
    assert (await client.request("DELETE", "/v1/users/me", json=body, headers=headers)).status_code == 204
    for address in (owner.email, thief.email):
        assert "Your account was deleted" in await subjects_to(client, address)
