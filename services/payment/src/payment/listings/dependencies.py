"""The parameters that lists share."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter
from webcommon.api.schemas import Moment, Text


@dataclass(frozen=True, kw_only=True)
class Portion:
    """Which rows of a list, and how many of them a page."""

    created_after: datetime | None
    created_before: datetime | None
    limit: int
    cursor: str | None


async def get_portion(
    created_after: Annotated[
        Moment | None, Query(description="Only what was created after this time.")
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="Only what was created before this time.")
    ] = None,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Portion:
    """The parameters of a page."""
    return Portion(created_after=created_after, created_before=created_before, limit=limit, cursor=cursor)


PortionDep = Annotated[Portion, Depends(get_portion)]

StripeIdParameter = Annotated[
    Text | None, Query(max_length=255, description="Only what has this id at Stripe.")
]
