"""Bodies of the passkey routes. Values for browsers have WebAuthn's names."""

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
"""The name that its owner gives to a passkey."""


class PasskeyOptions(ResponseBody):
    """Options for `navigator.credentials`, to be parsed by `PublicKeyCredential.parse…OptionsFromJSON`."""

    public_key: dict[str, Any] = Field(
        description="PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON of WebAuthn level 3.",
        examples=[{"challenge": "rH0…", "rpId": "localhost", "userVerification": "required"}],
    )


class PasskeyRegistration(RequestBody):
    """A passkey that a browser just created."""

    credential: JsonObject = Field(
        repr=False,
        description="`credential.toJSON()`: RegistrationResponseJSON of WebAuthn level 3.",
        examples=[{"id": "pT9…", "rawId": "pT9…", "type": "public-key", "response": {}}],
    )
    name: PasskeyName = Field("Passkey", examples=["Ada's telephone"])


class PasskeyLogin(RequestBody):
    """The assertion of a passkey."""

    credential: JsonObject = Field(
        repr=False,
        description="`credential.toJSON()`: AuthenticationResponseJSON of WebAuthn level 3.",
        examples=[{"id": "pT9…", "rawId": "pT9…", "type": "public-key", "response": {}}],
    )


class PasskeyPatch(RequestBody):
    """The new name."""

    name: PasskeyName = Field(examples=["Ada's telephone"])


class PasskeyAnswer(ResponseBody):
    """A passkey as its owner sees it."""

    id: UUID
    name: str = Field(examples=["Ada's telephone"])
    created_at: Timestamp
    last_used_at: Timestamp | None


class PasskeyList(ResponseBody):
    """All passkeys of an account, oldest first, on one page."""

    items: list[PasskeyAnswer]
    next_cursor: None = None
