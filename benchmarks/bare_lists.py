"""The baseline of `lists.py`: Starlette and asyncpg, the same verifier, one select, the same fields, and nothing else.

Run as `python benchmarks/bare_lists.py PORT SERVICE`, with the environment of that service. PostgreSQL writes the JSON of a
page, which costs less here than that of each row, and much less than encoding rows in Python. Pages go on by the same signed
cursors. Auth's statements ask for the caller's session as well; whose has ended is shown no rows.
"""

import contextlib
import json
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from auth.settings import Settings as AuthSettings
from bare_app import FixedKeys, leave_alone
from l2p.settings import Settings as L2pSettings
from measuring import answer
from payment.settings import Settings as PaymentSettings
from videovault.settings import Settings as VideoVaultSettings
from webcommon.api.paging import CursorCodec
from webcommon.auth.bearer import Issuer, TokenRefused, TokenVerifier
from webcommon.auth.jwks import build_keys
from webcommon.keys import derive_key
from webcommon.settings import ServiceSettings


def moment(column: str) -> str:
    """A time as the services write it."""
    written = f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"replace({written}, '.000000Z', 'Z')"


CALLER = """
    FROM users u JOIN sessions s ON s.user_id = u.id
    WHERE u.id = $2 AND s.id = $3 AND s.ended_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
"""
ACCOUNT = f"""
    'id', u.id, 'email', u.email, 'username', u.username, 'email_verified', u.email_verified, 'roles', u.roles,
    'created_at', {moment("u.created_at")}, 'updated_at', {moment("u.updated_at")}
"""
ME = f"SELECT json_build_object({ACCOUNT})::text {CALLER.replace('$2', '$1').replace('$3', '$2')}"


@dataclass(frozen=True, kw_only=True)
class List:
    """A list: the fields of an item, the rows, and what they are ordered by, all one way. So many of the caller's ids are
    parameters, from the second on; the first is the number of rows that are shown. `counted` is the
    number of all up to 10,000, and one more if there are more."""

    fields: str
    rows: str
    position: tuple[str, ...] = ("created_at", "id")
    order: str = "DESC"
    ids: int = 0
    counted: str = ""

    def statement(self, *, is_first: bool) -> str:
        """The statement of a page: one row with the items' JSON and, if more follow, the position of the last."""
        position = ", ".join(self.position)
        order = ", ".join(f"{column} {self.order}" for column in self.position)
        last = ", ".join(f"${number}" for number, _ in enumerate(self.position, 2 + self.ids))
        after = "" if is_first else f"AND ({position}) {'<' if self.order == 'DESC' else '>'} ({last})"
        shown = ", ".join(
            f"CASE WHEN count(*) > $1 THEN (array_agg({column}))[$1] END AS {column}"
            for column in self.position
        )
        total = f", {self.counted}" if self.counted else ""
        return f"""
            SELECT coalesce(array_to_string((array_agg(item))[1:$1], ','), '') AS items, {shown} {total}
            FROM (
                SELECT json_build_object({self.fields})::text AS item, {position}
                FROM {self.rows} {after} ORDER BY {order} LIMIT $1::int + 1
            ) AS found
        """  # noqa: S608 - of our own text alone


USERS = List(
    fields=f"{ACCOUNT}, 'disabled_at', {moment('disabled_at')}",
    rows=f"users u WHERE shadow_of IS NULL AND EXISTS (SELECT {CALLER} AND 'admin' = ANY (u.roles))",
    position=("id",),
    order="ASC",
    ids=2,
)
SESSIONS = List(
    fields=f"""
        'id', id, 'created_at', {moment("created_at")}, 'last_used_at', {moment("coalesce(rotated_at, created_at)")},
        'expires_at', {moment("expires_at")}, 'ip', host(ip), 'user_agent', user_agent, 'method', amr,
        'current', id = $3
    """,
    rows=f"sessions WHERE user_id = $2 AND ended_at IS NULL AND expires_at > now() AND EXISTS (SELECT {CALLER})",
    position=("id",),
    ids=2,
)
PLAYERS = "SELECT count(*) FROM lobby_players p WHERE p.lobby_id = l.id"
LOBBIES = List(
    fields=f"""
        'id', id, 'name', name, 'code', code, 'status', status, 'creator_id', creator_id, 'host_id', host_id,
        'max_players', max_players, 'player_count', ({PLAYERS}), 'settings', settings, 'created_at', {moment("created_at")}
    """,
    rows="""lobbies l WHERE status = 'waiting' AND NOT settings @> '{"is_private": true}'::jsonb""",
)
LINES = """
    SELECT json_agg(json_build_object('id', i.id, 'sku', i.sku, 'product_name', i.product_name, 'quantity', i.quantity,
        'unit_price', round(i.unit_price, 2)::text, 'total_price', round(i.total_price, 2)::text) ORDER BY i.id)
    FROM order_items i WHERE i.order_id = o.id
"""
ORDERS = List(
    fields=f"""
        'id', id, 'user_id', user_id, 'status', status, 'total_amount', round(total_amount, 2)::text,
        'currency', currency,
        'amount_paid', round(amount_paid, 2)::text, 'amount_refunded', round(amount_refunded, 2)::text,
        'amount_refundable', round(amount_refundable, 2)::text, 'amount_disputed', round(amount_disputed, 2)::text,
        'receipt_number', receipt_number, 'flag', flag, 'items', ({LINES}), 'expires_at', {moment("expires_at")},
        'created_at', {moment("created_at")}, 'updated_at', {moment("updated_at")}
    """,
    rows="orders o WHERE user_id = $2",
    ids=1,
)
PRODUCTS = List(
    fields=f"""
        'id', id, 'sku', sku, 'name', name, 'description', description, 'unit_price', round(unit_price, 2)::text,
        'currency', currency, 'active', active, 'stock', stock, 'available', stock - reserved,
        'created_at', {moment("created_at")}, 'updated_at', {moment("updated_at")}
    """,
    rows="products WHERE active",
)
TAGS = """
    SELECT coalesce(json_agg(json_build_object('tag_name', t.tag_name, 'tag_category', t.tag_category)
        ORDER BY t.folded_category, t.folded_name), '[]')
    FROM tags t WHERE t.video_id = v.id
"""
VIDEOS = List(
    fields=f"""
        'id', id, 'file_path', file_path, 'file_name', file_name, 'file_size', file_size, 'mime_type', mime_type,
        'duration_seconds', duration_seconds, 'title', title, 'description', description, 'metadata', metadata,
        'hash', hash, 'tags', ({TAGS}), 'missing_since', {moment("missing_since")},
        'created_at', {moment("created_at")}, 'updated_at', {moment("updated_at")}
    """,
    rows="videos v WHERE true",
    counted="(SELECT count(*) FROM (SELECT FROM videos LIMIT 10001) c)",
)
SERVICES: dict[str, tuple[type[ServiceSettings], dict[str, List]]] = {
    "auth": (AuthSettings, {"/v1/admin/users": USERS, "/v1/auth/sessions": SESSIONS}),
    "l2p": (L2pSettings, {"/v1/lobbies": LOBBIES}),
    "payment": (PaymentSettings, {"/v1/orders": ORDERS, "/v1/products": PRODUCTS}),
    "videovault": (VideoVaultSettings, {"/v1/videos": VIDEOS}),
}
SETTINGS, LISTS = SERVICES[sys.argv[2]]
STATEMENTS = {
    (path, is_first): each.statement(is_first=is_first)
    for path, each in LISTS.items()
    for is_first in (True, False)
}


async def read_ids(request: Request) -> tuple[Any, ...]:
    """The caller's id and session. Raises `TokenRefused`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    caller = await request.app.state.verifier.verify(token if scheme == "Bearer" else "")
    return caller.id, caller.session_id


def refuse() -> Response:
    """The answer to an invalid token or an ended session."""
    return Response(b"{}", status_code=401, media_type="application/json")


async def read_own_account(request: Request) -> Response:
    """As Auth's route of this path."""
    try:
        ids = await read_ids(request)
    except TokenRefused:
        return refuse()
    account = await request.app.state.pool.fetchval(ME, *ids)
    return refuse() if account is None else Response(account, media_type="application/json")


async def read_page(request: Request) -> Response:
    """A page of the path's list."""
    try:
        ids = await read_ids(request)
    except TokenRefused:
        return refuse()
    path, query, cursors = request.url.path, request.query_params, request.app.state.cursors
    each, limit = LISTS[path], min(int(query.get("limit", 50)), 100)
    after: Sequence[Any] = cursors.decode(path, query.get("cursor")) or ()
    row = await request.app.state.pool.fetchrow(STATEMENTS[path, not after], limit, *ids[: each.ids], *after)
    items, *last = row
    total = ""
    if each.counted:
        *last, count = last
        total = f',"total":{count if count <= 10_000 else "null"},"total_at_least":{"null" if count <= 10_000 else 10_000}'
    if each.ids > 1 and not after and not items:
        return refuse()
    cursor = "null" if None in last else f'"{cursors.encode(path, last)}"'
    return Response(f'{{"items":[{items}],"next_cursor":{cursor}{total}}}', media_type="application/json")


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """A pool of the suite's size that resets nothing, the verifier, and the codec of cursors."""
    settings = SETTINGS.from_environment()
    if settings.database is None:
        raise ValueError("the service's DATABASE_URL is not set")
    arguments: dict[str, Any] = settings.database.url.connect_arguments(application_name="bare")
    numbers = settings.database.pool
    async with asyncpg.create_pool(
        **arguments, min_size=numbers.min, max_size=numbers.max, reset=leave_alone
    ) as pool:
        with urllib.request.urlopen(settings.jwks_url) as response:  # noqa: S310, ASYNC210 - before any request
            keys = build_keys(json.load(response))
        issuer = Issuer(issuer=settings.auth_issuer, audience=settings.auth_audience, keys=FixedKeys(keys))
        app.state.pool = pool
        app.state.verifier = TokenVerifier(issuer)
        app.state.cursors = CursorCodec(derive_key(settings.secret.get_secret_value(), "cursors"))
        yield


app = Starlette(
    routes=[Route("/v1/users/me", read_own_account), *(Route(path, read_page) for path in LISTS)],
    lifespan=lifespan,
)

if __name__ == "__main__":
    answer(app)
