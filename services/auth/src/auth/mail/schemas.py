"""Bodies of the mail routes."""

from pydantic import Field

from webcommon.api.schemas import ResponseBody, Timestamp


class DevelopmentMail(ResponseBody):
    """A mail in the development folder."""

    to: str = Field(examples=["ada@example.com"])
    subject: str = Field(examples=["Confirm your e-mail address"])
    text: str = Field(repr=False)
    html: str = Field(repr=False)
    created_at: Timestamp


class DevelopmentMails(ResponseBody):
    """All mails, the newest first."""

    items: list[DevelopmentMail]
