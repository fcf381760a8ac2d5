"""What a restored database must not bring back to life: sessions, one-time tokens, mails that were sent."""

from typing import Any

import asyncpg

from auth.sessions.access_tokens import LIFETIME_SECONDS

ONE_TIME = (
    "authorization_codes",
    "email_tokens",
    "login_challenges",
    "oauth_codes",
    "oauth_states",
    "passkey_challenges",
)

_END_SESSIONS = "UPDATE sessions SET ended_at = now(), end_reason = 'administrator' WHERE ended_at IS NULL"
_GIVE_UP_MAILS = "UPDATE mails SET failed_at = now(), seed = NULL, payload = NULL WHERE sent_at IS NULL AND failed_at IS NULL"
_SESSIONS = {
    "sessions": "SELECT id FROM sessions WHERE ended_at IS NULL",
    "revocations": "SELECT session_id FROM revocations",
}
_REVOKE = "INSERT INTO revocations (session_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"


async def after_restore(
    restored: "asyncpg.Connection[Any]", previous: "asyncpg.Connection[Any] | None"
) -> list[str]:
    """End every session, delete one-time tokens, and give up the mails that wait: they may have been sent since.

    `previous` is the database of before, if it is there: of the sessions that only it knows the access tokens are
    revoked, as far as it still has its tables. Runs in the caller's transaction; gives a sentence for each thing that was
    done.
    """
    done = [f"{_count(await restored.execute(_END_SESSIONS))} sessions ended"]
    for table in ONE_TIME:
        await restored.execute(f"DELETE FROM {table}")  # noqa: S608  names of this module
    done.append("links, codes and half-done sign-ins deleted")
    done.append(f"{_count(await restored.execute(_GIVE_UP_MAILS))} waiting mails given up")
    if previous is not None:
        done += await _revoke_sessions_of(previous, restored)
    return done


async def _revoke_sessions_of(
    previous: "asyncpg.Connection[Any]", restored: "asyncpg.Connection[Any]"
) -> list[str]:
    tables = [table for table in _SESSIONS if await previous.fetchval("SELECT to_regclass($1)", table)]
    known = {row[0] for table in tables for row in await previous.fetch(_SESSIONS[table])}
    await restored.execute(_REVOKE, known)
    done = [f"{len(known)} sessions of the database of before revoked"]
    if "sessions" not in tables:
        done.append(
            "the database of before has no table sessions: tokens of sessions that began after that time hold until they"
            f" expire, {LIFETIME_SECONDS // 60} minutes at most"
        )
    return done


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
