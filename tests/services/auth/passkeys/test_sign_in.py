"""Signing in with a passkey, every invalid assertion, and the challenges."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from auth.passkeys.challenges import ChallengeCodec
from auth.passkeys.verification import RelyingParty, verify_registration, verify_sign_in
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, make_app, refresh
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.mail.mails import eventually, mails_to
from tests.services.auth.passkeys.authenticator import (
    ORIGIN,
    RP_ID,
    WRONG_ASSERTIONS,
    Authenticator,
    decode,
    encode,
)
from tests.services.auth.passkeys.owners import (
    TwoAuths,
    add,
    creation_options,
    new_owner,
    request_options,
    sign_in,
)
from tests.services.auth.second_factors.factors import new_app, problem


async def test_a_passkey_signs_in_without_a_password(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await new_owner(auth)
    assert owner.passkey.keys() == {"id", "name", "created_at", "last_used_at"}
    assert (owner.passkey["name"], owner.passkey["last_used_at"]) == ("My telephone", None)
    response = await sign_in(auth, owner.authenticator.get_assertion(await request_options(auth)))
    assert response.status_code == 200, response.text
    assert "auth_device" in response.headers["set-cookie"]
    answer = response.json()
    assert answer["user"]["email"] == owner.person.email
    headers = bearer(answer["access_token"])
    sessions = (await auth.get("/v1/auth/sessions", headers=headers)).json()["items"]
    assert [item["method"] for item in sessions if item["current"]] == ["passkey"]
    assert (await refresh(auth, answer["refresh_token"])).status_code == 200
    (listed,) = (await auth.get("/v1/passkeys", headers=headers)).json()["items"]
    assert listed["last_used_at"] is not None
    row = (await auth_database.fetch("SELECT * FROM passkeys WHERE user_id = $1::uuid", owner.user_id))[0]
    assert (row["sign_count"], row["transports"]) == (1, ["hybrid", "internal"])
    events = (await auth.get("/v1/users/me/events", headers=headers)).json()["items"]
    assert [event["event"] for event in events][:2] == ["login", "passkey_added"]

    async def told() -> bool:
        mails = await mails_to(auth, owner.person.email)
        return any(mail["subject"] == "A passkey was added to your account" for mail in mails)

    await eventually(told)


async def test_a_passkey_stands_for_both_factors(auth: httpx.AsyncClient) -> None:
    owner = await new_owner(auth)
    await new_app(auth, owner.person)
    response = await sign_in(auth, owner.authenticator.get_assertion(await request_options(auth)))
    assert response.status_code == 200
    assert "access_token" in response.json()
    status = await auth.get("/v1/mfa", headers=bearer(response.json()["access_token"]))
    assert (status.json()["totp_enabled"], status.json()["passkeys"]) == (True, 1)


async def test_options_ask_for_what_is_needed_and_tell_nothing(auth: httpx.AsyncClient) -> None:
    owner = await new_owner(auth)
    made = await creation_options(auth, owner.headers)
    assert made["rp"] == {"id": "localhost", "name": "Quartet"}
    assert made["user"]["name"] == owner.person.username
    assert decode(made["user"]["id"]).hex() == owner.user_id.replace("-", "")
    assert made["authenticatorSelection"]["residentKey"] == "required"
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert [each["id"] for each in made["excludeCredentials"]] == [encode(owner.authenticator.credential_id)]
    one, other = await request_options(auth), await request_options(auth)
    assert one.pop("challenge") != other.pop("challenge")
    assert (
        one
        == other
        == {
            "rpId": "localhost",
            "timeout": 300_000,
            "allowCredentials": [],
            "userVerification": "required",
        }
    )


@pytest.mark.parametrize("wrong", WRONG_ASSERTIONS)
async def test_a_wrong_proof_is_refused(
    auth: httpx.AsyncClient, auth_database: AuthDatabase, wrong: str
) -> None:
    owner = await new_owner(auth)
    assert (
        await sign_in(auth, owner.authenticator.get_assertion(await request_options(auth)))
    ).status_code == 200
    assertion = owner.authenticator.get_assertion(await request_options(auth), **WRONG_ASSERTIONS[wrong])
    assert problem(await sign_in(auth, assertion)) == (401, "passkey-refused")
    failures = "SELECT count(*) FROM audit_events WHERE event = 'login_failed' AND user_id = $1::uuid"
    assert await auth_database.fetch_value(failures, owner.user_id) <= 1
    right = owner.authenticator.get_assertion(await request_options(auth))
    assert (await sign_in(auth, right)).status_code == 200


async def test_a_challenge_is_for_one_end_and_one_account(auth: httpx.AsyncClient) -> None:
    owner, other = await new_owner(auth), await new_owner(auth)
    for_other = Authenticator().make(await creation_options(auth, other.headers))
    assert (await add(auth, owner.headers, for_other)).status_code == 422
    to_sign_in = await creation_options(auth, owner.headers) | await request_options(auth)
    assert (await add(auth, owner.headers, Authenticator().make(to_sign_in))).status_code == 422
    assertion = owner.authenticator.get_assertion(await creation_options(auth, owner.headers))
    assert problem(await sign_in(auth, assertion)) == (401, "passkey-refused")


async def test_a_challenge_ends_after_five_minutes(
    auth: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = ChallengeCodec(b"k" * 32)
    challenge, now = codec.issue(registers=None), time.time()
    assert codec.read(challenge, registers=None) is not None
    assert ChallengeCodec(b"l" * 32).read(challenge, registers=None) is None
    monkeypatch.setattr(time, "time", lambda: now + 298)
    assert codec.read(challenge, registers=None) is not None
    monkeypatch.setattr(time, "time", lambda: now + 301)
    assert codec.read(challenge, registers=None) is None


async def test_of_thirty_uses_of_one_proof_one_signs_in(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    owner = await new_owner(two_auths[0])
    for count in (None, 0):
        # An authenticator that does not count leaves it to the challenge.
        await auth_database.execute(
            "UPDATE passkeys SET sign_count = 0 WHERE user_id = $1::uuid", owner.user_id
        )
        assertion = owner.authenticator.get_assertion(await request_options(two_auths[0]), count=count)
        answers = await asyncio.gather(*(sign_in(two_auths[n % 2], assertion) for n in range(30)))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 29}
    begun = "SELECT count(*) FROM sessions WHERE user_id = $1::uuid AND amr = 'passkey'"
    assert await auth_database.fetch_value(begun, owner.user_id) == 2


async def test_a_disabled_or_deleted_account_is_refused_alike(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    disabled, deleted = await new_owner(auth), await new_owner(auth)
    await auth_database.execute("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", disabled.user_id)
    body = {"password": deleted.person.password}
    gone = await auth.request("DELETE", "/v1/users/me", json=body, headers=deleted.headers)
    assert gone.status_code == 204
    left = "SELECT count(*) FROM passkeys WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(left, deleted.user_id) == 0
    unknown = Authenticator(user_handle=b"u" * 16)
    answers = [
        await sign_in(auth, each.get_assertion(await request_options(auth)))
        for each in (disabled.authenticator, deleted.authenticator, unknown)
    ]
    problems = [{**answer.json(), "request_id": None} for answer in answers]
    assert problems == [problems[0]] * 3
    assert problem(answers[0]) == (401, "passkey-refused")


async def test_refusals_count_by_network_and_lock_no_owner_out(new_auth_database: NewDatabase) -> None:
    app = make_app(
        (await new_auth_database()).settings,
        login_failures_per_network=5,
        login_failures_per_account=3,
        trusted_proxies="127.0.0.0/8",
    )
    async with running(app) as client:
        owner = await new_owner(client)

        async def come_from(address: str, **changed: Any) -> int:
            assertion = owner.authenticator.get_assertion(await request_options(client), **changed)
            response = await client.post(
                "/v1/passkeys/login",
                json={"credential": assertion},
                headers={"X-Forwarded-For": address},
            )
            return response.status_code

        guesses = await asyncio.gather(
            *(come_from("203.0.113.5", origin="https://evil.example") for _ in range(30))
        )
        assert Counter(guesses) == {401: 5, 429: 25}
        assert await come_from("203.0.113.5") == 429
        assert await come_from("203.0.113.6") == 200


async def test_answered_challenges_are_swept_and_asking_stores_nothing(
    new_auth_database: NewDatabase,
) -> None:
    database = await new_auth_database()
    async with running(make_app(database.settings, sweep_seconds=0.1)) as client:
        owner = await new_owner(client)
        assert (
            await sign_in(client, owner.authenticator.get_assertion(await request_options(client)))
        ).status_code == 200
        for _ in range(20):
            await request_options(client)
        assert await database.fetch_value("SELECT count(*) FROM passkey_challenges") == 2
        await database.execute("UPDATE passkey_challenges SET expires_at = now()")

        async def swept() -> bool:
            return bool(await database.fetch_value("SELECT count(*) = 0 FROM passkey_challenges"))

        await eventually(swept)


def calls_into_c(work: Callable[[], object]) -> Counter[str]:
    """The number of calls that `work` makes to each function not written in Python, by name."""
    names: Counter[str] = Counter()

    def note(_frame: object, event: str, function: Any) -> None:
        if event == "c_call":
            names[function.__name__] += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return names


def test_a_proof_is_cheap_enough_for_the_event_loop() -> None:
    authenticator, codec = Authenticator(), ChallengeCodec(b"k" * 32)
    party = RelyingParty(domain=RP_ID, name="Quartet", origins=[ORIGIN])
    challenge = codec.issue(registers=None)
    options = {"challenge": encode(challenge), "user": {"id": encode(b"u" * 16)}}
    new = verify_registration(authenticator.make(options), party=party, challenge=challenge)
    assertion = authenticator.get_assertion(options)
    calls = calls_into_c(
        lambda: verify_sign_in(
            assertion, party=party, challenge=challenge, public_key=new.public_key, sign_count=0
        )
    )
    # One signature. Everything else is parsing, of as many steps for every assertion.
    assert calls["verify"] == 1
    assert calls.total() < 2_000, calls.most_common(10)
