"""Administrators who lose role, session or account while their requests wait."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.clients import running
from tests.services.auth.auth_app import AuthDatabase, bearer, log_in, make_app, register
from tests.services.auth.mail.mails import mails_to
from tests.services.auth.second_factors.factors import new_app, problem
from tests.services.auth.waiting import EVERYTHING, holding_account, queue
from webcommon.app.service import Service

TwoAuths = tuple[httpx.AsyncClient, httpx.AsyncClient]

ACTS = {"disable_user", "enable_user", "end_user_sessions", "remove_user_second_factor"}

LOSSES = {
    "session": (
        "UPDATE sessions SET ended_at = now(), end_reason = 'ended' WHERE user_id = $1::uuid",
        (401, "session-ended"),
    ),
    "account": ("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", (401, "session-ended")),
    "role": ("UPDATE users SET roles = '{user,editor}' WHERE id = $1::uuid", (403, "forbidden")),
}
"""What an administrator loses while a request waits, and the response to that request."""


@dataclass(frozen=True, kw_only=True)
class Administrator:
    """An administrator with a recent sign-in."""

    user_id: str
    headers: dict[str, str] = field(repr=False)


async def new_administrator(client: httpx.AsyncClient, database: AuthDatabase) -> Administrator:
    answer = await log_in(client, await register(client))
    user_id = answer["user"]["id"]
    await database.execute("UPDATE users SET roles = '{user,admin}' WHERE id = $1::uuid", user_id)
    return Administrator(user_id=user_id, headers=bearer(answer["access_token"]))


@pytest.fixture(scope="module")
def app(auth_database: AuthDatabase) -> Service:
    return make_app(auth_database.settings)


@pytest.fixture(scope="module")
async def auth(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as client:
        yield client


def acting_routes(app: Service) -> dict[str, tuple[str, str]]:
    """Method and path of each change that administrators can make, by operation id."""
    return {
        operation["operationId"]: (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if path.startswith("/v1/admin/") and method != "get"
    }


def test_every_change_by_administrators_is_covered(app: Service) -> None:
    assert acting_routes(app).keys() == ACTS


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("act", sorted(ACTS))
async def test_an_administrator_who_lost_access_while_waiting_changes_nothing(
    app: Service, auth: httpx.AsyncClient, auth_database: AuthDatabase, act: str, loss: str
) -> None:
    administrator = await new_administrator(auth, auth_database)
    target = (await new_app(auth)).user_id
    if act == "enable_user":
        await auth_database.execute("UPDATE users SET disabled_at = now() WHERE id = $1::uuid", target)
    await mails_to(auth, "")  # so that none is being sent meanwhile, and waits for the account as well
    before = await auth_database.fetch(EVERYTHING, target)
    method, path = acting_routes(app)[act]
    call = auth.request(method, path.format(user_id=target), headers=administrator.headers)
    statement, answer = LOSSES[loss]
    async with holding_account(auth_database, administrator.user_id) as other:
        request = await queue(auth_database, call)
        await other.execute(statement, administrator.user_id)
    assert problem(await request) == answer
    assert await auth_database.fetch(EVERYTHING, target) == before


async def disable(client: httpx.AsyncClient, actor: Administrator, target: Administrator) -> int:
    path = f"/v1/admin/users/{target.user_id}/disable"
    return (await client.post(path, headers=actor.headers)).status_code


async def count_enabled(database: AuthDatabase, *administrators: Administrator) -> int:
    statement = "SELECT count(*) FROM users WHERE id = ANY($1::uuid[]) AND disabled_at IS NULL"
    return int(await database.fetch_value(statement, [one.user_id for one in administrators]))


@pytest.mark.parametrize("held", [0, 1])
async def test_of_two_administrators_who_disable_each_other_one_stays(
    two_auths: TwoAuths, auth_database: AuthDatabase, held: int
) -> None:
    one, other = [await new_administrator(client, auth_database) for client in two_auths]
    paths = [f"/v1/admin/users/{target.user_id}/disable" for target in (other, one)]
    async with holding_account(auth_database, (one, other)[held].user_id):
        calls = [
            await queue(auth_database, client.post(path, headers=actor.headers))
            for client, path, actor in zip(two_auths, paths, (one, other), strict=True)
        ]
    answers = sorted([await call for call in calls], key=lambda answer: answer.status_code)
    assert answers[0].status_code == 200
    assert problem(answers[1]) == (401, "session-ended")
    assert await count_enabled(auth_database, one, other) == 1


@pytest.mark.long
async def test_two_administrators_who_disable_each_other_at_once_leave_one_every_time(
    two_auths: TwoAuths, auth_database: AuthDatabase
) -> None:
    for _ in range(20):
        one, other = [await new_administrator(client, auth_database) for client in two_auths]
        statuses = await asyncio.gather(disable(two_auths[0], one, other), disable(two_auths[1], other, one))
        assert sorted(statuses) == [200, 401]
        assert await count_enabled(auth_database, one, other) == 1
