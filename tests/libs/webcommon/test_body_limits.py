"""A body over the limit of its route is refused with 413, however it comes and whoever answers."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.clients import running
from tests.libs.faulty_app import build, chunks_of, post, problem_of
from tests.tokens import TokenMint
from webcommon.app.service import BODY_LIMIT

LARGE = b'{"note": "' + b"x" * BODY_LIMIT + b'"}'


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint)) as started:
        yield started


@pytest.mark.parametrize(
    "path", ["/v1/baskets", "/v1/batches", "/v1/guarded", "/v1/unread", "/nowhere", "/v1/plain"]
)
async def test_a_body_over_the_limit_is_413_by_its_length(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=LARGE, headers={"Content-Type": "application/json"})
    problem_of(answer, 413, "content-too-large")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("path", ["/v1/baskets", "/v1/batches"])
async def test_a_body_over_the_limit_is_413_in_chunks(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, content=chunks_of(LARGE), headers={"Content-Type": "application/json"})
    assert "content-length" not in answer.request.headers
    problem_of(answer, 413, "content-too-large")


async def test_chunks_that_nobody_reads_are_not_counted(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/unread", content=chunks_of(LARGE))).status_code == 200


async def test_a_body_of_exactly_the_limit_is_taken(client: httpx.AsyncClient) -> None:
    body = b'{"note": "' + b"x" * (BODY_LIMIT - 12) + b'"}'
    assert len(body) == BODY_LIMIT == 1024 * 1024
    assert (await post(client, body)).status_code == 200
    problem_of(await post(client, body + b" "), 413, "content-too-large")


async def test_a_route_may_have_a_limit_of_its_own(client: httpx.AsyncClient) -> None:
    large = b'{"note": "' + b"x" * (16 * 1024 * 1024 - 12) + b'"}'
    taken = await post(client, large, "/v1/imports")
    assert (taken.status_code, taken.json()) == (200, 16 * 1024 * 1024 - 12)
    problem_of(await post(client, large + b" ", "/v1/imports"), 413, "content-too-large")
    headers = {"Content-Type": "application/json"}
    chunked = await client.post("/v1/imports", content=chunks_of(large + b" "), headers=headers)
    problem_of(chunked, 413, "content-too-large")


@pytest.mark.parametrize("length", ["-1", "x", "1e9", ""])
async def test_an_invalid_length_does_no_harm(client: httpx.AsyncClient, length: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length}
    assert (await client.post("/v1/baskets", content=b"{}", headers=headers)).status_code < 500
