"""What a restored database must not go on with: the positions that devices have in its log, and playback URLs."""

from typing import Any

import asyncpg


async def after_restore(
    restored: "asyncpg.Connection[Any]",
    previous: "asyncpg.Connection[Any] | None",  # noqa: ARG001 - nothing of it is needed
) -> list[str]:
    """Name the log anew, so that devices pull from its beginning, and put it before all transactions of this server.

    The numbers of transactions are those of the server that was saved; a new one may count from below them. Runs in the
    caller's transaction; gives a sentence for each thing that was done.
    """
    if await restored.fetchval("SELECT to_regclass('library')") is None:
        return ["there is no log of changes: nothing is to be made safe"]
    await restored.execute("UPDATE library SET stream = gen_random_uuid()")
    await restored.execute("UPDATE changes SET xid = 0 WHERE xid <> 0")
    done = ["the log of changes is a new stream: devices pull it from the beginning"]
    if await restored.fetchval("SELECT to_regclass('playback_sessions')") is not None:
        await restored.execute("DELETE FROM playback_sessions")
        done.append("playback URLs are over: their sessions may have ended since")
    return done
