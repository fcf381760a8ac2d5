"""Bodies of the password routes."""

from pydantic import Field

from webcommon.accounts.credentials import Password
from webcommon.api.schemas import RequestBody


class PasswordChange(RequestBody):
    """The current password and the new one."""

    current_password: Password = Field(min_length=1)
    new_password: Password = Field(description="The rules of registration apply.")
