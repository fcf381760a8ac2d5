"""The page and its assets over HTTP."""

import pytest

from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.videovault.library import Library, settings_for
from videovault.main import create_app
from videovault.web.routes import MEDIA_TYPES, security_headers

PATHS = ["/" if name == "index.html" else f"/{name}" for name in MEDIA_TYPES]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' http://localhost:5500;"
    " img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", PATHS)
async def test_page_and_assets_are_served_under_the_strict_policy(library: Library, path: str) -> None:
    answer = await library.client.get(path)

    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-type"] == MEDIA_TYPES[path.removeprefix("/") or "index.html"]


@pytest.mark.parametrize("path", PATHS)
async def test_an_unchanged_asset_is_not_sent_twice(library: Library, path: str) -> None:
    etag = (await library.client.get(path)).headers["etag"]

    again = await library.client.get(path, headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == POLICY


async def test_the_page_holds_no_inline_script_style_or_foreign_address(library: Library) -> None:
    html = (await library.client.get("/")).text

    assert html.count("<script") == html.count("<script src=") == 1
    assert "<style" not in html
    assert " style=" not in html
    assert " on" not in "".join(part.split(">")[0] for part in html.split("<")[1:])
    assert "http" not in html


async def test_nothing_else_of_the_folder_is_served(library: Library) -> None:
    for path in ("/index.html", "/static/app.js", "/routes.py", "/../routes.py", "/%2e%2e/routes.py"):
        assert (await library.client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("issuer", "sources"),
    [
        ("https://auth.example.com", "'self' https://auth.example.com"),
        ("https://auth.example.com:8443/realm", "'self' https://auth.example.com:8443"),
        ("http://[::1]:5500", "'self' http://[::1]:5500"),
        ("https://a.example;script-src", "'self'"),
        ("https://a.example,b.example", "'self'"),
        ("https://*.example", "'self'"),
    ],
)
def test_only_a_plain_origin_of_auth_is_part_of_the_policy(issuer: str, sources: str) -> None:
    policy = security_headers(settings_for(None, auth_issuer=issuer))["Content-Security-Policy"]

    assert f"; connect-src {sources}; " in policy
    assert policy.count(";") == POLICY.count(";")


async def test_the_page_knows_whether_to_ask_for_a_token(
    library: Library, database: DatabaseSettings
) -> None:
    assert 'data-access="token"' in (await library.client.get("/")).text
    async with running(create_app(settings_for(database, access="open"))) as client:
        assert 'data-access="open"' in (await client.get("/")).text
