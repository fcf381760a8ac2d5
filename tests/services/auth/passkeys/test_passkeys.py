"""Passkeys: adding, using and removing them, and every invalid assertion."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from auth.passkeys.challenges import ChallengeCodec
from auth.passkeys.verification import RelyingParty, verify_registration, verify_sign_in
from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, make_app, refresh, register
from tests.services.auth.conftest import NewDatabase
from tests.services.auth.mail.mails import eventually, mails_to
from tests.services.auth.passkeys.authenticator import (
    ORIGIN,
    PRESENT,
    RP_ID,
    VERIFIED,
    Authenticator,
    decode,
    encode,
)
from tests.services.auth.second_factors.factors import age_sessions, new_app, problem

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


WRONG_ASSERTIONS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://localhost:5500"},
    "an origin that begins alike": {"origin": ORIGIN + ".example.com"},
    "another port": {"origin": "http://localhost:5501"},
    "another domain's key": {"rp_id": "example.com"},
    "not verified": {"without": VERIFIED},
    "nobody there": {"without": PRESENT},
    "a registration's kind": {"kind": "webauthn.create"},
    "a payment's kind": {"kind": "payment.get"},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "a challenge of one's own": {"challenge": encode(b"c" * 72)},
    "no challenge": {"challenge": ""},
    "in another site's frame": {"cross_origin": True},
    "another's handle": {"user_handle": b"u" * 16},
    "a count that stands still": {"count": 1},
    "a count that went back": {"count": 0},
}


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


WRONG_REGISTRATIONS = {
    **{
        name: changed
        for name, changed in WRONG_ASSERTIONS.items()
        if not {"key", "user_handle", "count"} & changed.keys() and changed != {"kind": "webauthn.create"}
    },
    "a sign-in's kind": {"kind": "webauthn.get"},
}


@pytest.mark.parametrize("wrong", WRONG_REGISTRATIONS)
async def test_a_wrong_registration_is_refused(auth: httpx.AsyncClient, wrong: str) -> None:
    person = await register(auth)
    headers = bearer((await log_in(auth, person))["access_token"])
    options = await creation_options(auth, headers)
    credential = Authenticator().make(options, **WRONG_REGISTRATIONS[wrong])
    response = await add(auth, headers, credential)
    assert problem(response) == (422, "invalid-request")
    assert response.json()["errors"][0]["pointer"] == "#/credential"
    assert (await auth.get("/v1/passkeys", headers=headers)).json()["items"] == []


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


async def test_of_twenty_uses_of_one_registration_one_is_stored(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    person = await register(two_auths[0])
    headers = bearer((await log_in(two_auths[0], person))["access_token"])
    credential = Authenticator().make(await creation_options(two_auths[0], headers))
    answers = await asyncio.gather(*(add(two_auths[n % 2], headers, credential) for n in range(20)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 422: 19}


async def test_a_known_passkey_is_nobody_elses(auth: httpx.AsyncClient) -> None:
    owner, other = await new_owner(auth), await new_owner(auth)
    for headers in (owner.headers, other.headers):
        again = owner.authenticator.make(await creation_options(auth, headers))
        assert problem(await add(auth, headers, again)) == (409, "passkey-known")


async def test_of_thirty_passkeys_at_once_twenty_are_stored(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    person = await register(two_auths[0])
    answer = await log_in(two_auths[0], person)
    headers = bearer(answer["access_token"])
    made = [Authenticator().make(await creation_options(two_auths[0], headers)) for _ in range(30)]
    answers = await asyncio.gather(*(add(two_auths[n % 2], headers, each) for n, each in enumerate(made)))
    assert Counter(each.status_code for each in answers) == {201: 20, 409: 10}
    stored = "SELECT count(*) FROM passkeys WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(stored, answer["user"]["id"]) == 20


async def test_a_removed_passkey_signs_nobody_in(auth: httpx.AsyncClient) -> None:
    owner, other = await new_owner(auth), await new_owner(auth)
    path = f"/v1/passkeys/{owner.passkey['id']}"
    for method, body in (("DELETE", None), ("PATCH", {"name": "Mine now"})):
        foreign = await auth.request(method, path, json=body, headers=other.headers)
        assert problem(foreign) == (404, "not-found")
    renamed = await auth.patch(path, json={"name": " An old one "}, headers=owner.headers)
    assert renamed.json()["name"] == "An old one"
    for name in ("", "   ", "x" * 65, "a\nb", "\x00"):
        assert (await auth.patch(path, json={"name": name}, headers=owner.headers)).status_code == 422
    session = (await sign_in(auth, owner.authenticator.get_assertion(await request_options(auth)))).json()
    assert (await auth.delete(path, headers=owner.headers)).status_code == 204
    assert problem(await auth.delete(path, headers=owner.headers)) == (404, "not-found")
    assertion = owner.authenticator.get_assertion(await request_options(auth))
    assert problem(await sign_in(auth, assertion)) == (401, "passkey-refused")
    still = await auth.get("/v1/users/me/events", headers=bearer(session["access_token"]))
    assert still.status_code == 200, "removing a passkey ends no session"
    assert "passkey_removed" in {event["event"] for event in still.json()["items"]}


async def test_of_two_last_passkeys_removed_at_once_one_stays(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    for _ in range(10):
        owner = await new_owner(two_auths[0])
        credential = Authenticator().make(await creation_options(two_auths[0], owner.headers))
        second = (await add(two_auths[0], owner.headers, credential)).json()
        await auth_database.execute(
            "UPDATE users SET password_hash = NULL WHERE id = $1::uuid", owner.user_id
        )
        answers = await asyncio.gather(
            *(
                client.delete(f"/v1/passkeys/{passkey['id']}", headers=owner.headers)
                for client, passkey in zip(two_auths, (owner.passkey, second), strict=True)
            )
        )
        assert Counter(answer.status_code for answer in answers) == {204: 1, 409: 1}
        refused = next(answer for answer in answers if answer.status_code == 409)
        assert problem(refused) == (409, "last-sign-in-method")


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


async def test_changing_passkeys_needs_a_recent_login(
    auth: httpx.AsyncClient, auth_database: AuthDatabase
) -> None:
    owner = await new_owner(auth)
    answer = await log_in(auth, owner.person)
    await age_sessions(auth_database, owner.user_id, seconds=601)
    pair = (await refresh(auth, answer["refresh_token"])).json()
    headers = bearer(pair["access_token"])
    calls = [
        await auth.post("/v1/passkeys/register/options", headers=headers),
        await add(auth, headers, Authenticator().make(await creation_options(auth, owner.headers))),
        await auth.delete(f"/v1/passkeys/{owner.passkey['id']}", headers=headers),
    ]
    assert [problem(call) for call in calls] == [(403, "reauthentication-required")] * 3
    path = f"/v1/passkeys/{owner.passkey['id']}"
    assert (await auth.patch(path, json={"name": "Old"}, headers=headers)).status_code == 200


async def test_a_session_that_never_proved_the_factor_adds_no_passkey(auth: httpx.AsyncClient) -> None:
    person = await register(auth)
    thief = bearer((await log_in(auth, person))["access_token"])
    await new_app(auth, person)
    credential = Authenticator().make(await creation_options(auth, thief))
    assert problem(await add(auth, thief, credential)) == (403, "reauthentication-required")


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


async def test_pages_and_domain_are_settings(new_auth_database: NewDatabase) -> None:
    settings = (await new_auth_database()).settings
    app = make_app(
        settings,
        auth_issuer="https://auth.example.com",
        passkey_domain="example.com",
        passkey_origins="https://www.example.com, https://app.example.com:8443",
        display_name="Example",
    )
    async with running(app) as client:
        person = await register(client)
        headers = bearer((await log_in(client, person))["access_token"])
        for origin, status in {
            "https://auth.example.com": 422,
            "https://example.com": 422,
            "https://www.example.com": 201,
            "https://app.example.com:8443": 201,
        }.items():
            options = await creation_options(client, headers)
            assert options["rp"] == {"id": "example.com", "name": "Example"}
            credential = Authenticator().make(options, origin=origin, rp_id="example.com")
            assert (await add(client, headers, credential)).status_code == status, origin


def test_a_domain_that_pages_are_not_on_is_refused_at_the_start(auth_database: AuthDatabase) -> None:
    with pytest.raises(ValueError, match="AUTH_PASSKEY_DOMAIN"):
        make_app(auth_database.settings, passkey_domain="example.com")
    with pytest.raises(ValueError, match="AUTH_PASSKEY_DOMAIN"):
        make_app(auth_database.settings, passkey_origins="https://badlocalhost")
    with pytest.raises(ValueError, match="no origin"):
        make_app(auth_database.settings, passkey_origins="*")


async def test_nonsense_is_refused_and_breaks_nothing(auth: httpx.AsyncClient) -> None:
    owner = await new_owner(auth)
    good = owner.authenticator.get_assertion(await request_options(auth))
    nonsense: list[Any] = [
        {},
        {"id": 1, "rawId": [], "response": {}},
        {**good, "id": ""},
        {**good, "id": "A" * 2_000},
        {**good, "id": "%%%"},
        {**good, "rawId": encode(b"other")},
        {**good, "type": "password"},
        {**good, "response": []},
        {**good, "response": {**good["response"], "clientDataJSON": "!"}},
        {**good, "response": {**good["response"], "clientDataJSON": encode(b"[]")}},
        {**good, "response": {**good["response"], "clientDataJSON": encode(b"\xff")}},
        {**good, "response": {**good["response"], "authenticatorData": encode(b"short")}},
        {**good, "response": {**good["response"], "signature": encode(b"")}},
        {**good, "response": {**good["response"], "userHandle": 5}},
        {**good, "authenticatorAttachment": "implant"},
    ]
    for each in nonsense:
        assert problem(await sign_in(auth, each)) == (401, "passkey-refused"), each
        assert (await add(auth, owner.headers, each)).status_code == 422, each
    bodies: list[Any] = [
        {},
        {"credential": []},
        {"credential": good, "more": 1},
        {"credential": {"a": "\x00"}},
    ]
    for body in bodies:
        assert (await auth.post("/v1/passkeys/login", json=body)).status_code == 422
    made = Authenticator().make(await creation_options(auth, owner.headers))
    for attestation in (b"", b"\xff" * 64, b"\x9f" * 10_000, b"\x81" * 10_000):
        broken = {**made, "response": {**made["response"], "attestationObject": encode(attestation)}}
        assert (await add(auth, owner.headers, broken)).status_code == 422
    assert (await sign_in(auth, good)).status_code == 200


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
