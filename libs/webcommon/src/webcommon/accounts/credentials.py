"""The rules for e-mail addresses, usernames and passwords, the same for all services with accounts.

Needs the extra `passwords` of this package. Password rules: NIST SP 800-63B-4, section 3.1.1 (a length, no composition
rules, a list of the commonest). The list is that of the zxcvbn package.
"""

import contextlib
import unicodedata
from typing import Annotated

import email_validator
from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, WithJsonSchema, field_validator
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from webcommon.accounts.passwords import normalize_password
from webcommon.api.schemas import RequestBody, Text

MINIMUM_PASSWORD_LENGTH = 8
MAXIMUM_PASSWORD_LENGTH = 128
"""Characters after normalization."""

_COMMONEST = frozenset(
    password for password in FREQUENCY_LISTS["passwords"] if len(password) >= MINIMUM_PASSWORD_LENGTH
)

# Domains that exist on private networks. Whether an address receives mail shows when a link is sent there.
_LOCAL_DOMAINS = frozenset({"local", "localhost", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _LOCAL_DOMAINS
]


def normalize_email(email: str) -> str:
    """The address in NFC with its domain in lower case. Raises ValueError for an invalid one; does not ask DNS."""
    try:
        normalized = email_validator.validate_email(email.strip(), check_deliverability=False).normalized
    except email_validator.EmailNotValidError as error:
        raise ValueError(str(error)) from None
    # The one letter that PostgreSQL and Python fold differently: in C.UTF-8 its lower case is "i". To citext the address
    # would equal another mailbox's (CVE-2019-19844).
    if "\u0130" in normalized:
        raise ValueError("An address with the letter \u0130 cannot be told from one with an i.")
    return normalized


def normalize_login(login: str) -> str:
    """The canonical form of a login, for lookup and for counting. An address has many spellings (invisible characters in
    its domain, `xn--`); counted separately, each would allow a further set of guesses."""
    if "@" in login:
        # Text that is no address is looked up unchanged, and counted as what the database considers equal.
        with contextlib.suppress(ValueError):
            return normalize_email(login)
    return login.strip()


def find_weakness(
    password: str, *, email: str | None, username: str | None, spells_username: bool = False
) -> str | None:
    """Why `password` is refused for this account, or None when it is accepted. Every Unicode character is allowed.

    `spells_username` is for an existing account: its owner may never have chosen the username in question.
    """
    normalized = normalize_password(password)
    if len(normalized) < MINIMUM_PASSWORD_LENGTH:
        return f"at least {MINIMUM_PASSWORD_LENGTH} characters are needed"
    if len(normalized) > MAXIMUM_PASSWORD_LENGTH:
        return f"at most {MAXIMUM_PASSWORD_LENGTH} characters are allowed"
    folded = _fold(normalized)
    if folded in _COMMONEST:
        return "this is one of the commonest passwords; take another one"
    for name, value in (("e-mail address", email), ("username", username)):
        if value and _fold(value) in folded:
            spelt = f" ({value})" if spells_username and name == "username" else ""
            return f"it holds the {name}{spelt}; take another one"
    return None


def refuse_surrogates(password: SecretStr) -> SecretStr:
    """Refuse half a surrogate pair, which JSON can contain (`"\\ud800"`): it is no character and cannot be hashed."""
    try:
        password.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("holds half a surrogate pair, which is no character") from None
    return password


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


Email = Annotated[
    Text,
    Field(max_length=320, examples=["ada@example.com"]),
    AfterValidator(normalize_email),
    WithJsonSchema({"type": "string", "format": "email", "examples": ["ada@example.com"]}),
]
"""An e-mail address, normalized."""

Username = Annotated[
    str, Field(min_length=3, max_length=32, pattern=r"^[A-Za-z0-9_.-]+$", examples=["ada.lovelace"])
]
"""Letters, digits, `_`, `.` and `-`; never mistaken for an e-mail address."""


Password = Annotated[
    SecretStr,
    Field(max_length=4 * MAXIMUM_PASSWORD_LENGTH, examples=["correct horse battery"]),
    AfterValidator(refuse_surrogates),
]
"""A password as typed. The length limit keeps hashing cheap (no character is longer than four before NFC)."""


class Registration(RequestBody):
    """A new account."""

    email: Email
    username: Username
    password: Password = Field(
        description="8 to 128 characters, any at all; not a common one, nor one with your e-mail or username in it."
    )

    @field_validator("password")
    @classmethod
    def _refuse_weak(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        # Refused fields are not in info.data.
        weakness = find_weakness(
            password.get_secret_value(), email=info.data.get("email"), username=info.data.get("username")
        )
        if weakness is not None:
            raise ValueError(weakness)
        return password


class Login(RequestBody):
    """The credentials of a login."""

    login: Text = Field(
        min_length=1,
        max_length=320,
        description="The e-mail address or the username.",
        examples=["ada.lovelace"],
    )
    password: Password = Field(min_length=1)
