"""What Auth's restored database does not bring back: sessions, one-time tokens, mails; and schemas that are older."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from auth.after_restore import ONE_TIME
from auth.models import Model
from dbcommon.dsn import DatabaseUrl
from dbcommon.migrations import downgrade, known_revisions, upgrade
from tests.ops.backup.servers import FilledServer, filled_server
from tests.ops.command import Workplace, workplace

pytestmark = pytest.mark.database

NOT_ONE_TIME = {
    "attempt_counters",
    "audit_events",
    "mail_cooldowns",
    "mails",
    "oauth_accounts",
    "passkeys",
    "recovery_codes",
    "revocations",
    "sessions",
    "signing_keys",
    "totp_secrets",
    "users",
}

_LATER = "now(), now() + interval '1 hour' FROM users LIMIT 1"
HALF_DONE = [
    "INSERT INTO email_tokens (kind, user_id, token_hash, email, created_at, expires_at)"
    f" SELECT 'reset', id, 'hash', email, {_LATER}",
    "INSERT INTO login_challenges (token_hash, user_id, amr, client_id, scope, created_at, expires_at)"
    f" SELECT 'hash', id, 'password', 'quartet', 'openid', {_LATER}",
    "INSERT INTO oauth_states (state_hash, browser_hash, redirect_to, created_at, expires_at)"
    f" SELECT 'hash', 'hash', 'https://app.example', {_LATER}",
    "INSERT INTO mails (kind, user_id, recipient, payload, seed) SELECT 'reset', id, email, 'a secret', 'seed'"
    " FROM users LIMIT 2",
    "INSERT INTO mails (kind, recipient, sent_at) VALUES ('reset', 'done@example.com', now())",
    "UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE id = (SELECT min(id::text)::uuid FROM sessions)",
]
SINCE = (
    "INSERT INTO sessions (user_id, refresh_token, refresh_token_hmac_key, expires_at)"
    " SELECT id, 'later token of ' || username, sha256('x'), now() + interval '7 days' FROM users LIMIT 5"
)
END_SOME = "UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE refresh_token LIKE '%player7'"


@pytest.fixture(scope="module")
def filled() -> Iterator[FilledServer]:
    """A server of this module's own: what is revoked here stays revoked."""
    with filled_server() as server:
        yield server


@pytest.fixture(scope="module")
def backed_up(filled: FilledServer) -> Iterator[Workplace]:
    """A folder with one backup of it."""
    with workplace(**filled.told) as made:
        assert made.call("backup", "full").returncode == 0
        yield made


@pytest.fixture(scope="module")
def dump(filled: FilledServer, backed_up: Workplace) -> Path:
    """Auth's database with half-done work, as plain SQL."""
    filled.execute("auth_db", *HALF_DONE)
    path = backed_up.folder / "half-done.sql"
    path.write_text(backed_up.quartet("backup", "dump", "auth").stdout)
    return path


def _ids(filled: FilledServer, query: str) -> set[str]:
    return {str(found) for found in filled.fetch("auth_db", query)}


def _swap(place: Workplace, dump: Path) -> list[str]:
    done = place.call("restore", "--service", "auth", "--from", str(dump), "--swap")
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("auth: ") for line in done.stderr.splitlines() if line.startswith("auth: ")]


def test_each_table_of_auth_is_one_time_or_is_not() -> None:
    assert len(set(ONE_TIME)) == len(ONE_TIME)
    assert set(ONE_TIME) | NOT_ONE_TIME == set(Model.metadata.tables)
    assert not set(ONE_TIME) & NOT_ONE_TIME


def test_nothing_that_was_over_comes_alive_again(
    filled: FilledServer, backed_up: Workplace, dump: Path
) -> None:
    filled.execute("auth_db", SINCE, END_SOME)
    known = _ids(filled, "SELECT id FROM sessions")
    waiting = filled.fetch(
        "auth_db", "SELECT count(*) FROM mails WHERE sent_at IS NULL AND failed_at IS NULL"
    )
    told = _swap(backed_up, dump)
    assert waiting == [2]
    assert told[0] == "299 sessions ended"
    assert told[2] == "2 waiting mails given up"
    assert re.fullmatch(r"30\d sessions of the database of before revoked", told[3])
    assert filled.fetch("auth_db", "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [0]
    # What other services refuse: those of before the time, those since, and those that were ended since.
    assert (
        _ids(filled, "SELECT session_id FROM revocations WHERE ended_at > now() - interval '15 minutes'")
        == known
    )
    rows = filled.contents("auth_db")
    assert [table for table in ONE_TIME if rows[table]] == []
    assert filled.fetch(
        "auth_db",
        "SELECT kind, sent_at IS NOT NULL, failed_at IS NOT NULL, seed, payload FROM mails ORDER BY sent_at",
    ) == [("reset", True, False, None, None), *[("reset", False, True, None, None)] * 2]


def test_a_database_of_before_that_lost_its_sessions_can_be_replaced(
    filled: FilledServer, backed_up: Workplace, dump: Path
) -> None:
    filled.execute("auth_db", "DROP TABLE sessions CASCADE")
    told = _swap(backed_up, dump)
    assert "the database of before has no table sessions" in told[-1]
    assert len(_ids(filled, "SELECT id FROM sessions WHERE ended_at IS NOT NULL")) == 300


def test_a_database_that_is_restored_beside_is_made_safe_too(
    filled: FilledServer, backed_up: Workplace, dump: Path
) -> None:
    done = backed_up.call("restore", "--service", "auth", "--from", str(dump), "--into", "beside")
    assert done.returncode == 0, done.stderr
    assert filled.fetch("beside", "SELECT count(*) FROM sessions WHERE ended_at IS NULL") == [0]
    assert filled.fetch("beside", "SELECT count(*) FROM revocations") == [300]
    filled.execute("postgres", "DROP DATABASE beside")


def _dump_older(filled: FilledServer, place: Workplace, revision: str) -> Path:
    planned = filled.provisioned.plan["auth"]
    owner = DatabaseUrl(
        user=planned.owner,
        password=planned.owner_password,
        hosts=(("127.0.0.1", filled.provisioned.cluster.port),),
        database=planned.database,
    )
    downgrade("auth", owner, revision=revision)
    path = place.folder / "older.sql"
    path.write_text(place.quartet("backup", "dump", "auth").stdout)
    upgrade("auth", owner)
    return path


@pytest.mark.long
def test_an_older_schema_is_restored_and_its_migrations_are_told(
    filled: FilledServer, backed_up: Workplace
) -> None:
    *_, before_last, last = known_revisions("auth")
    path = _dump_older(filled, backed_up, before_last)
    done = backed_up.call("restore", "--service", "auth", "--from", str(path), "--into", "older")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"auth: older is older than the code and lacks {last}: once it is in its place, `quartet db migrate auth`"
    )
    filled.execute("postgres", "DROP DATABASE older")


@pytest.mark.long
def test_a_schema_too_old_for_the_hook_leaves_the_services_own_in_place_and_open(
    filled: FilledServer, backed_up: Workplace
) -> None:
    path = _dump_older(filled, backed_up, "attempt_counter_names")
    before = filled.contents("auth_db")
    done = backed_up.call("restore", "--service", "auth", "--from", str(path), "--swap")
    assert done.returncode == 14
    [line] = [line for line in done.stderr.splitlines() if line.startswith("quartet: ")]
    assert "is kept, but auth could not make it safe to use" in line
    assert line.endswith(
        "its schema lacks mail_names, account_and_session_names: restore with the release of that time"
    )
    assert filled.contents("auth_db") == before
    assert filled.fetch("auth_db", "SELECT count(*) FROM users", role="auth_user") == [300]
    assert backed_up.call("provision").stdout == "roles, databases and schema are as planned\n"
    [kept] = [name for name in filled.databases() if name.startswith("auth_db_restored_")]
    assert filled.contents(kept)["users"] != []
    assert backed_up.call("restore", "--service", "auth", "--forget").returncode == 0
    assert kept not in filled.databases()
