"""What a service that keeps accounts demands of an e-mail address, a username and a password: one set of rules for all.

Needs the extra `passwords` of this package. Password rules: NIST SP 800-63B-4, section 3.1.1 (a length, no composition
rules, and a list of the commonest). The list is the one that the zxcvbn package carries.
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

# Names that work on a network of one's own. Whether mail can reach an address shows when a link is sent there.
_LOCAL_DOMAINS = frozenset({"local", "localhost", "test"})
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in _LOCAL_DOMAINS
]


def normalize_email(email: str) -> str:
    """The address in NFC with its domain in lower case. Raises ValueError when it is none; asks no name server."""
    try:
        normalized = email_validator.validate_email(email.strip(), check_deliverability=False).normalized
    except email_validator.EmailNotValidError as error:
        raise ValueError(str(error)) from None
    # The one letter that PostgreSQL takes for another one than Python does: in C.UTF-8 its small letter is "i". To citext
    # the address would be that of another mailbox (CVE-2019-19844).
    if "\u0130" in normalized:
        raise ValueError("An address with the letter \u0130 cannot be told from one with an i.")
    return normalized


def normalize_login(login: str) -> str:
    """The one spelling of what somebody signs in with, to look for and to count by: an address has many (invisible
    characters in its domain, `xn--`), and each that were counted for itself would be a further set of guesses."""
    if "@" in login:
        # What is no address is looked for as it stands, and counted with what the database takes it for.
        with contextlib.suppress(ValueError):
            return normalize_email(login)
    return login.strip()


def find_weakness(
    password: str, *, email: str | None, username: str | None, spells_username: bool = False
) -> str | None:
    """Why `password` may not be taken for this account, or None when it may. Every Unicode character is welcome.

    `spells_username` is for an account that there is: its owner may never have chosen the username that is in the way.
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
    """Half a surrogate pair, which JSON can spell (`"\\ud800"`), is no character: nothing could hash it."""
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
"""A name that shows nothing but letters, digits, `_`, `.` and `-`; never mistaken for an e-mail address."""


Password = Annotated[
    SecretStr,
    Field(max_length=4 * MAXIMUM_PASSWORD_LENGTH, examples=["correct horse battery"]),
    AfterValidator(refuse_surrogates),
]
"""A password as it was typed; a bound on its length keeps hashing cheap (no character is longer than four before NFC)."""


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
        # Fields that were refused themselves are not in info.data.
        weakness = find_weakness(
            password.get_secret_value(), email=info.data.get("email"), username=info.data.get("username")
        )
        if weakness is not None:
            raise ValueError(weakness)
        return password


class Login(RequestBody):
    """What someone signs in with."""

    login: Text = Field(
        min_length=1,
        max_length=320,
        description="The e-mail address or the username.",
        examples=["ada.lovelace"],
    )
    password: Password = Field(min_length=1)
