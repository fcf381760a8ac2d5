"""The list of ended sessions that a service reads from Auth, and what holds while Auth is unreachable."""

import logging
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from auth.revocations.service import KEPT
from auth.sessions.access_tokens import LIFETIME_SECONDS
from tests.tokens import TokenMint
from webcommon.auth.bearer import Issuer, TokenRefused, TokenVerifier
from webcommon.auth.revocations import (
    ACCESS_TOKEN_SECONDS,
    FAILURES_BEFORE_A_WARNING,
    LISTED_SECONDS,
    EndedSessions,
)

Answer = Callable[[httpx.Request], httpx.Response]


def feed(answer: Answer) -> EndedSessions:
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return EndedSessions("http://auth/v1/revocations", client=client)


def told(*sessions: UUID, tag: str = '"1"') -> httpx.Response:
    return httpx.Response(200, json={"sessions": [str(each) for each in sessions]}, headers={"ETag": tag})


async def test_ended_sessions_are_known_and_polled_with_their_etag() -> None:
    session, tags = uuid4(), []

    def answer(request: httpx.Request) -> httpx.Response:
        tags.append(request.headers.get("if-none-match"))
        return httpx.Response(304) if tags[-1] == '"1"' else told(session)

    ended = feed(answer)
    assert session not in ended
    assert not ended.is_heard
    for _ in range(2):
        await ended.ask()
        assert session in ended
    assert ended.is_heard
    assert tags == [None, '"1"']
    assert uuid4() not in ended


@pytest.mark.parametrize(
    "spoilt",
    [
        httpx.Response(500),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, json={"sessions": ["no id"]}),
        httpx.Response(200, content=b" " * (33 * 1024 * 1024)),
        httpx.Response(302, headers={"Location": "http://elsewhere/"}),
    ],
    ids=["error", "no JSON", "no object", "no id", "too long", "elsewhere"],
)
async def test_known_sessions_survive_unreadable_answers(
    spoilt: httpx.Response, caplog: pytest.LogCaptureFixture
) -> None:
    session = uuid4()
    failures = FAILURES_BEFORE_A_WARNING + 1
    answers = [told(session), *[spoilt] * failures, told(tag='"2"')]
    ended = feed(lambda _request: answers.pop(0))
    with caplog.at_level(logging.INFO, logger="webcommon.auth.revocations"):
        for _ in range(1 + failures):
            await ended.ask()
            assert session in ended
        await ended.ask()
    assert session not in ended
    # One line when the database becomes unreachable, one when it is back.
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_an_absent_auth_is_no_failure() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    ended = feed(refuse)
    async with ended.running():
        await ended.ask()
    assert uuid4() not in ended
    assert not ended.is_heard


def test_the_times_of_auth_are_known() -> None:
    assert ACCESS_TOKEN_SECONDS == LIFETIME_SECONDS
    assert timedelta(seconds=LISTED_SECONDS) <= KEPT


async def test_tokens_of_an_ended_session_are_refused_the_remembered_ones_too(mint: TokenMint) -> None:
    sessions: set[UUID] = set()
    issuer = Issuer(
        issuer=mint.issuer.issuer, audience=mint.issuer.audience, keys=mint.issuer.keys, ended=sessions
    )
    verifier = TokenVerifier(issuer)
    remembered, other = mint.token(), mint.token()
    session = UUID(jwt.get_unverified_claims(remembered)["sid"])
    fresh = mint.token(sid=str(session))
    for token in (remembered, other):
        await verifier.verify(token)
    sessions.add(session)
    for token in (remembered, fresh, remembered):
        with pytest.raises(TokenRefused):
            await verifier.verify(token)
    await verifier.verify(other)
