"""Access tokens as Auth signs them, with a key of the tests' own."""

import time
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt
from jose.backends.base import Key

from webcommon.auth.bearer import Issuer

ISSUER = "http://localhost:5500"
AUDIENCE = "quartet"
KEY_ID = "test-key"


class FixedKeys:
    """A fixed set of keys."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._keys = keys

    async def find_key(self, kid: str) -> Key | None:
        """The key of that id."""
        return self._keys.get(kid)


class TokenMint:
    """A signing key, the tokens it signs, and the issuer that accepts them."""

    def __init__(self) -> None:
        private = ec.generate_private_key(ec.SECP256R1())
        self.private_pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        self.public_pem = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.public_jwk: dict[str, Any] = jwk.construct(self.public_pem.decode(), algorithm="ES256").to_dict()
        keys = {KEY_ID: jwk.construct(self.public_pem.decode(), algorithm="ES256")}
        self.issuer = Issuer(issuer=ISSUER, audience=AUDIENCE, keys=FixedKeys(keys))

    def claims(
        self, *, user_id: UUID | None = None, roles: tuple[str, ...] = ("user",), **changed: Any
    ) -> dict[str, Any]:
        """The claims of a valid token; `changed` replaces some, and a value of None removes one."""
        now = int(time.time())
        identifier = user_id or uuid4()
        claims = {
            "iss": ISSUER,
            "sub": str(identifier),
            "aud": AUDIENCE,
            "client_id": "quartet",
            "scope": "openid",
            "exp": now + 900,
            "iat": now,
            "nbf": now - 30,
            "jti": str(uuid4()),
            "sid": str(uuid4()),
            "auth_time": now,
            "email": f"{identifier.hex[:12]}@example.com",
            "email_verified": True,
            "username": f"user-{identifier.hex[:12]}",
            "roles": list(roles),
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, *, user_id: UUID | None = None, roles: tuple[str, ...] = ("user",), **changed: Any
    ) -> str:
        """A signed token of those claims."""
        return self.sign(self.claims(user_id=user_id, roles=roles, **changed))

    def sign(self, claims: dict[str, Any], *, headers: dict[str, Any] | None = None) -> str:
        """A token of exactly these claims; `headers` replaces parts of the header."""
        header = {"typ": "at+jwt", "kid": KEY_ID} | (headers or {})
        token: str = jwt.encode(claims, self.private_pem, algorithm="ES256", headers=header)
        return token

    def headers(
        self, *, user_id: UUID | None = None, roles: tuple[str, ...] = ("user",), **changed: Any
    ) -> dict[str, str]:
        """The header of a request with such a token."""
        return {"Authorization": f"Bearer {self.token(user_id=user_id, roles=roles, **changed)}"}
