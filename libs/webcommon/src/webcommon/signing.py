"""Base64url, HMAC-SHA256 and the hash of a token: one spelling for all tokens, cursors, cookies and signed forms."""

import base64
import hashlib
import hmac

SIGNATURE_BYTES = 32


def encode_base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """The bytes that `encode_base64url` gave this text for. Raises `ValueError` for any other text, so that there are no
    two spellings of the same bytes."""
    # The library skips characters outside of the alphabet and ignores surplus bits of the last one.
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode_base64url(raw) != text:
        raise ValueError("not base64url without padding")
    return raw


def sign(message: bytes, *, key: bytes, length: int = SIGNATURE_BYTES) -> bytes:
    """The HMAC-SHA256 of a message (RFC 2104), cut to `length` bytes."""
    return hmac.digest(key, message, "sha256")[:length]


def is_signed(signature: bytes, message: bytes, *, key: bytes, length: int = SIGNATURE_BYTES) -> bool:
    """Whether the signature is that of the message. Compared in constant time."""
    return hmac.compare_digest(signature, sign(message, key=key, length=length))


def hash_token(token: str) -> str:
    """What is stored of a token: its SHA-256 in hex. One round is enough, since a token has 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def hash_base64url(raw: bytes) -> str:
    """A SHA-256 in base64url, as PKCE challenges (RFC 7636 §4.2) and thumbprints of keys (RFC 7638) are written."""
    return encode_base64url(hashlib.sha256(raw).digest())
