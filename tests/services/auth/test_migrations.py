"""Auth's migrations against its models."""

import asyncio

from auth.models import metadata
from dbcommon.migration_status import read_status
from dbcommon.migrations import downgrade, upgrade
from tests.servers import TestServer
from tests.services.auth.auth_app import AuthDatabase
from tests.services.auth.conftest import NewDatabase


async def test_models_and_migrations_agree_after_up_down_up(
    bare_server: TestServer, new_auth_database: NewDatabase
) -> None:
    database = await new_auth_database()
    url = bare_server.url("auth", role="owner", database=database.settings.url.database)
    await asyncio.to_thread(downgrade, "auth", url, revision="base")
    left = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [row["tablename"] for row in left] == ["alembic_version"]
    await asyncio.to_thread(upgrade, "auth", url)
    status = await asyncio.to_thread(read_status, "auth", url, metadata=metadata)
    assert status.current == status.head
    assert status.pending == ()
    assert status.drift == ()


async def test_undoing_shadow_accounts_leaves_none_that_could_be_entered(
    bare_server: TestServer, new_auth_database: NewDatabase
) -> None:
    database = await new_auth_database()
    await database.execute(
        "WITH holder AS (INSERT INTO users (email, username) VALUES ('a@example.com', 'holder') RETURNING id)"
        " INSERT INTO users (email, username, password_hash, shadow_of, shadow_email)"
        " SELECT 'x@shadow.invalid', 'shadow', 'hash', id, 'a@example.com' FROM holder"
    )
    url = bare_server.url("auth", role="owner", database=database.settings.url.database)
    await asyncio.to_thread(downgrade, "auth", url, revision="unproven_addresses")
    left = await database.fetch("SELECT username::text FROM users")
    assert [row["username"] for row in left] == ["holder"]


async def test_undoing_the_names_of_mails_renames_their_rows_and_back(
    bare_server: TestServer, new_auth_database: NewDatabase
) -> None:
    database = await new_auth_database()
    await database.execute(
        "WITH owner AS (INSERT INTO users (email, username) VALUES ('a@example.com', 'owner') RETURNING id, email),"
        " link AS (INSERT INTO email_tokens (kind, user_id, token_hash, email, expires_at)"
        " SELECT 'revert_email', id, 'hash', email, now() + interval '1 day' FROM owner),"
        " mail AS (INSERT INTO mails (kind, user_id, recipient, seed) SELECT 'revert_email', id, email, 'seed' FROM owner)"
        " INSERT INTO audit_events (user_id, event) SELECT id, 'email_change_reverted' FROM owner"
    )
    url = bare_server.url("auth", role="owner", database=database.settings.url.database)
    await asyncio.to_thread(downgrade, "auth", url, revision="attempt_counter_names")
    assert await read_names(database) == {"undo_email", "email_change_undone"}
    await asyncio.to_thread(upgrade, "auth", url)
    assert await read_names(database) == {"revert_email", "email_change_reverted"}


async def read_names(database: AuthDatabase) -> set[str]:
    rows = await database.fetch(
        "SELECT kind AS name FROM mails UNION SELECT kind FROM email_tokens UNION SELECT event FROM audit_events"
    )
    return {row["name"] for row in rows}


async def test_every_foreign_key_leads_an_index(new_auth_database: NewDatabase) -> None:
    database = await new_auth_database()
    bare = await database.fetch(
        """
        SELECT conrelid::regclass::text AS table, conname FROM pg_constraint
        WHERE contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1]
        )
        """
    )
    assert bare == []
