"""Options for browsers, and the proofs that come back (WebAuthn level 3), by the `webauthn` package.

Nothing here asks the database. A proof is a signature or two: well under a millisecond, so it stays on the event loop.
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
"""What phones, keys and Windows Hello sign with."""

LONGEST_KEY = 1_024
"""Bytes of a public key: enough for RSA with 4,096 bits, too few for one that is slow on purpose."""

LONGEST_ID = 1_023

_TRANSPORTS = {each.value: each for each in AuthenticatorTransport}

Proof = TypeVar("Proof")


class ProofRefused(Exception):
    """The proof does not hold, or is none."""


@dataclass(frozen=True, kw_only=True)
class RelyingParty:
    """For which domain passkeys are, what people see as its name, and the pages that may use them."""

    domain: str
    name: str
    origins: list[str]


@dataclass(frozen=True, kw_only=True)
class NewPasskey:
    """A passkey that was just made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]


@dataclass(frozen=True, kw_only=True)
class KnownPasskey:
    """A stored passkey, for a browser to know it by."""

    credential_id: bytes
    transports: list[str]


def offer_registration(
    party: RelyingParty, *, user_id: UUID, username: str, challenge: bytes, known: list[KnownPasskey]
) -> dict[str, Any]:
    """Options of `navigator.credentials.create()`: a key that the browser finds by itself and that asks who one is."""
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


def offer_sign_in(party: RelyingParty, *, challenge: bytes) -> dict[str, Any]:
    """Options of `navigator.credentials.get()`. They name no account and no key: the browser knows which it has."""
    options = generate_authentication_options(
        rp_id=party.domain,
        challenge=challenge,
        timeout=int(LIFETIME.total_seconds() * 1_000),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json_dict(options)


def read_challenge(credential: dict[str, Any]) -> bytes:
    """The challenge that the browser says it answers. Raises `ProofRefused`, also when the page was in another's frame."""

    def read() -> bytes:
        data = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        if data.get("crossOrigin"):
            raise ProofRefused("the page was embedded in another site's")
        return base64url_to_bytes(data["challenge"])

    return _refusing(read)


def read_credential_id(credential: dict[str, Any]) -> bytes:
    """Which passkey it says it is. Raises `ProofRefused`."""
    identifier = _refusing(lambda: base64url_to_bytes(credential["id"]))
    if not 0 < len(identifier) <= LONGEST_ID:
        raise ProofRefused("no credential has such an id")
    return identifier


def read_user_handle(credential: dict[str, Any]) -> bytes | None:
    """Whose passkey it says it is, if it says so. Raises `ProofRefused`."""
    handle = _refusing(lambda: credential["response"].get("userHandle"))
    return None if handle is None else _refusing(lambda: base64url_to_bytes(handle))


def verify_registration(credential: dict[str, Any], *, party: RelyingParty, challenge: bytes) -> NewPasskey:
    """The passkey that was made for this challenge. Raises `ProofRefused`."""
    verified = _refusing(
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
        len(verified.credential_public_key) > LONGEST_KEY
        or not 0 < len(verified.credential_id) <= LONGEST_ID
        or verified.credential_id != read_credential_id(credential)
    ):
        raise ProofRefused("no authenticator makes such a passkey")
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
    """The authenticator's new count of signatures, which is higher unless it does not count. Raises `ProofRefused`."""
    return _refusing(
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


def _refusing(work: Callable[[], Proof]) -> Proof:
    try:
        return work()
    except ProofRefused:
        raise
    except Exception as error:
        # The parsers raise whatever they stumble over (KeyError, struct.error, CBOR's own …): all of it is the caller's.
        raise ProofRefused(f"{type(error).__name__}: {error}") from None
