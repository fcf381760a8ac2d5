"""People with an authenticator app, as pyotp plays it."""

import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import pyotp

from tests.services.auth.auth_app import AuthDatabase, Person, bearer, log_in, register

STEP_SECONDS = 30


@dataclass
class App:
    """Someone's authenticator app, and the recovery codes that they wrote down."""

    person: Person
    user_id: str
    access_token: str = field(repr=False)
    secret: str = field(repr=False)
    recovery_codes: list[str] = field(default_factory=list, repr=False)
    # The middle of the step that is nearest: however the clock stands, this step's code and the one before are both good
    # for fifteen seconds at least, so that no test depends on where in a step it begins.
    at: float = field(default_factory=lambda: round(time.time() / STEP_SECONDS) * STEP_SECONDS + 1)

    def code(self, *, steps: int = 0) -> str:
        """The code that the app shows, now or some steps of half a minute from now."""
        return str(pyotp.TOTP(self.secret).at(int(self.at) + steps * STEP_SECONDS))

    @property
    def headers(self) -> dict[str, str]:
        """Those of the session that set the app up."""
        return bearer(self.access_token)


async def begin_app(client: httpx.AsyncClient, person: Person | None = None) -> App:
    """A secret that is not confirmed yet, for someone who just signed in."""
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
    """Let the app guard. The code of the step before is used up, so that the one of now works at login."""
    response = await client.post(
        "/v1/mfa/totp/confirm", json={"code": app.code(steps=steps)}, headers=app.headers
    )
    assert response.status_code == 200, response.text
    app.recovery_codes = response.json()["recovery_codes"]
    return app


async def new_app(client: httpx.AsyncClient, person: Person | None = None) -> App:
    """Someone whose sign-ins ask for a code."""
    return await confirm(client, await begin_app(client, person))


async def ask(client: httpx.AsyncClient, person: Person) -> str:
    """The token of a sign-in that waits for a code."""
    answer = await log_in(client, person)
    assert answer.keys() == {"mfa_required", "mfa_token"}, answer.keys()
    assert answer["mfa_required"] is True
    return str(answer["mfa_token"])


async def finish(client: httpx.AsyncClient, token: str, code: str, **more: Any) -> httpx.Response:
    """The answer to a code."""
    return await client.post("/v1/auth/login/mfa", json={"mfa_token": token, "code": code}, **more)


async def log_in_with_code(client: httpx.AsyncClient, app: App, code: str) -> dict[str, Any]:
    """The answer to a whole sign-in that succeeds."""
    response = await finish(client, await ask(client, app.person), code)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def forget_used_codes(database: AuthDatabase, app: App) -> None:
    """Let the code of now work again, as if half minutes had gone by."""
    await database.execute("UPDATE totp_secrets SET last_step = 0 WHERE user_id = $1::uuid", app.user_id)


async def age_sessions(database: AuthDatabase, user_id: str, *, seconds: float) -> None:
    """Let an account's sign-ins be so old."""
    await database.execute(
        "UPDATE sessions SET created_at = now() - make_interval(secs => $2) WHERE user_id = $1::uuid",
        user_id,
        seconds,
    )


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and kind of a refusal."""
    return response.status_code, str(response.json()["type"]).removeprefix("/problems/")
