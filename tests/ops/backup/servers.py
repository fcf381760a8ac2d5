"""A provisioned and migrated server with rows in each database, and what its tests ask it."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import upgrade
from quartet.provision.append_only import append_only_tables
from quartet.provision.plan import SERVICES
from tests.ops.provisioned_server import ProvisionedServer, copied_server
from tests.servers import run_blocking

SECRET_TEXT = "Rosalind's notes on photograph 51, 照片"
"""Stands in a row of each database."""

ROWS = {
    "auth": [
        "INSERT INTO users (email, username) SELECT 'player' || n || '@example.com', 'player' || n"
        " FROM generate_series(1, 300) n",
        "INSERT INTO sessions (user_id, refresh_token, refresh_token_hmac_key, expires_at, user_agent)"
        " SELECT id, 'token of ' || username, sha256(username::text::bytea), now() + interval '7 days', $1 FROM users",
        "INSERT INTO audit_events (user_id, event) SELECT id, 'login' FROM users",
    ],
    "l2p": [
        "INSERT INTO users (username) SELECT 'player' || n FROM generate_series(1, 200) n",
        "INSERT INTO lobbies (name, creator_id, host_id, settings)"
        " SELECT left($1, 40) || rating, id, id, jsonb_build_object('note', $1) FROM users",
        "INSERT INTO lobby_players (lobby_id, user_id) SELECT id, host_id FROM lobbies",
    ],
    "payment": [
        "INSERT INTO products (sku, name, description, unit_price, currency)"
        " SELECT 'SKU-' || n, 'thing ' || n, $1, n + 0.125, 'eur' FROM generate_series(1, 200) n",
        "INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 50)",
        "WITH made AS (INSERT INTO orders (user_id, total_amount, currency) SELECT id, 20.5, 'eur' FROM users RETURNING id)"
        " INSERT INTO order_items (order_id, product_name, quantity, unit_price, total_price)"
        " SELECT id, 'thing', 2, 10.25, 20.5 FROM made",
    ],
    "videovault": [
        "INSERT INTO videos (file_path, file_name, file_size, mime_type, metadata)"
        " SELECT '/videos/' || n, $1 || n, n * 1000, 'video/mp4', jsonb_build_object('width', n)"
        " FROM generate_series(1, 200) n",
        "INSERT INTO tags (video_id, tag_name, tag_category) SELECT id, 'Übung', 'topic' FROM videos",
    ],
}
"""`$1` is the secret text."""

ADDED_UP = {"standing_counts"}
"""Tables whose rows triggers add, and a running service adds up: other rows may mean the same."""

RENEWED = {"stream", "xid", "lease_until", "finished_at"}
"""Columns that a service's hook gives new values: the streams of logs and their transactions, and what is due at once."""

_ROWS = 'SELECT to_jsonb(t)::text FROM "{}" t'
_TABLES = """
    SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relpersistence = 'p' ORDER BY 1
"""


@dataclass(frozen=True)
class FilledServer:
    """The server; its methods block, since `Workplace.call` runs a loop of its own."""

    provisioned: ProvisionedServer

    @property
    def told(self) -> dict[str, str]:
        """What a command has to be told to reach it."""
        plan = self.provisioned.plan
        passwords = {
            "POSTGRES_PASSWORD": self.provisioned.password,
            "BACKUP_DB_PASSWORD": plan.backup_password,
        }
        for service in plan:
            passwords[f"{service.service.upper()}_DB_PASSWORD"] = service.user_password
            passwords[f"{service.service.upper()}_DB_OWNER_PASSWORD"] = service.owner_password
        return passwords | {
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self.provisioned.cluster.port),
        }

    @property
    def passwords(self) -> set[str]:
        """Every password of it."""
        return {value for name, value in self.told.items() if name.endswith("PASSWORD")}

    def fetch(self, database: str, query: str, *arguments: object, role: str = "postgres") -> list[Any]:
        """The rows of a query; of its only column the values."""

        async def fetch() -> list[Any]:
            async with self.provisioned.connection(role, database) as connection:
                rows = await connection.fetch(query, *arguments)
            return [row[0] if len(row) == 1 else tuple(row) for row in rows]

        return run_blocking(fetch)

    def execute(self, database: str, *statements: str) -> None:
        """Run statements as the superuser, each by itself."""
        run_blocking(lambda: self.provisioned.execute("postgres", database, *statements))

    def databases(self) -> set[str]:
        """The names of all databases."""
        return set(self.fetch("postgres", "SELECT datname FROM pg_database"))

    def contents(self, database: str, *, role: str = "postgres") -> dict[str, list[str]]:
        """Every row of every table, as sorted JSON, without `RENEWED`. Unlogged tables are in no base backup."""
        return {
            table: sorted(
                json.dumps({k: v for k, v in json.loads(row).items() if k not in RENEWED}, sort_keys=True)
                for row in self.fetch(database, _ROWS.format(table), role=role)
            )
            for table in self.fetch(database, _TABLES)
            if table not in ADDED_UP and (role == "postgres" or table != "alembic_version")
        }

    def owners(self, database: str) -> set[tuple[str, str]]:
        """Each relation of schema public, and whom it belongs to."""
        return set(
            self.fetch(
                database,
                "SELECT relname, pg_get_userbyid(relowner) FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace",
            )
        )

    def changeable(self, service: str, database: str) -> dict[str, bool]:
        """Whether the runtime role may change or delete rows, for each append-only table and a plain one."""
        tables = {
            *append_only_tables(service),
            "alembic_version",
            "users" if service != "videovault" else "videos",
        }
        return dict(
            self.fetch(
                database,
                "SELECT relname, has_table_privilege($1, oid, 'UPDATE') OR has_table_privilege($1, oid, 'DELETE')"
                " FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY($2)",
                self.provisioned.plan[service].user,
                list(tables),
            )
        )

    @contextlib.contextmanager
    def locked(self, service: str, table: str) -> Iterator[None]:
        """Nobody else reads that table during the block."""
        with asyncio.Runner() as runner:
            connection = runner.run(
                self.provisioned.open("postgres", self.provisioned.plan[service].database)
            )
            try:
                runner.run(connection.execute("BEGIN"))
                runner.run(connection.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE'))
                yield
            finally:
                runner.run(connection.close())

    def waiting(self, statement: str) -> list[int]:
        """The server processes of backup_user that wait for a lock in a statement that matches."""
        return self.fetch(
            "postgres",
            "SELECT pid FROM pg_stat_activity"
            " WHERE usename = 'backup_user' AND wait_event_type = 'Lock' AND query ~ $1",
            statement,
        )


@contextlib.contextmanager
def filled_server() -> Iterator[FilledServer]:
    """A throw-away server with the four databases as they are in use."""
    with copied_server() as provisioned:
        for planned in provisioned.plan:
            hosts = (("127.0.0.1", provisioned.cluster.port),)
            upgrade(
                planned.service,
                DatabaseUrl(
                    user=planned.owner,
                    password=planned.owner_password,
                    hosts=hosts,
                    database=planned.database,
                ),
            )

        async def fill(service: str) -> None:
            async with provisioned.connection("postgres", f"{service}_db") as connection:
                for statement in ROWS[service]:
                    await connection.execute(statement, *([SECRET_TEXT] if "$1" in statement else []))

        with asyncio.Runner() as runner:
            for service in SERVICES:
                runner.run(fill(service))
        yield FilledServer(provisioned)
