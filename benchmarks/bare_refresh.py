"""The baseline of `refresh.py`: Starlette and asyncpg, the same statements, written by hand.

Run as `python benchmarks/bare_refresh.py PORT`, with the environment of Auth. The token is checked and its successor
derived by Auth's own code, and an access token of the same claims is signed; limits, problems, logs, metrics are absent.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jws
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from auth.sessions.refresh_tokens import RefreshTokenCodec, parse_token
from auth.settings import Settings
from bare_app import leave_alone
from measuring import answer
from webcommon.keys import derive_key
from webcommon.signing import hash_token

READ = """
    SELECT s.id, s.user_id, s.refresh_token_hmac_key, s.refresh_token_counter, s.created_at,
        u.email::text, u.username::text, u.email_verified, u.roles
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.id = $1 AND s.refresh_token_counter = $2 AND s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
"""
ROTATE = """
    UPDATE sessions SET refresh_token_counter = $2, refresh_token = $3, rotated_at = now(),
        expires_at = least(now() + interval '30 days', created_at + interval '90 days')
    WHERE id = $1 AND refresh_token_counter = $2 - 1 AND ended_at IS NULL AND expires_at > now() RETURNING refresh_token_counter
"""


async def refresh(request: Request) -> JSONResponse:
    """What Auth's route of this name does with a token that is good."""
    presented = parse_token((await request.json())["refresh_token"])
    if presented is None:
        return JSONResponse({"title": "no token"}, status_code=401)
    codec: RefreshTokenCodec = request.app.state.codec
    pool: asyncpg.Pool[asyncpg.Record] = request.app.state.pool
    row = await pool.fetchrow(READ, presented.session_id, presented.counter)
    if row is None or not codec.is_genuine(presented, hmac_key=row["refresh_token_hmac_key"]):
        return JSONResponse({"title": "refused"}, status_code=401)
    counter = presented.counter + 1
    successor = codec.issue(row["id"], counter=counter, hmac_key=row["refresh_token_hmac_key"])
    if await pool.fetchrow(ROTATE, row["id"], counter, hash_token(successor)) is None:
        return JSONResponse({"title": "refused"}, status_code=401)
    token = jws.sign(
        describe(row), request.app.state.key, headers={"typ": "at+jwt", "kid": "bare"}, algorithm="ES256"
    )
    return JSONResponse(
        {"access_token": token, "token_type": "Bearer", "expires_in": 900, "refresh_token": successor},
        headers={"Cache-Control": "no-store"},
    )


def describe(row: "asyncpg.Record") -> dict[str, Any]:
    """The claims of the access token."""
    now = int(time.time())
    return {
        "iss": "http://localhost:5500",
        "sub": str(row["user_id"]),
        "aud": "quartet",
        "client_id": "quartet",
        "scope": "openid profile email",
        "exp": now + 900,
        "iat": now,
        "nbf": now - 30,
        "jti": str(uuid4()),
        "sid": str(row["id"]),
        "auth_time": int(row["created_at"].timestamp()),
        "email": row["email"],
        "email_verified": row["email_verified"],
        "username": row["username"],
        "roles": row["roles"],
    }


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size that resets nothing, as the suite's own does, and a key."""
    settings = Settings.from_environment()
    if settings.database is None:
        raise ValueError("AUTH_DATABASE_URL is not set")
    arguments: dict[str, Any] = settings.database.url.connect_arguments(application_name="bare")
    numbers = settings.database.pool
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    async with asyncpg.create_pool(
        **arguments, min_size=numbers.min, max_size=numbers.max, reset=leave_alone
    ) as pool:
        app.state.pool = pool
        app.state.codec = RefreshTokenCodec(derive_key(settings.secret.get_secret_value(), "refresh tokens"))
        app.state.key = jwk.construct(private.decode(), algorithm="ES256")
        yield


app = Starlette(routes=[Route("/v1/auth/refresh", refresh, methods=["POST"])], lifespan=lifespan)

if __name__ == "__main__":
    answer(app)
