"""Bodies of the routes that links in mails lead to."""

from pydantic import Field

from webcommon.accounts.credentials import Email, Password
from webcommon.api.schemas import RequestBody, Text


class LinkToken(RequestBody):
    """What the link in a mail carries as `token`."""

    token: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])


class AddressBody(RequestBody):
    """An address that a mail is to be sent to, if it has an account."""

    email: Email


class PasswordReset(RequestBody):
    """A new password, and the token that allows to set it."""

    token: Text = Field(max_length=256, repr=False, examples=["q3Zk…"])
    new_password: Password = Field(
        description="8 to 128 characters, any at all; not a common one, nor one with your e-mail or username in it."
    )
