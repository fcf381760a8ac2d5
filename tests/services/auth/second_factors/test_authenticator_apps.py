"""Codes of an authenticator app and recovery codes: how they are computed and read, and the app set up."""

import asyncio
import base64
from collections import Counter
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pyotp
import pytest

from auth.second_factors.recovery_codes import new_code, parse_recovery_code
from auth.second_factors.totp import find_step, make_code
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, register
from tests.services.auth.second_factors.factors import TwoAuths, begin_app, confirm, problem

RFC_SECRET = b"12345678901234567890"


RFC_CODES = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""RFC 6238, appendix B: eight digits, of which ours are the last six."""


@pytest.mark.parametrize("moment", RFC_CODES)
def test_codes_are_those_of_the_rfc(moment: int) -> None:
    assert make_code(RFC_SECRET, step=moment // 30) == RFC_CODES[moment][-6:]
    assert find_step(RFC_SECRET, RFC_CODES[moment][-6:], at=moment) == moment // 30


def test_codes_are_those_of_another_implementation() -> None:
    secret = pyotp.random_base32()
    for step in range(1_000):
        assert make_code(base64.b32decode(secret), step=step) == pyotp.TOTP(secret).at(step * 30)


def test_a_code_is_good_for_one_step_before_and_after() -> None:
    now = 1_800_000_010.0
    accepted = [
        offset
        for offset in range(-4, 5)
        if find_step(RFC_SECRET, make_code(RFC_SECRET, step=int(now) // 30 + offset), at=now) is not None
    ]
    assert accepted == [-1, 0, 1]


def test_recovery_codes_are_read_however_they_were_typed() -> None:
    assert parse_recovery_code(" 7m4k 9qxt-2w8h ") == "7M4K9QXT2W8H"
    assert parse_recovery_code("OIL0-1111-2222") == parse_recovery_code("0110-1111-2222")
    for wrong in ("", "7M4K-9QXT", "7M4K-9QXT-2W8U", "7M4K-9QXT-2W8H-0", "\uff17M4K-9QXT-2W8H"):
        assert parse_recovery_code(wrong) is None
    codes = {new_code() for _ in range(1_000)}
    assert len(codes) == 1_000
    assert all(parse_recovery_code(code) == code.replace("-", "") for code in codes)


async def test_the_secret_and_its_uri_are_what_apps_read(auth: httpx.AsyncClient) -> None:
    app = await begin_app(auth)
    response = await auth.post("/v1/mfa/totp", headers=app.headers)
    secret, uri = response.json()["secret"], urlsplit(response.json()["otpauth_uri"])
    assert len(base64.b32decode(secret)) * 8 == 160
    assert (uri.scheme, uri.netloc, unquote(uri.path)) == (
        "otpauth",
        "totp",
        f"/Quartet:{app.person.email}",
    )
    assert {name: values[0] for name, values in parse_qs(uri.query).items()} == {
        "secret": secret,
        "issuer": "Quartet",
        "algorithm": "SHA1",
        "digits": "6",
        "period": "30",
    }
    read = pyotp.parse_uri(response.json()["otpauth_uri"])
    assert isinstance(read, pyotp.TOTP)
    assert response.headers["cache-control"] == "no-store"


async def test_a_pending_secret_guards_nothing_and_is_replaced_by_the_next(auth: httpx.AsyncClient) -> None:
    app = await begin_app(auth)
    assert "access_token" in await log_in(auth, app.person)
    old = app.code()
    app.secret = (await auth.post("/v1/mfa/totp", headers=app.headers)).json()["secret"]
    refused = await auth.post("/v1/mfa/totp/confirm", json={"code": old}, headers=app.headers)
    assert problem(refused) == (403, "incorrect-code")
    await confirm(auth, app)
    assert len(set(app.recovery_codes)) == 10
    for path, body in (("/v1/mfa/totp", None), ("/v1/mfa/totp/confirm", {"code": app.code()})):
        again = await auth.post(path, json=body, headers=app.headers)
        assert problem(again) == (409, "second-factor-enabled")
    nothing = await register(auth)
    headers = bearer((await log_in(auth, nothing))["access_token"])
    response = await auth.post("/v1/mfa/totp/confirm", json={"code": "123456"}, headers=headers)
    assert problem(response) == (409, "no-second-factor")


async def test_twenty_confirmations_at_once_give_one_set_of_recovery_codes(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    app = await begin_app(two_auths[0])
    body = {"code": app.code()}
    answers = await asyncio.gather(
        *(
            two_auths[number % 2].post("/v1/mfa/totp/confirm", json=body, headers=app.headers)
            for number in range(20)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    rows = "SELECT count(*) FROM recovery_codes WHERE user_id = $1::uuid"
    assert await auth_database.fetch_value(rows, app.user_id) == 10
