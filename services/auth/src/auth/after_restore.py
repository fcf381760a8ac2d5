"""What a restored database must not bring back to life: sessions, one-time tokens, mails that were sent."""

from typing import Any

import asyncpg

ONE_TIME = (
    "authorization_codes",
    "email_tokens",
    "login_challenges",
    "oauth_codes",
    "oauth_states",
    "passkey_challenges",
)

_END_SESSIONS = "UPDATE sessions SET ended_at = now(), end_reason = 'administrator' WHERE ended_at IS NULL"
_GIVE_UP_MAILS = "UPDATE mails SET failed_at = now(), seed = NULL WHERE sent_at IS NULL AND failed_at IS NULL"
_LIVE_SESSIONS = "SELECT id FROM sessions WHERE ended_at IS NULL UNION SELECT session_id FROM revocations"
_REVOKE = "INSERT INTO revocations (session_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"


async def after_restore(
    restored: "asyncpg.Connection[Any]", previous: "asyncpg.Connection[Any] | None"
) -> list[str]:
    """End every session, delete one-time tokens, and give up the mails that wait: they may have been sent since.

    `previous` is the database of before, if it is there: of the sessions that only it knows the access tokens are
    revoked. Runs in the caller's transaction; gives a sentence for each thing that was done.
    """
    done = [f"{_count(await restored.execute(_END_SESSIONS))} sessions ended"]
    for table in ONE_TIME:
        await restored.execute(f"DELETE FROM {table}")  # noqa: S608  names of this module
    done.append("links, codes and half-done sign-ins deleted")
    done.append(f"{_count(await restored.execute(_GIVE_UP_MAILS))} waiting mails given up")
    if previous is not None:
        live = [row["id"] for row in await previous.fetch(_LIVE_SESSIONS)]
        await restored.execute(_REVOKE, live)
        done.append(f"{len(live)} sessions of the database of before revoked")
    return done


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
