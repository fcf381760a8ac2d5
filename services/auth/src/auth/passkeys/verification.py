"""Options for browsers, and the verification of credentials (WebAuthn level 3), by the `webauthn` package.

A verification takes one or two signatures, well under a millisecond, so it runs on the event loop.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, options_to_json_dict
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from auth.passkeys.challenges import LIFETIME

ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
"""The algorithms of phones, security keys and Windows Hello."""

MAX_KEY_BYTES = 1_024
"""Of a public key: enough for RSA with 4,096 bits, too few for a deliberately slow key."""

MAX_ID_BYTES = 1_023

_TRANSPORTS = {each.value: each for each in AuthenticatorTransport}

Value = TypeVar("Value")


class InvalidCredential(Exception):
    """A credential is malformed, or its verification failed."""


@dataclass(frozen=True, kw_only=True)
class RelyingParty:
    """The domain of the passkeys, the name that users see, and the origins of the pages that may use them."""

    domain: str
    name: str
    origins: list[str]


@dataclass(frozen=True, kw_only=True)
class NewPasskey:
    """A passkey that was just created."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]


@dataclass(frozen=True, kw_only=True)
class KnownPasskey:
    """A stored passkey, for a browser to recognise."""

    credential_id: bytes
    transports: list[str]


def make_registration_options(
    party: RelyingParty, *, user_id: UUID, username: str, challenge: bytes, known: list[KnownPasskey]
) -> dict[str, Any]:
    """Options of `navigator.credentials.create()`, for a discoverable credential with user verification."""
    options = generate_registration_options(
        rp_id=party.domain,
        rp_name=party.name,
        user_id=user_id.bytes,
        user_name=username,
        challenge=challenge,
        timeout=int(LIFETIME.total_seconds() * 1_000),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(
                id=each.credential_id, transports=[_TRANSPORTS[name] for name in each.transports]
            )
            for each in known
        ],
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def make_sign_in_options(party: RelyingParty, *, challenge: bytes) -> dict[str, Any]:
    """Options of `navigator.credentials.get()`. They name no account and no passkey: the browser finds it."""
    options = generate_authentication_options(
        rp_id=party.domain,
        challenge=challenge,
        timeout=int(LIFETIME.total_seconds() * 1_000),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def read_challenge(credential: dict[str, Any]) -> bytes:
    """The challenge that the credential claims to answer. Raises `InvalidCredential`, also for a page in another site's frame."""

    def read() -> bytes:
        data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        if data.get("crossOrigin"):
            raise InvalidCredential("the page was embedded in another site")
        return base64url_to_bytes(data["challenge"])

    return _parse(read)


def read_credential_id(credential: dict[str, Any]) -> bytes:
    """The id that the credential claims. Raises `InvalidCredential`."""
    identifier = _parse(lambda: base64url_to_bytes(credential["id"]))
    if not 0 < len(identifier) <= MAX_ID_BYTES:
        raise InvalidCredential("a credential id of an impossible length")
    return identifier


def read_user_handle(credential: dict[str, Any]) -> bytes | None:
    """The account id that the credential claims, if any. Raises `InvalidCredential`."""
    handle = _parse(lambda: credential["response"].get("userHandle"))
    return None if handle is None else _parse(lambda: base64url_to_bytes(handle))


def verify_registration(credential: dict[str, Any], *, party: RelyingParty, challenge: bytes) -> NewPasskey:
    """The passkey that was created for this challenge. Raises `InvalidCredential`."""
    verified = _parse(
        lambda: verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.domain,
            expected_origin=party.origins,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    )
    if (
        len(verified.credential_public_key) > MAX_KEY_BYTES
        or not 0 < len(verified.credential_id) <= MAX_ID_BYTES
        or verified.credential_id != read_credential_id(credential)
    ):
        raise InvalidCredential("an impossible key or id")
    named = credential["response"].get("transports")
    return NewPasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=sorted(_TRANSPORTS.keys() & {str(each) for each in named or []}),
    )


def verify_sign_in(
    credential: dict[str, Any],
    *,
    party: RelyingParty,
    challenge: bytes,
    public_key: bytes,
    sign_count: int,
) -> int:
    """The authenticator's new signature counter: higher than `sign_count`, or 0. Raises `InvalidCredential`."""
    return _parse(
        lambda: (
            verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=party.domain,
                expected_origin=party.origins,
                credential_public_key=public_key,
                credential_current_sign_count=sign_count,
                require_user_verification=True,
            ).new_sign_count
        )
    )


def _parse(work: Callable[[], Value]) -> Value:
    try:
        return work()
    except InvalidCredential:
        raise
    except Exception as error:
        # The parsers raise KeyError, struct.error, CBOR errors and more for malformed input.
        raise InvalidCredential(f"{type(error).__name__}: {error}") from None
