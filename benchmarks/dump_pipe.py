"""Stores a dump as `quartet backup full` does: compressed, encrypted, in a folder. Its order is a JSON object, the
password comes as PGPASSWORD; it prints the seconds that it took."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from obstore.store import LocalStore
from pyrage.x25519 import Recipient

from quartet.backup.contents import read_contents
from quartet.backup.destination import Destination
from quartet.backup.sealing import Sealed
from quartet.backup.server import connect
from quartet.backup.tools import Tools
from quartet.postgres import find_binaries


async def store(
    tools: Tools, database: str, *, folder: Path, recipient: Recipient, with_checksums: bool
) -> None:
    """Store the dump in the folder, with the checksum of every row taken meanwhile or without."""
    connection = await connect(tools, database)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        arguments = ("--format=custom", "--compress=0", f"--snapshot={snapshot}", f"--dbname={database}")
        with tools.producing("pg_dump", *arguments) as running:
            sealed = Sealed(running.stream, recipient, finish=running.finish)
            storing = asyncio.to_thread(
                Destination(str(folder), LocalStore(folder)).put, "ours.dump.zst.age", sealed
            )
            if with_checksums:
                await asyncio.gather(read_contents(connection), storing)
            else:
                await storing
    await connection.close()


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    began = time.perf_counter()
    tools = Tools(
        binaries=find_binaries(),
        host="127.0.0.1",
        port=order["port"],
        user="postgres",
        password=os.environ["PGPASSWORD"],
    )
    asyncio.run(
        store(
            tools,
            order["database"],
            folder=Path(order["folder"]),
            recipient=Recipient.from_str(order["recipient"]),
            with_checksums=order["with_checksums"],
        )
    )
    print(time.perf_counter() - began)
