"""Bodies of the revocation feed."""

from uuid import UUID

from pydantic import Field

from webcommon.api.schemas import ResponseBody


class RevocationsAnswer(ResponseBody):
    """Ids of sessions (`sid`) whose unexpired access tokens have to be refused. They are random, so they are public."""

    sessions: list[UUID] = Field(examples=[["019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"]])
