"""Bodies of requests about links in mails."""

from pydantic import Field

from webcommon.accounts.credentials import Email, Password
from webcommon.api.schemas import RequestBody, Text


class LinkToken(RequestBody):
    """The `token` of a link in a mail."""

    token: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])


class AddressBody(RequestBody):
    """The address to send a link to, if it has an account."""

    email: Email


class PasswordReset(RequestBody):
    """A new password, and the token of the link that sets it."""

    token: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])
    new_password: Password = Field(
        description="8 to 128 characters, any at all; not a common one, nor one with your e-mail or username in it."
    )
