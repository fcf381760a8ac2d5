"""`/openapi.json` for routes that answer with pages, redirects, or errors of RFC 6749."""

from typing import Any

import httpx
import pytest

from standins.openid_provider.provider import Provider
from tests.documented import DocumentedAnswers, NotAsDocumented
from tests.services.auth.auth_app import AuthDatabase, register
from tests.services.auth.google.test_for_clients import go
from tests.services.auth.google.visits import APP, Browser, somebody
from tests.services.auth.oidc.standard_client import Attempt
from tests.services.auth.second_factors.factors import new_app
from webcommon.app.service import Service


def check(app: Service, path: str, response: httpx.Response) -> int:
    """The status of a response, after a check that it and the media type are documented."""
    (operation,) = app.openapi()["paths"][path].values()
    described: dict[str, Any] = operation["responses"][str(response.status_code)]
    if response.is_redirect:
        assert "content" not in described
    else:
        assert response.headers["content-type"].partition(";")[0] in described["content"]
    return response.status_code


async def test_the_sign_in_page_is_described_as_it_answers(app: Service, browser: Browser) -> None:
    for changed, status in (({}, 200), ({"client_id": "unknown"}, 400), ({"prompt": "none"}, 302)):
        answer = await Attempt().open_page(browser.client, **changed)
        assert check(app, "/oauth2/authorize", answer) == status


async def test_the_callback_is_described_as_it_answers(
    app: Service, browser: Browser, provider: Provider, auth_database: AuthDatabase
) -> None:
    path = "/v1/oauth/google/callback"
    assert check(app, path, await browser.come_back(path)) == 400
    assert check(app, path, await browser.come_back(f"{path}?code=a&code=b")) == 400
    way_back = await browser.choose(await browser.begin(APP), somebody(provider))
    assert check(app, path, await browser.come_back(way_back)) == 302
    assert check(app, path, await go(browser, Attempt(), somebody(provider))) == 303
    assert check(app, path, await go(browser, Attempt(), somebody(provider, verified=False))) == 403
    guarded = await new_app(browser.client)
    email = guarded.person.email
    await auth_database.execute("UPDATE users SET email_verified = true WHERE email = $1", email)
    assert check(app, path, await go(browser, Attempt(), somebody(provider, email=email))) == 200


async def test_sign_in_responses_match_their_description(
    app: Service, browser: Browser, provider: Provider
) -> None:
    described = DocumentedAnswers(app.openapi())
    person = await register(browser.client)
    login = {"login": person.email, "password": person.password}
    by_password = await browser.client.post("/v1/auth/login", json=login)
    with_google = await browser.exchange((await browser.visit_for(somebody(provider)))["code"])
    for answer in (by_password, with_google):
        assert answer.status_code == 200
        await described.check(answer)
        body = {name: value for name, value in answer.json().items() if name != "access_token"}
        with pytest.raises(NotAsDocumented):
            await described.check(httpx.Response(200, json=body, request=answer.request))


async def test_the_google_routes_of_a_service_without_a_client_are_described(
    auth: httpx.AsyncClient, app: Service
) -> None:
    path = "/v1/oauth/google/callback"
    assert check(app, path, await auth.get(path)) == 404


async def test_refused_introspection_matches_its_description(auth: httpx.AsyncClient, app: Service) -> None:
    path = "/oauth2/introspect"
    unknown = await auth.post(path, data={"token": "a", "client_id": "unknown"})
    assert unknown.headers["content-type"] == "application/json"
    neither = await auth.post(path, data={"token": "a"})
    assert neither.headers["content-type"] == "application/problem+json"
    for answer in (unknown, neither):
        assert check(app, path, answer) == 401
