"""The yardstick of `lists.py`: Starlette and asyncpg, the same verifier, one select, the same fields, and nothing else.

Run as `python benchmarks/bare_lists.py PORT SERVICE`, with the environment of that service. Rows become dictionaries, and
those become JSON by the encoder of pydantic-core, which writes ids, moments and amounts by itself.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from pydantic_core import to_json
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bare_app import FixedKeys, leave_alone
from l2p.settings import Settings as L2pSettings
from measuring import answer
from payment.settings import Settings as PaymentSettings
from videovault.settings import Settings as VideoVaultSettings
from webcommon.bearer import Issuer, TokenRefused, TokenVerifier
from webcommon.jwks import build_keys
from webcommon.settings import ServiceSettings

LIMIT = 51

LOBBIES = """
    SELECT id, name, code, status, creator_id, host_id, max_players,
        (SELECT count(*) FROM lobby_players p WHERE p.lobby_id = l.id) AS player_count, settings, created_at
    FROM lobbies l WHERE status = 'waiting' AND NOT settings @> '{"is_private": true}'::jsonb
    ORDER BY created_at DESC, id DESC LIMIT $1
"""
ORDERS = """
    SELECT id, user_id, status, total_amount, currency,
        (SELECT json_agg(json_build_object('id', i.id, 'sku', i.sku, 'product_name', i.product_name, 'quantity', i.quantity,
            'unit_price', i.unit_price::text, 'total_price', i.total_price::text) ORDER BY i.id)
         FROM order_items i WHERE i.order_id = o.id) AS items, expires_at, created_at, updated_at
    FROM orders o ORDER BY created_at DESC, id DESC LIMIT $1
"""
PRODUCTS = """
    SELECT id, sku, name, description, unit_price, currency, active, stock, stock - reserved AS available, created_at,
        updated_at
    FROM products WHERE active ORDER BY created_at DESC, id DESC LIMIT $1
"""
VIDEOS = """
    SELECT id, file_path, file_name, file_size, mime_type, duration_seconds, metadata, hash,
        (SELECT coalesce(json_agg(json_build_object('tag_name', t.tag_name, 'tag_category', t.tag_category)
            ORDER BY t.folded_category, t.folded_name), '[]') FROM tags t WHERE t.video_id = v.id) AS tags,
        created_at, updated_at
    FROM videos v ORDER BY created_at DESC, id DESC LIMIT $1
"""
LISTS: dict[str, tuple[type[ServiceSettings], dict[str, str]]] = {
    "l2p": (L2pSettings, {"/v1/lobbies": LOBBIES}),
    "payment": (PaymentSettings, {"/v1/orders": ORDERS, "/v1/products": PRODUCTS}),
    "videovault": (VideoVaultSettings, {"/v1/videos": VIDEOS}),
}
"""The paths of each service; all orders, as an admin sees them."""

SETTINGS, STATEMENTS = LISTS[sys.argv[2]]


async def read_page(request: Request) -> Response:
    """The first page of the path's list."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        await request.app.state.verifier.verify(token if scheme == "Bearer" else "")
    except TokenRefused:
        return Response(b"{}", status_code=401, media_type="application/json")
    rows = await request.app.state.pool.fetch(STATEMENTS[request.url.path], LIMIT)
    page = {"items": [dict(row) for row in rows[: LIMIT - 1]], "next_cursor": None}
    return Response(to_json(page), media_type="application/json")


async def read_json_natively(connection: "asyncpg.Connection[Any]") -> None:
    """JSON columns as Python values, as the encoder needs them."""
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size that resets nothing, and the verifier."""
    settings = SETTINGS.from_environment()
    if settings.database is None:
        raise ValueError("the service's DATABASE_URL is not set")
    arguments: dict[str, Any] = settings.database.url.connect_arguments(application_name="bare")
    numbers = settings.database.pool
    async with asyncpg.create_pool(
        **arguments, min_size=numbers.min, max_size=numbers.max, reset=leave_alone, init=read_json_natively
    ) as pool:
        with urllib.request.urlopen(settings.jwks_url) as response:  # noqa: S310, ASYNC210 - before any request
            keys = build_keys(json.load(response))
        issuer = Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=FixedKeys(keys))
        app.state.pool = pool
        app.state.verifier = TokenVerifier(issuer)
        yield


app = Starlette(routes=[Route(path, read_page) for path in STATEMENTS], lifespan=lifespan)

if __name__ == "__main__":
    answer(app)
