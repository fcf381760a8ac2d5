"""Listing and unlinking linked accounts."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from jose import jwt

from auth.google import repository
from standins.openid_provider.provider import Provider
from tests.clients import running
from tests.services.auth.auth_app import (
    PASSWORD,
    AuthDatabase,
    Person,
    bearer,
    log_in,
    make_app,
    refresh,
    register,
)
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.google.visits import Browser, browser_of, somebody
from tests.services.auth.mail.mails import mails_to, newest_token


async def linked(browser: Browser, answer: dict[str, Any]) -> list[dict[str, Any]]:
    response = await browser.client.get("/v1/oauth/accounts", headers=bearer(answer["access_token"]))
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def unlink(browser: Browser, answer: dict[str, Any], link: str) -> httpx.Response:
    return await browser.client.delete(f"/v1/oauth/accounts/{link}", headers=bearer(answer["access_token"]))


async def with_both(browser: Browser, provider: Provider) -> tuple[dict[str, Any], str]:
    """The tokens and the address of an account with a password and a linked Google account."""
    person = await register(browser.client)
    token = await newest_token(browser.client, person.email)
    await browser.client.post("/v1/auth/email/verify", json={"token": token})
    await browser.sign_in(somebody(provider, email=person.email))
    return await log_in(browser.client, person), person.email


async def test_the_list_shows_linked_accounts_without_tokens(browser: Browser, provider: Provider) -> None:
    person = somebody(provider)
    answer = await browser.sign_in(person)
    (item,) = await linked(browser, answer)
    assert set(item) == {"id", "provider", "provider_account_id", "created_at"}
    assert (item["provider"], item["provider_account_id"]) == ("google", person.subject)
    stranger = await log_in(browser.client, await register(browser.client))
    assert await linked(browser, stranger) == []


async def test_the_list_comes_in_pages(browser: Browser, provider: Provider) -> None:
    answer, email = await with_both(browser, provider)
    for _ in range(2):
        await browser.sign_in(somebody(provider, email=email))
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (
            await browser.client.get(
                "/v1/oauth/accounts", params=query, headers=bearer(answer["access_token"])
            )
        ).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [item["id"] for item in await linked(browser, answer)]
    assert len(set(seen)) == 3


async def test_unlinking_sends_a_mail_and_revokes_the_token(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    answer, email = await with_both(browser, provider)
    (item,) = await linked(browser, answer)
    provider.revoked.clear()
    assert (await unlink(browser, answer, item["id"])).status_code == 204
    assert await linked(browser, answer) == []
    assert len(provider.revoked) == 1
    assert provider.revoked[0] in provider.issued
    assert (await unlink(browser, answer, item["id"])).status_code == 404
    assert (await mails_to(browser.client, email))[0]["subject"] == "A Google account was unlinked"
    events = await auth_database.fetch(
        "SELECT event FROM audit_events WHERE user_id = $1 ORDER BY id DESC LIMIT 1",
        UUID(answer["user"]["id"]),
    )
    assert events[0]["event"] == "oauth_unlinked"


async def test_deleting_the_account_revokes_every_token(browser: Browser, provider: Provider) -> None:
    answer, email = await with_both(browser, provider)
    await browser.sign_in(somebody(provider, email=email))
    issued = set(provider.issued)
    provider.revoked.clear()
    headers = bearer(answer["access_token"])
    wrong = await browser.client.request("DELETE", "/v1/users/me", json={"password": "no"}, headers=headers)
    assert (wrong.status_code, provider.revoked) == (403, [])
    body = {"password": PASSWORD}
    gone = await browser.client.request("DELETE", "/v1/users/me", json=body, headers=headers)
    assert gone.status_code == 204
    assert len(set(provider.revoked)) == 2
    assert set(provider.revoked) <= issued


async def test_rows_of_another_provider_are_left_alone(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    owner = database.server.url("auth", role="owner", database=database.settings.url.database)
    connection = await asyncpg.connect(**owner.connect_arguments(application_name="tests"))
    try:
        await connection.execute("ALTER TABLE oauth_accounts DROP CONSTRAINT ck_oauth_accounts_provider")
    finally:
        await connection.close()
    user = await database.fetch_value(
        "INSERT INTO users (email, username) VALUES ('two@example.com', 'two_providers') RETURNING id"
    )
    for provider in ("google", "other"):
        await database.execute(
            "INSERT INTO oauth_accounts (user_id, provider, provider_account_id, access_token, expires_at)"
            " VALUES ($1, $2, $2, 'token', now() - interval '1 minute')",
            user,
            provider,
        )
    tokens = await database.run(lambda db: repository.find_tokens(db, user))
    assert [link.provider_account_id for link in tokens] == ["google"]

    assert await database.run(repository.delete_expired_tokens) == 1
    ids = {
        row["provider"]: row["id"] for row in await database.fetch("SELECT provider, id FROM oauth_accounts")
    }
    assert await database.run(lambda db: repository.delete_link(db, ids["other"], user_id=user)) is None
    assert await database.run(lambda db: repository.delete_link(db, ids["google"], user_id=user)) is not None
    left = await database.fetch("SELECT provider, access_token FROM oauth_accounts")
    assert [tuple(row) for row in left] == [("other", "token")]


async def test_the_last_sign_in_method_cannot_be_removed(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    answer = await browser.sign_in(somebody(provider))
    (item,) = await linked(browser, answer)
    response = await unlink(browser, answer, item["id"])
    assert (response.status_code, response.json()["type"]) == (409, "/problems/last-sign-in-method")
    assert "/v1/auth/password/forgot" in response.json()["detail"]
    assert await linked(browser, answer) == [item]
    user = UUID(answer["user"]["id"])
    await auth_database.execute(
        "INSERT INTO passkeys (user_id, credential_id, public_key, sign_count, transports, name)"
        " VALUES ($1, $2, '\\x01', 0, '{}', 'key')",
        user,
        user.bytes,
    )
    assert (await unlink(browser, answer, item["id"])).status_code == 204


async def test_an_account_without_a_password_is_told_how_to_set_one(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    answer = await browser.sign_in(somebody(provider))
    email = answer["user"]["email"]
    headers = bearer(answer["access_token"])
    change = {"current_password": "whatever it is", "new_password": "eight silent lagoons"}
    counted = "SELECT count(*) FROM attempt_counters"
    before = await auth_database.fetch_value(counted)
    refusals = [
        await browser.client.post("/v1/auth/password/change", json=change, headers=headers),
        await browser.client.request(
            "DELETE", "/v1/users/me", json={"password": "whatever it is"}, headers=headers
        ),
    ]
    for refusal in refusals:
        assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/no-password")
        assert "/v1/auth/password/forgot" in refusal.json()["detail"]
    assert await auth_database.fetch_value(counted) == before
    # The link gives the account a password, which can be changed like any.
    await browser.client.post("/v1/auth/password/forgot", json={"email": email})
    body = {"token": await newest_token(browser.client, email), "new_password": PASSWORD}
    assert (await browser.client.post("/v1/auth/password/reset", json=body)).status_code == 204
    owner = Person(email=email, username=answer["user"]["username"])
    headers = bearer((await log_in(browser.client, owner))["access_token"])
    change["current_password"] = PASSWORD
    changed = await browser.client.post("/v1/auth/password/change", json=change, headers=headers)
    assert changed.status_code == 204


async def test_another_accounts_link_cannot_be_removed(browser: Browser, provider: Provider) -> None:
    owner = await browser.sign_in(somebody(provider))
    (item,) = await linked(browser, owner)
    stranger, _ = await with_both(browser, provider)
    for link in (item["id"], str(uuid4())):
        assert (await unlink(browser, stranger, link)).status_code == 404
    assert await linked(browser, owner) == [item]


async def test_unlinking_needs_a_recent_sign_in(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    answer, _ = await with_both(browser, provider)
    (item,) = await linked(browser, answer)
    session = UUID(jwt.get_unverified_claims(answer["access_token"])["sid"])
    await auth_database.execute(
        "UPDATE sessions SET created_at = created_at - interval '601 seconds' WHERE id = $1", session
    )
    later = (await refresh(browser.client, answer["refresh_token"])).json()
    response = await unlink(browser, later, item["id"])
    assert (response.status_code, response.json()["type"]) == (403, "/problems/reauthentication-required")


async def test_of_all_sign_in_methods_removed_at_once_one_stays(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    first = somebody(provider)
    answer = await browser.sign_in(first)
    for _ in range(19):
        await browser.sign_in(somebody(provider, email=first.email))
    links = [item["id"] for item in await linked(browser, answer)]
    assert len(links) == 20
    responses = await asyncio.gather(*(unlink(browser, answer, link) for link in links))
    assert Counter(response.status_code for response in responses) == {204: 19, 409: 1}
    statement = "SELECT count(*) FROM oauth_accounts WHERE user_id = $1"
    assert await auth_database.fetch_value(statement, UUID(answer["user"]["id"])) == 1


async def test_without_a_client_links_are_still_listed_and_unlinked(
    browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    answer, _ = await with_both(browser, provider)
    service = make_app(auth_database.settings)
    async with running(service), browser_of(service) as other:
        (item,) = await linked(other, answer)
        assert (await unlink(other, answer, item["id"])).status_code == 204
