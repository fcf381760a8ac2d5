"""Links in mails: whom they are sent to, how long they work, and the pages that they open."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from dbcommon.engine import Database
from tests.clients import running
from tests.services.auth.auth_app import (
    AuthDatabase,
    Person,
    bearer,
    log_in,
    make_app,
    new_person,
    refresh,
    register,
)
from tests.services.auth.email_links.links import NEW_PASSWORD, assert_gone, change, forgot, reset, verify
from tests.services.auth.mail.mails import eventually, everything_sent, mails_to, newest_token, token_in
from webcommon.app.service import Service


async def test_registering_sends_a_link_that_confirms_the_address_once(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    (mail,) = await mails_to(auth, person.email)
    assert set(mail) == {"to", "subject", "text", "html", "created_at"}
    token = token_in(mail["text"])
    assert token in mail["html"]
    assert f"http://localhost:5500/email/verify?token={token}" in mail["text"]
    response = await verify(auth, token)
    assert response.status_code == 200
    assert response.json()["user"]["email"] == person.email
    assert response.json()["user"]["email_verified"] is True
    assert_gone(await verify(auth, token))
    assert (await log_in(auth, person))["user"]["email_verified"] is True


async def test_a_mail_goes_to_the_accounts_spelling_of_the_address(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    typed = person.email.replace("person", "PERSON")
    assert len(await mails_to(auth, person.email)) == 1
    assert (await forgot(auth, typed)).status_code == 202
    await register(auth, Person(email=typed, username=new_person().username))
    await auth_database.execute("UPDATE mail_cooldowns SET started_at = started_at - interval '60 seconds'")
    await auth.post("/v1/auth/email/resend", json={"email": typed})
    assert len(await mails_to(auth, person.email)) == 4
    assert await mails_to(auth, typed) == []
    confirmed = await verify(auth, await newest_token(auth, person.email))
    assert confirmed.json()["user"]["email"] == person.email
    # The owner may change its spelling.
    await change(auth, await log_in(auth, person), typed)
    changed = await verify(auth, await newest_token(auth, typed))
    assert changed.json()["user"]["email"] == typed


async def test_a_requested_address_of_another_account_is_reported_to_its_owner(
    auth: httpx.AsyncClient,
) -> None:
    person, holder = await register(auth), await register(auth)
    typed = holder.email.replace("person", "PERSON")
    assert (await change(auth, await log_in(auth, person), typed)).status_code == 200
    assert "already" in (await mails_to(auth, holder.email))[0]["text"]
    assert await mails_to(auth, typed) == []


async def test_an_address_with_a_confusable_letter_is_refused(auth: httpx.AsyncClient) -> None:
    assert (await forgot(auth, "m\u0130ke@example.com")).status_code == 422


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "é" * 43, "' OR 1=1 --"])
async def test_an_unknown_token_is_gone(auth: httpx.AsyncClient, token: str) -> None:
    assert_gone(await verify(auth, token))
    assert_gone(await reset(auth, token))


async def test_an_expired_token_is_gone(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    token = await newest_token(auth, person.email)
    await forgot(auth, person.email)
    reset_token = await newest_token(auth, person.email)
    await auth_database.execute(
        "UPDATE email_tokens SET created_at = now() - interval '2 days', expires_at = now() WHERE email = $1",
        person.email,
    )
    assert_gone(await verify(auth, token))
    assert_gone(await reset(auth, reset_token))


async def test_a_link_works_for_its_own_kind_only(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    assert_gone(await reset(auth, await newest_token(auth, person.email)))
    await forgot(auth, person.email)
    assert_gone(await verify(auth, await newest_token(auth, person.email)))


async def test_links_live_as_long_as_promised(auth: httpx.AsyncClient, auth_database: AuthDatabase) -> None:
    person = await register(auth)
    await forgot(auth, person.email)
    await change(auth, await log_in(auth, person), new_person().email)
    await mails_to(auth, person.email)
    rows = await auth_database.fetch(
        """
        SELECT kind, extract(epoch FROM expires_at - email_tokens.created_at)::int AS seconds FROM email_tokens
        JOIN users ON users.id = user_id WHERE users.email = $1
        """,
        person.email,
    )
    assert {row["kind"]: row["seconds"] for row in rows} == {
        "verify": 86_400,
        "reset": 3600,
        "change_email": 86_400,
        "revert_email": 7 * 86_400,
    }


async def test_a_new_link_voids_the_old_and_comes_at_most_once_a_minute(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    first = await newest_token(auth, person.email)
    for _ in range(3):
        response = await auth.post("/v1/auth/email/resend", json={"email": person.email.upper()})
        assert (response.status_code, response.content) == (202, b"")
    assert len(await mails_to(auth, person.email)) == 1
    await auth_database.execute("UPDATE mail_cooldowns SET started_at = started_at - interval '60 seconds'")
    await auth.post("/v1/auth/email/resend", json={"email": person.email})
    assert len(await mails_to(auth, person.email)) == 2
    second = await newest_token(auth, person.email)
    assert second != first
    assert_gone(await verify(auth, first))
    assert (await verify(auth, second)).status_code == 200


async def test_twenty_concurrent_requests_send_one_mail(
    two_auths: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    auth, _ = two_auths
    person = await register(auth)
    responses = await asyncio.gather(*(forgot(two_auths[n % 2], person.email) for n in range(20)))
    assert {response.status_code for response in responses} == {202}
    subjects = [mail["subject"] for mail in await mails_to(auth, person.email)]
    assert subjects == ["Set a new password", "Confirm your e-mail address"]


async def test_a_request_for_an_unknown_address_is_answered_alike_and_sends_nothing(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, nobody = await register(auth), new_person()
    for path in ("/v1/auth/password/forgot", "/v1/auth/email/resend"):
        answers = [await auth.post(path, json={"email": email}) for email in (person.email, nobody.email)]
        assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
        assert set(answers[0].headers) == set(answers[1].headers)
    assert await mails_to(auth, nobody.email) == []
    assert not await auth_database.fetch("SELECT FROM mails WHERE recipient = $1", nobody.email)


async def test_a_confirmed_or_disabled_account_gets_no_link(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person, disabled = await register(auth), await register(auth)
    await verify(auth, await newest_token(auth, person.email))
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE email = $1", disabled.email)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    for email in (person.email, disabled.email):
        await auth.post("/v1/auth/email/resend", json={"email": email})
    await forgot(auth, disabled.email)
    assert len(await mails_to(auth, person.email)) == 1
    assert len(await mails_to(auth, disabled.email)) == 1
    assert_gone(await verify(auth, await newest_token(auth, disabled.email)))


async def test_registering_a_taken_address_sends_its_owner_a_mail(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    await auth.post("/v1/auth/register", json={**new_person().registration, "email": person.email})
    mail, _ = await mails_to(auth, person.email)
    assert mail["subject"] == "You already have an account"
    assert person.username in mail["text"]
    assert "token" not in mail["text"]


async def test_a_reused_refresh_token_sends_the_owner_a_mail(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    first = (await log_in(auth, person))["refresh_token"]
    second = (await refresh(auth, first)).json()["refresh_token"]
    await refresh(auth, second)
    assert (await refresh(auth, first)).status_code == 401
    mails = await mails_to(auth, person.email)
    # The two mails are sent at once: which of them is the newest is not told.
    assert "A session was ended for your safety" in {mail["subject"] for mail in mails}


async def test_an_unconfirmed_address_may_be_kept_from_signing_in(auth_database: AuthDatabase) -> None:
    async with running(make_app(auth_database.settings, require_verified_email=True)) as auth:
        person = await register(auth)
        body = {"login": person.email, "password": person.password}
        refused = await auth.post("/v1/auth/login", json=body)
        assert refused.status_code == 403
        assert refused.json()["type"] == "/problems/email-not-verified"
        wrong = await auth.post("/v1/auth/login", json={**body, "password": "wrong password"})
        assert wrong.status_code == 401
        await verify(auth, await newest_token(auth, person.email))
        await log_in(auth, person)


async def test_a_new_account_gets_its_link_despite_earlier_requests(auth: httpx.AsyncClient) -> None:
    person = new_person()
    await auth.post("/v1/auth/email/resend", json={"email": person.email})
    assert await mails_to(auth, person.email) == []
    await register(auth, person)
    await auth.post("/v1/auth/email/resend", json={"email": person.email})
    assert len(await mails_to(auth, person.email)) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_a_link_does_not_use_it(auth: httpx.AsyncClient, method: str) -> None:
    person = await register(auth)
    token = await newest_token(auth, person.email)
    for path in ("/email/verify", "/email/change", "/email/undo", "/password/reset"):
        for _ in range(3):
            response = await auth.request(method, path, params={"token": token})
            assert response.status_code == 200
            assert "script" not in response.headers["content-security-policy"]
            assert "default-src 'none'" in response.headers["content-security-policy"]
            assert response.headers["referrer-policy"] == "no-referrer"
            assert response.headers["cache-control"] == "no-store"
    assert (await verify(auth, token)).status_code == 200


async def test_the_pages_use_the_links(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    token = await newest_token(auth, person.email)
    page = await auth.get("/email/verify", params={"token": token})
    assert f'name="token" value="{token}"' in page.text
    assert '<form method="post"' in page.text
    done = await auth.post("/email/verify", data={"token": token})
    assert done.status_code == 200
    assert "is confirmed" in done.text
    again = await auth.post("/email/verify", data={"token": token})
    assert again.status_code == 410
    assert 'role="alert"' in again.text
    assert 'href="resend"' in again.text
    await forgot(auth, person.email)
    token = await newest_token(auth, person.email)
    weak = await auth.post("/password/reset", data={"token": token, "new_password": "short"})
    assert weak.status_code == 422
    assert "at least 8" in weak.text
    assert "short" not in weak.text.replace("short links", "")
    done = await auth.post("/password/reset", data={"token": token, "new_password": NEW_PASSWORD})
    assert done.status_code == 200
    await log_in(auth, Person(email=person.email, username=person.username, password=NEW_PASSWORD))
    again = await auth.post("/password/reset", data={"token": token, "new_password": NEW_PASSWORD})
    assert (again.status_code, 'href="forgot"' in again.text) == (410, True)
    change_over = await auth.post("/email/change", data={"token": token})
    assert (change_over.status_code, "href" in change_over.text) == (410, False)


@pytest.mark.parametrize(("path", "use"), [("/password/forgot", reset), ("/email/resend", verify)])
async def test_the_pages_that_request_a_link_answer_every_address_alike(
    auth: httpx.AsyncClient,
    auth_database: AuthDatabase,
    path: str,
    use: Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]],
) -> None:
    person, stranger = await register(auth), new_person()
    await mails_to(auth, person.email)
    await auth_database.execute("DELETE FROM mail_cooldowns")
    opened = await auth.get(path)
    assert (opened.status_code, (await auth.head(path)).status_code) == (200, 200)
    assert "script" not in opened.text + opened.headers["content-security-policy"]
    pages = [
        await auth.post(path, data={"email": email}) for email in (person.email, stranger.email, person.email)
    ]
    assert {(page.status_code, page.text) for page in pages} == {(200, pages[0].text)}
    assert 'role="status"' in pages[0].text
    assert len(await mails_to(auth, person.email)) == 2
    assert (await use(auth, await newest_token(auth, person.email))).is_success
    assert await mails_to(auth, stranger.email) == []
    for typed in ("", "nobody", '"><script>@', "\x00@example.com", "a" * 5000):
        page = await auth.post(path, data={"email": typed})
        assert (page.status_code, 'role="alert"' in page.text, "<script" in page.text) == (422, True, False)


@pytest.mark.parametrize("token", ['"><script>alert(1)</script>', "\x00", "x" * 5000])
async def test_a_page_shows_no_token_as_markup(auth: httpx.AsyncClient, token: str) -> None:
    page = await auth.get("/email/verify", params={"token": token})
    assert "<script" not in page.text
    assert (await auth.post("/email/verify", data={"token": token})).status_code == 410
    assert (await auth.get("/email/nonsense")).status_code == 404


@pytest.mark.parametrize("path", ["/email/verify", "/password/reset"])
async def test_an_invalid_form_is_refused_by_a_page(auth: httpx.AsyncClient, path: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await auth.post(path, content="a=1&" * 40, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert 'role="alert"' in answer.text


@contextlib.contextmanager
def statements_of_request(app: Service) -> Iterator[list[str]]:
    """The statements of the block's requests, without those of the worker."""
    statements: list[str] = []
    mine = ContextVar("mine", default=False)

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if mine.get():
            statements.append(statement)

    engine = app.component(Database).engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    mine.set(True)
    try:
        yield statements
    finally:
        mine.set(False)
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", ["/v1/auth/password/forgot", "/v1/auth/email/resend"])
async def test_requests_run_the_same_statements_for_known_and_unknown_addresses(
    auth_database: AuthDatabase, path: str
) -> None:
    app = make_app(auth_database.settings)
    async with running(app) as auth:
        known = await register(auth)
        await eventually(lambda: everything_sent(auth_database))
        ran = []
        for email in (known.email, new_person().email):
            with statements_of_request(app) as statements:
                assert (await auth.post(path, json={"email": email})).status_code == 202
            ran.append(statements)
    assert ran[0] == ran[1] != []


async def test_deleting_an_account_deletes_its_mails_and_links(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    person = await register(auth)
    await forgot(auth, person.email)
    token = await newest_token(auth, person.email)
    headers = bearer((await log_in(auth, person))["access_token"])
    deleted = await auth.request(
        "DELETE", "/v1/users/me", json={"password": person.password}, headers=headers
    )
    assert deleted.status_code == 204
    assert_gone(await reset(auth, token))
    mail = (await mails_to(auth, person.email))[0]
    assert mail["subject"] == "Your account was deleted"
    assert person.username in mail["text"]
    assert person.username in mail["html"]
    assert not await auth_database.fetch("SELECT FROM mails WHERE recipient = $1", person.email)
    assert not await auth_database.fetch("SELECT FROM email_tokens WHERE email = $1", person.email)
