"""The endpoints that clients call directly, beyond the tokens of a sign-in."""

from typing import Any

import httpx
import pytest
from jose import jwt

from dbcommon.dsn import DatabaseUrl
from dbcommon.settings import DatabaseSettings
from tests.clients import running
from tests.services.auth.auth_app import bearer, make_app, register
from tests.services.auth.oidc.standard_client import CLIENT, Attempt


async def ask(client: httpx.AsyncClient, token: str, **changed: str) -> httpx.Response:
    grant = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT}
    return await client.post("/oauth2/token", data=grant | changed)


async def tokens_of_scope(client: httpx.AsyncClient, scope: str) -> dict[str, Any]:
    return await Attempt(scope=scope).get_tokens(client, await register(client))


@pytest.mark.parametrize(
    "scope", ["openid email profile", "email", "openid  profile  email offline_access", "nonsense"]
)
async def test_refreshing_gives_no_scope_beyond_the_sessions(auth: httpx.AsyncClient, scope: str) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    refused = await ask(auth, tokens["refresh_token"], scope=scope)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    again = await ask(auth, tokens["refresh_token"])
    assert again.status_code == 200, "the refused call used nothing up"


async def test_a_scope_beyond_the_sessions_is_refused_to_a_repeated_call_too(auth: httpx.AsyncClient) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    successor = (await ask(auth, tokens["refresh_token"])).json()["refresh_token"]
    refused = await ask(auth, tokens["refresh_token"], scope="openid email")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert (await ask(auth, successor)).status_code == 200


async def test_a_reused_token_ends_its_session_for_any_scope(
    auth: httpx.AsyncClient,
) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    first = (await ask(auth, tokens["refresh_token"])).json()["refresh_token"]
    second = (await ask(auth, first)).json()["refresh_token"]
    reused = await ask(auth, tokens["refresh_token"], scope="openid email")
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert (await ask(auth, second)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("scope", "given", "told"),
    [
        ("", "openid profile", {"sub", "preferred_username", "updated_at"}),
        ("profile openid", "openid profile", {"sub", "preferred_username", "updated_at"}),
        ("openid openid", "openid", {"sub"}),
        ("profile", "profile", None),
    ],
)
@pytest.mark.parametrize("is_repeated", [False, True])
async def test_the_tokens_of_a_refresh_have_the_scope_that_was_asked_for(
    auth: httpx.AsyncClient, scope: str, given: str, told: set[str] | None, is_repeated: bool
) -> None:
    first = (await tokens_of_scope(auth, "openid profile"))["refresh_token"]
    if is_repeated:
        await ask(auth, first)
    answer = await ask(auth, first, scope=scope)
    assert (answer.status_code, answer.json()["scope"]) == (200, given)
    access_token = answer.json()["access_token"]
    assert jwt.get_unverified_claims(access_token)["scope"] == given
    looked_at = await auth.post("/oauth2/introspect", data={"client_id": CLIENT, "token": access_token})
    assert looked_at.json()["scope"] == given
    userinfo = await auth.get("/oauth2/userinfo", headers=bearer(access_token))
    if told is None:
        assert "id_token" not in answer.json()
        assert userinfo.status_code == 403
    else:
        assert set(userinfo.json()) == told
        identity = jwt.get_unverified_claims(answer.json()["id_token"])
        assert ("preferred_username" in identity) is ("preferred_username" in told)


async def test_a_narrower_scope_narrows_one_answer_and_not_the_session(auth: httpx.AsyncClient) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    narrowed = (await ask(auth, tokens["refresh_token"], scope="openid")).json()
    whole = (await ask(auth, narrowed["refresh_token"])).json()
    assert (narrowed["scope"], whole["scope"]) == ("openid", "openid profile")
    assert jwt.get_unverified_claims(whole["access_token"])["scope"] == "openid profile"


async def test_while_the_database_is_away_clients_get_an_oauth_error(
    auth: httpx.AsyncClient,
) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    nowhere = DatabaseUrl(user="nobody", hosts=(("127.0.0.1", 1),), database="nothing")
    of_client = {"client_id": CLIENT, "token": tokens["refresh_token"]}
    async with running(make_app(DatabaseSettings(url=nowhere))) as away:
        answers = [
            await ask(away, tokens["refresh_token"]),
            await away.post("/oauth2/introspect", data=of_client),
            await away.post("/oauth2/introspect", data=of_client, headers=bearer(tokens["access_token"])),
            await away.post("/oauth2/revoke", data=of_client),
        ]
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
        assert answer.json()["error"] == "temporarily_unavailable"
        assert answer.json()["error_description"]
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["cache-control"] == "no-store"


async def test_a_client_may_send_basic_with_an_empty_secret(auth: httpx.AsyncClient) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    grant = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    basic = httpx.BasicAuth(CLIENT, "")
    refreshed = await auth.post("/oauth2/token", data=grant, auth=basic)
    assert refreshed.status_code == 200, refreshed.text
    newest = {"token": refreshed.json()["refresh_token"]}
    introspected = await auth.post("/oauth2/introspect", data=newest, auth=basic)
    assert (introspected.status_code, introspected.json()["active"]) == (200, True)
    assert (await auth.post("/oauth2/revoke", data=newest, auth=basic)).status_code == 200
    introspected = await auth.post("/oauth2/introspect", data=newest, auth=basic)
    assert introspected.json() == {"active": False}


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("Basic dmlkZW92YXVsdC13ZWI6c2VjcmV0", id="a secret"),
        pytest.param("Basic dmlkZW92YXVsdC13ZWI=", id="no colon"),
        pytest.param("Basic Og==", id="no client"),
        pytest.param("Basic bDJwLXdlYjo=", id="another client than the form's"),
        pytest.param("Basic dW5rbm93bjo=", id="an unknown client"),
        pytest.param("Basic !", id="no Base64"),
        pytest.param("Basic //8=", id="no UTF-8"),
        pytest.param("Basic", id="nothing"),
    ],
)
async def test_other_basic_credentials_are_refused_and_leave_the_code_valid(
    auth: httpx.AsyncClient, header: str
) -> None:
    tokens = await tokens_of_scope(auth, "openid profile")
    grant = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    named = grant if header == "Basic dW5rbm93bjo=" else grant | {"client_id": CLIENT}
    refused = await auth.post("/oauth2/token", data=named, headers={"Authorization": header})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert (await ask(auth, tokens["refresh_token"])).status_code == 200
