"""Bodies of the passkey routes. What browsers make and take keeps the names that WebAuthn gives it."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from webcommon.api.schemas import JsonObject, RequestBody, ResponseBody, Text, Timestamp


def _refuse_unreadable(name: str) -> str:
    name = name.strip()
    if not name or not name.isprintable():
        raise ValueError("needs a visible character, and no line breaks or control characters")
    return name


PasskeyName = Annotated[Text, Field(min_length=1, max_length=64), AfterValidator(_refuse_unreadable)]
"""What its owner calls a passkey."""


class PasskeyOptions(ResponseBody):
    """What a page gives to `navigator.credentials`, once `PublicKeyCredential.parse…OptionsFromJSON` has read it."""

    public_key: dict[str, Any] = Field(
        description="PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON of WebAuthn level 3.",
        examples=[{"challenge": "rH0…", "rpId": "localhost", "userVerification": "required"}],
    )


class PasskeyRegistration(RequestBody):
    """A passkey that a browser has just made."""

    credential: JsonObject = Field(
        repr=False,
        description="`credential.toJSON()`: RegistrationResponseJSON of WebAuthn level 3.",
        examples=[{"id": "pT9…", "rawId": "pT9…", "type": "public-key", "response": {}}],
    )
    name: PasskeyName = Field("Passkey", examples=["Ada's telephone"])


class PasskeyLogin(RequestBody):
    """The proof of a passkey."""

    credential: JsonObject = Field(
        repr=False,
        description="`credential.toJSON()`: AuthenticationResponseJSON of WebAuthn level 3.",
        examples=[{"id": "pT9…", "rawId": "pT9…", "type": "public-key", "response": {}}],
    )


class PasskeyPatch(RequestBody):
    """What is to be different."""

    name: PasskeyName = Field(examples=["Ada's telephone"])


class PasskeyAnswer(ResponseBody):
    """A passkey as its owner sees it."""

    id: UUID
    name: str = Field(examples=["Ada's telephone"])
    created_at: Timestamp
    last_used_at: Timestamp | None


class PasskeyList(ResponseBody):
    """All of an account's, the oldest first; there are few."""

    items: list[PasskeyAnswer]
    next_cursor: None = None
