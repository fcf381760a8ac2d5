"""Which attempt an object of Stripe was made for, also when its creation was never answered."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dbcommon.engine import Database
from payment.settlement import repository
from payment.settlement.readings import METADATA_SERVICE


class NotKnownYet(Exception):
    """The object names this service, but not an attempt that this database has."""


def attempt_of(metadata: Mapping[str, Any]) -> UUID | None:
    """The attempt that an object was made for, as its metadata say; None when it is not this service's."""
    if metadata.get("service") != METADATA_SERVICE:
        return None
    try:
        return UUID(metadata["attempt_id"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


async def find_attempt(database: Database, subject: str) -> UUID | None:
    """The attempt that is known to be this PaymentIntent or Checkout session."""
    async with database.transaction() as db:
        return await repository.find_attempt_id(db, subject)


async def adopt(
    database: Database, subject: str, metadata: Mapping[str, Any], *, url: str | None = None
) -> UUID | None:
    """The attempt that the metadata of a PaymentIntent or Checkout session name, which learns what it is at Stripe. None for
    an object of somebody else. Raises `NotKnownYet`."""
    attempt_id = attempt_of(metadata)
    if attempt_id is None:
        return None
    async with database.transaction() as db:
        if not await repository.adopt(db, attempt_id, subject, url=url):
            raise NotKnownYet(f"attempt {attempt_id} is not in this database")
    return attempt_id
