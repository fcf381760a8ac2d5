"""An authenticator in software that can misbehave on purpose (WebAuthn level 3, sections 6.1 and 6.5)."""

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

ORIGIN = "http://localhost:5500"
RP_ID = "localhost"

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The bytes of base64url."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One key pair and its signature counter."""

    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1()), repr=False
    )
    user_handle: bytes | None = None
    count: int = 0

    def make(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """The result of `navigator.credentials.create()`; `changed`: see `_client_data` and `_authenticator_data`."""
        self.user_handle = decode(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        public_key = {
            1: 2,
            3: -7,
            -1: 1,
            -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big"),
        }
        attested = (
            bytes(16)
            + struct.pack(">H", len(self.credential_id))
            + self.credential_id
            + cbor2.dumps(public_key)
        )
        data = self._authenticator_data(flags=PRESENT | VERIFIED | ATTESTED, **changed) + attested
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client_data = _client_data("webauthn.create", options, **changed)
        return self._credential(
            {
                "clientDataJSON": encode(client_data),
                "attestationObject": encode(attestation),
                "transports": ["internal", "hybrid", "carrier-pigeon"],
            }
        )

    def get_assertion(self, options: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """The result of `navigator.credentials.get()`."""
        self.count += 1
        data = self._authenticator_data(flags=PRESENT | VERIFIED, **changed)
        client_data = _client_data("webauthn.get", options, **changed)
        key = changed.get("key", self.key)
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        handle = changed.get("user_handle", self.user_handle)
        return self._credential(
            {
                "clientDataJSON": encode(client_data),
                "authenticatorData": encode(data),
                "signature": encode(signature),
                **({} if handle is None else {"userHandle": encode(handle)}),
            }
        )

    def _authenticator_data(
        self,
        *,
        flags: int,
        rp_id: str = RP_ID,
        without: int = 0,
        count: int | None = None,
        **_others: Any,
    ) -> bytes:
        counted = self.count if count is None else count
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags & ~without, counted)

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(self.credential_id),
            "rawId": encode(self.credential_id),
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }


def _client_data(
    usual: str, options: dict[str, Any], *, origin: str = ORIGIN, cross_origin: bool = False, **changed: Any
) -> bytes:
    return json.dumps(
        {
            "type": changed.get("kind", usual),
            "challenge": changed.get("challenge", options["challenge"]),
            "origin": origin,
            "crossOrigin": cross_origin,
        }
    ).encode()


WRONG_ASSERTIONS: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://localhost:5500"},
    "an origin that begins alike": {"origin": ORIGIN + ".example.com"},
    "another port": {"origin": "http://localhost:5501"},
    "another domain's key": {"rp_id": "example.com"},
    "not verified": {"without": VERIFIED},
    "nobody there": {"without": PRESENT},
    "a registration's kind": {"kind": "webauthn.create"},
    "a payment's kind": {"kind": "payment.get"},
    "another key": {"key": ec.generate_private_key(ec.SECP256R1())},
    "a challenge of one's own": {"challenge": encode(b"c" * 72)},
    "no challenge": {"challenge": ""},
    "in another site's frame": {"cross_origin": True},
    "another's handle": {"user_handle": b"u" * 16},
    "a count that stands still": {"count": 1},
    "a count that went back": {"count": 0},
}
