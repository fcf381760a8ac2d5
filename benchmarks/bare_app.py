"""What `users_me.py` compares with: Starlette and asyncpg, the same verifier, one select, and nothing else.

Run as `python benchmarks/bare_app.py PORT [no-reset]`, with the environment of Auth. asyncpg's pool resets a connection
after each use, with a statement of its own; `no-reset` leaves that out, as the suite's own pool does.
"""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from jose.backends.base import Key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from auth.settings import Settings
from measuring import answer
from webcommon.auth.bearer import Issuer, TokenRefused, TokenVerifier
from webcommon.auth.jwks import build_keys

SELECT = """
    SELECT u.id, u.email::text, u.username::text, u.email_verified, u.roles, u.created_at, u.updated_at
    FROM users u JOIN sessions s ON s.user_id = u.id
    WHERE s.id = $1 AND u.id = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
"""


class FixedKeys:
    """The keys as they were at the start."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._keys = keys

    async def find_key(self, kid: str) -> Key | None:
        """The key of `kid`."""
        return self._keys.get(kid)


async def read_own_account(request: Request) -> JSONResponse:
    """As Auth's route of this path."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        caller = await request.app.state.verifier.verify(token if scheme == "Bearer" else "")
    except TokenRefused:
        return JSONResponse({"title": "A valid access token is needed"}, status_code=401)
    row = await request.app.state.pool.fetchrow(SELECT, caller.session_id, caller.id)
    if row is None:
        return JSONResponse({"title": "The session has ended"}, status_code=401)
    return JSONResponse(
        {
            "id": str(row["id"]),
            "email": row["email"],
            "username": row["username"],
            "email_verified": row["email_verified"],
            "roles": row["roles"],
            "created_at": row["created_at"].isoformat(),
            "updated_at": row["updated_at"].isoformat(),
        }
    )


async def leave_alone(_connection: Any) -> None:
    """Replaces the reset."""


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size, and the verifier."""
    settings = Settings.from_environment()
    if settings.database is None:
        raise ValueError("AUTH_DATABASE_URL is not set")
    arguments: dict[str, Any] = settings.database.url.connect_arguments(application_name="bare")
    numbers = settings.database.pool
    if "no-reset" in sys.argv:
        arguments["reset"] = leave_alone
    async with asyncpg.create_pool(**arguments, min_size=numbers.min, max_size=numbers.max) as pool:
        rows = await pool.fetch("SELECT public_jwk FROM signing_keys")
        keys = build_keys({"keys": [json.loads(row["public_jwk"]) for row in rows]})
        issuer = Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=FixedKeys(keys))
        app.state.pool = pool
        app.state.verifier = TokenVerifier(issuer)
        yield


app = Starlette(routes=[Route("/v1/users/me", read_own_account)], lifespan=lifespan)

if __name__ == "__main__":
    answer(app)
