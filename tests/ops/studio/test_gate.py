"""Who gets in: one browser of this machine, by the token that was printed, and its own pages alone."""

from collections.abc import Iterator

import httpx
import pytest

from quartet.studio import StudioDatabase, listen
from tests.ops.studio.running import Studio, served
from tests.servers import TestServer


@pytest.fixture(scope="module")
def running(server: TestServer) -> Iterator[Studio]:
    with served(StudioDatabase("auth", server.url("auth"), writes=True)) as started:
        yield started


@pytest.fixture(scope="module")
def cookie(running: Studio) -> dict[str, str]:
    """The cookie that the token was exchanged for, after what does not spend it."""
    with running.client() as client:
        assert client.head(running.url).status_code == 401
        assert client.get("/", params={"token": "wrong"}).status_code == 401
        assert client.get("/", params={"token": ""}).status_code == 401
        assert client.post(running.url).status_code == 401
        answer = client.get(running.url)
        assert answer.status_code == 200
        name, _, rest = answer.headers["Set-Cookie"].partition("=")
        value, *attributes = rest.split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=strict"]
    return {name: value}


def test_the_token_works_once(running: Studio, cookie: dict[str, str]) -> None:
    with running.client() as client:
        again = client.get(running.url)
        assert (again.status_code, "Set-Cookie" in again.headers) == (401, False)
        client.cookies.update(cookie)
        assert client.get("/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/auth/", "/auth/users/list", "/auth/static/css/vendor/tabler.min.css", "/nothing"]
)
def test_nothing_is_served_without_the_cookie(running: Studio, cookie: dict[str, str], path: str) -> None:
    (name,) = cookie
    with running.client() as client:
        for cookies in ({}, {name: "wrong"}, {name: ""}, {"quartet_studio_1": cookie[name]}):
            client.cookies = httpx.Cookies(cookies)
            assert client.get(path).status_code == 401


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8700", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:80", 421),
        ("127.0.0.1@evil.example", 421),
        ("[::1]", 421),
        ("", 421),
    ],
)
def test_another_host_name_is_refused(
    running: Studio, cookie: dict[str, str], host: str, status: int
) -> None:
    with running.client() as client:
        client.cookies.update(cookie)
        answer = client.get("/auth/users/list", headers={"Host": host})
        assert answer.status_code == status


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:5500", "https://{host}"]
)
def test_a_change_from_another_origin_is_refused(
    running: Studio, cookie: dict[str, str], origin: str | None
) -> None:
    with running.client() as client:
        client.cookies.update(cookie)
        token = (
            client.get("/auth/users/create").text.partition('name="csrftoken" value="')[2].partition('"')[0]
        )
        headers = {"Origin": origin.format(host=client.base_url.netloc.decode())} if origin else {}
        answer = client.post("/auth/users/create", data={"csrftoken": token}, headers=headers)
        assert (answer.status_code, answer.text) == (403, "Only the studio's own pages may change rows.")


def test_a_change_without_the_pages_token_is_refused(running: Studio, cookie: dict[str, str]) -> None:
    with running.client() as client:
        client.cookies.update(cookie)
        client.get("/auth/users/create")
        for data in ({}, {"csrftoken": ""}, {"csrftoken": "forged"}):
            answer = client.post("/auth/users/create", data=data, headers={"Origin": running.address})
            assert (answer.status_code, "CSRF" in answer.text) == (403, True)


def test_every_answer_forbids_frames_caches_and_other_sites(running: Studio, cookie: dict[str, str]) -> None:
    with running.client() as client:
        answers = [client.get("/auth/users/list"), client.get("/", headers={"Host": "evil.example"})]
        client.cookies.update(cookie)
        answers.append(client.get("/auth/users/list"))
    for answer in answers:
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


def test_it_listens_on_loopback_alone() -> None:
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
