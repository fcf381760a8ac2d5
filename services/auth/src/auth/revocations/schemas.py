"""Bodies of the revocation feed."""

from uuid import UUID

from webcommon.schemas import ResponseBody


class RevocationsAnswer(ResponseBody):
    """Ids of sessions (`sid`) whose access tokens are to be refused, though they have not expired. Random, so they tell nothing."""

    sessions: list[UUID]
