"""Access tokens as Auth signs them, for more players than a benchmark has time to register."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jose import jwk, jwt

ISSUER, AUDIENCE, KEY_ID = "http://localhost:5500", "quartet", "benchmark"
LIFETIME_SECONDS = 3600


@contextlib.contextmanager
def minted_tokens(number: int) -> Iterator[tuple[str, list[str]]]:
    """The URL of a key set, which is served for the length of the block, and tokens of so many players."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    members = jwk.construct(public.decode(), algorithm="ES256").to_dict()
    document = json.dumps({"keys": [{**members, "kid": KEY_ID, "use": "sig"}]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    headers = {"typ": "at+jwt", "kid": KEY_ID}
    try:
        tokens = [jwt.encode(_claims(), private, algorithm="ES256", headers=headers) for _ in range(number)]
        yield f"http://127.0.0.1:{server.server_port}/", tokens
    finally:
        server.shutdown()


def _claims() -> dict[str, Any]:
    now, user_id = int(time.time()), uuid4()
    return {
        "iss": ISSUER,
        "sub": str(user_id),
        "aud": AUDIENCE,
        "client_id": "quartet",
        "scope": "openid",
        "exp": now + LIFETIME_SECONDS,
        "iat": now,
        "nbf": now,
        "jti": str(uuid4()),
        "sid": str(uuid4()),
        "auth_time": now,
        "email": f"{user_id.hex[:12]}@example.com",
        "email_verified": True,
        "username": f"user-{user_id.hex[:12]}",
        "roles": ["user"],
    }
