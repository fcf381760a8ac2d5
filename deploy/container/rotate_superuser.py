"""Set the superuser's password to the one of the environment, if that has changed. Runs before `quartet provision`.

The image of PostgreSQL takes POSTGRES_PASSWORD only when it makes a new cluster. keep_given_secrets.py keeps the former
ones beside the file that POSTGRES_PASSWORD_FILE names; with one of them the present one can be set.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import asyncpg

from quartet.provision.scram import make_verifier
from quartet.provision.session import literal

REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)


def main() -> int:
    present = Path(os.environ["POSTGRES_PASSWORD_FILE"])
    former = present.with_name(f"{present.name}.before")
    if former.exists():
        asyncio.run(
            rotate(present.read_text(encoding="utf-8"), json.loads(former.read_text(encoding="utf-8")))
        )
    return 0


async def rotate(wanted: str, former: list[str]) -> None:
    """Set the password, signing in with the newest former one that the server accepts; nothing if it is set already.

    When the server takes none of them neither does this complain: `quartet provision` is refused too, and says what to do.
    """
    for password in [wanted, *reversed(former)]:
        try:
            connection = await connect(password)
        except REFUSED:
            continue
        try:
            if password != wanted:
                await connection.execute(f"ALTER ROLE postgres PASSWORD {literal(make_verifier(wanted))}")
                sys.stdout.write("role postgres: password rotated\n")
        finally:
            await connection.close()
        return


async def connect(password: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        host=os.environ["POSTGRES_HOST"],
        port=int(os.environ["POSTGRES_PORT"]),
        user="postgres",
        password=password,
        database="postgres",
        timeout=10,
    )


if __name__ == "__main__":
    sys.exit(main())
