"""Users with an authenticator app, for which pyotp stands in."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyotp

from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, register

STEP_SECONDS = 30
TwoAuths = tuple[httpx.AsyncClient, httpx.AsyncClient]


@dataclass
class App:
    """A user's authenticator app and recovery codes."""

    person: Person
    user_id: str
    access_token: str = field(repr=False)
    secret: str = field(repr=False)
    recovery_codes: list[str] = field(default_factory=list, repr=False)
    # The middle of the nearest step: the codes of this step and the one before stay valid for fifteen seconds at least,
    # so that no test depends on where in a step it begins.
    at: float = field(default_factory=lambda: round(time.time() / STEP_SECONDS) * STEP_SECONDS + 1)

    def code(self, *, steps: int = 0) -> str:
        """The app's code now, or some steps of 30 seconds from now."""
        return str(pyotp.TOTP(self.secret).at(int(self.at) + steps * STEP_SECONDS))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the session that set up the app."""
        return bearer(self.access_token)


async def begin_app(client: httpx.AsyncClient, person: Person | None = None) -> App:
    """An unconfirmed secret of a user who just signed in."""
    person = person or await register(client)
    answer = await log_in(client, person)
    response = await client.post("/v1/mfa/totp", headers=bearer(answer["access_token"]))
    assert response.status_code == 200, response.text
    return App(
        person=person,
        user_id=answer["user"]["id"],
        access_token=answer["access_token"],
        secret=response.json()["secret"],
    )


async def confirm(client: httpx.AsyncClient, app: App, *, steps: int = -1) -> App:
    """Confirm the app with the previous step's code, so that the present one works at login."""
    response = await client.post(
        "/v1/mfa/totp/confirm", json={"code": app.code(steps=steps)}, headers=app.headers
    )
    assert response.status_code == 200, response.text
    app.recovery_codes = response.json()["recovery_codes"]
    return app


async def new_app(client: httpx.AsyncClient, person: Person | None = None) -> App:
    """A new user with a confirmed app."""
    return await confirm(client, await begin_app(client, person))


async def ask(client: httpx.AsyncClient, person: Person) -> str:
    """The token of a new login challenge."""
    answer = await log_in(client, person)
    assert answer.keys() == {"mfa_required", "mfa_token"}, answer.keys()
    assert answer["mfa_required"] is True
    return str(answer["mfa_token"])


async def finish(client: httpx.AsyncClient, token: str, code: str, **more: Any) -> httpx.Response:
    """The response to a code."""
    return await client.post("/v1/auth/login/mfa", json={"mfa_token": token, "code": code}, **more)


async def log_in_with_code(client: httpx.AsyncClient, app: App, code: str) -> dict[str, Any]:
    """The response to a complete, successful sign-in."""
    response = await finish(client, await ask(client, app.person), code)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def forget_used_codes(database: AuthDatabase, app: App) -> None:
    """Let the present code work again, as if 30 seconds had passed."""
    await database.execute("UPDATE totp_secrets SET last_step = 0 WHERE user_id = $1::uuid", app.user_id)


async def age_sessions(database: AuthDatabase, user_id: str, *, seconds: float) -> None:
    """Set the age of an account's sign-ins."""
    await database.execute(
        "UPDATE sessions SET created_at = now() - make_interval(secs => $2) WHERE user_id = $1::uuid",
        user_id,
        seconds,
    )


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and slug of a refusal."""
    return response.status_code, str(response.json()["type"]).removeprefix("/problems/")


async def delete_account(client: httpx.AsyncClient, app: App, _database: AuthDatabase) -> None:
    """Delete the account of the app's user."""
    body = {"password": app.person.password}
    response = await client.request("DELETE", "/v1/users/me", json=body, headers=app.headers)
    assert response.status_code == 204
