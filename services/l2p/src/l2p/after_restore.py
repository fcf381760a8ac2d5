"""What a restored database must not go on with: the logs that clients have, and connections of then."""

from typing import Any

import asyncpg

_NEW_STREAMS = "UPDATE lobbies SET stream = gen_random_uuid() WHERE status <> 'closed'"


async def after_restore(
    restored: "asyncpg.Connection[Any]",
    previous: "asyncpg.Connection[Any] | None",  # noqa: ARG001 - nothing of it is needed
) -> list[str]:
    """Give the logs of open lobbies new streams, and forget who was connected.

    A log runs backwards by a restore: a client that has events of before gets the new state, and no event is taken for
    another of the same `seq`. Games that ran then go on with the time that they had left. Runs in the caller's transaction;
    gives a sentence for each thing that was done.
    """
    if await restored.fetchval("SELECT to_regclass('lobbies')") is None:
        return ["there are no lobbies: nothing is to be made safe"]
    status = await restored.execute(_NEW_STREAMS)
    await restored.execute("DELETE FROM processes")
    return [f"{status.rsplit(' ', 1)[1]} logs of open lobbies are new streams", "connections forgotten"]
