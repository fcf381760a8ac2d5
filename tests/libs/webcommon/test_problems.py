"""Every error is a problem document (RFC 9457) that says what to do and nothing of what is inside."""

import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.clients import running
from tests.libs.faulty_app import CANARY, PROBLEMS, build, problem_of
from tests.tokens import TokenMint
from webcommon.api.problems import Conflict, InvalidRequest, NotFound, problem_responses


@pytest.fixture(scope="module")
async def client(mint: TokenMint) -> AsyncIterator[httpx.AsyncClient]:
    async with running(build(mint)) as started:
        yield started


# Refusals of our own.


@pytest.mark.parametrize("slug", PROBLEMS)
async def test_a_refusal_is_answered_as_it_is_raised(client: httpx.AsyncClient, slug: str) -> None:
    problem = PROBLEMS[slug]
    answer = await client.get(f"/v1/problems/{slug}")
    document = problem_of(answer, problem.status, slug)
    assert document["title"] == problem.title
    assert document["detail"] == (problem.detail or problem.title)
    for name, value in problem.headers.items():
        assert answer.headers[name] == value
    assert document.get("capacity") == problem.members.get("capacity")
    assert "missing" not in document


async def test_refusals_carry_the_headers_that_their_status_wants(client: httpx.AsyncClient) -> None:
    unauthorized = await client.get("/v1/problems/unauthorized")
    assert unauthorized.headers["www-authenticate"].startswith("Bearer")
    limited = await client.get("/v1/problems/too-many-requests")
    assert limited.headers["retry-after"] == "30"
    away = await client.get("/v1/problems/unavailable")
    assert away.headers["retry-after"] == "3"
    invalid = await client.get("/v1/problems/invalid-request")
    assert invalid.json()["errors"] == [{"pointer": "#/day", "detail": "too late"}]


# What goes wrong inside.


@pytest.mark.parametrize(
    "name", ["runtime", "key", "assertion", "recursion", "memory", "os", "timeout", "group", "statement"]
)
async def test_an_unhandled_error_is_500_without_a_word_of_its_cause(
    client: httpx.AsyncClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    document = problem_of(answer, 500, "internal-error")
    assert set(document) == {"type", "title", "status", "detail", "instance", "request_id"}
    (record,) = [record for record in caplog.records if record.name == "webcommon.api.problem_handlers"]
    assert record.levelno == logging.ERROR
    assert record.exc_info


@pytest.mark.parametrize("path", ["/v1/dependency", "/v1/answer"])
async def test_an_error_outside_of_the_handler_is_500_too(client: httpx.AsyncClient, path: str) -> None:
    problem_of(await client.get(path), 500, "internal-error")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("unavailable", "database-unavailable"),
        ("exhausted", "pool-exhausted"),
        ("busy", "statement-timed-out"),
    ],
)
async def test_a_database_that_cannot_serve_is_503(client: httpx.AsyncClient, name: str, slug: str) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    problem_of(answer, 503, slug)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("name", "status", "slug"),
    [
        ("http-400", 400, "bad-request"),
        ("http-404", 404, "not-found"),
        ("http-409", 409, "conflict"),
        ("http-418", 418, "i-m-a-teapot"),
        ("http-503", 503, "service-unavailable"),
    ],
)
async def test_an_error_of_the_framework_keeps_its_status_and_not_its_words(
    client: httpx.AsyncClient, name: str, status: int, slug: str
) -> None:
    answer = await client.get(f"/v1/errors/{name}")
    problem_of(answer, status, slug)
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)


# What the framework refuses.


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1/baskets/x/y", "/v1//baskets", "/%00", "/é/ü", "/a%2Fb?x=1", "/%ff"]
)
async def test_an_unknown_path_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    document = problem_of(answer, 404, "not-found")
    assert document["instance"].isascii()
    assert "?" not in document["instance"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_an_unknown_method_is_405_and_names_those_that_there_are(
    client: httpx.AsyncClient, method: str
) -> None:
    answer = await client.request(method, "/v1/baskets")
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


async def test_head_of_a_get_route_has_no_body_and_no_500(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/plain")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", "image/png", "x"]
)
async def test_a_body_of_another_type_is_415(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(
        "/v1/baskets", content=f'{{"note": "{CANARY}"}}', headers={"Content-Type": content_type}
    )
    problem_of(answer, 415, "unsupported-media-type")


async def test_a_body_without_a_type_is_415(client: httpx.AsyncClient) -> None:
    request = client.build_request("POST", "/v1/baskets", content=b"{}")
    request.headers.pop("content-type", None)
    problem_of(await client.send(request), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/merge-patch+json",
    ],
)
async def test_every_spelling_of_json_is_taken(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post("/v1/baskets", content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "host", ["[", "[::1", "a b", "\xff", "", "evil.example/path?x#y", "x" * 5000, "a:b:c"]
)
async def test_an_invalid_host_header_does_no_harm(client: httpx.AsyncClient, host: str) -> None:
    headers = [(b"host", host.encode("latin-1"))]
    for path, status in (("/nowhere", 404), ("/v1/problems/conflict", 409), ("/v1/errors/runtime", 500)):
        answer = await client.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.json()["instance"] == path


def test_responses_of_a_route_are_described_with_an_example_each() -> None:
    responses = problem_responses(Conflict, NotFound, InvalidRequest)
    assert set(responses) == {404, 409, 422}
    content = responses[409]["content"]["application/problem+json"]
    assert content["examples"]["conflict"]["value"]["type"] == "/problems/conflict"
