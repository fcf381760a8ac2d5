"""Base64url, HMAC and hashes, by the examples of their RFCs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webcommon.signing import (
    decode_base64url,
    encode_base64url,
    hash_base64url,
    hash_token,
    is_signed,
    sign,
)

KEY, MESSAGE = b"Jefe", b"what do ya want for nothing?"
SIGNATURE = bytes.fromhex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
"""RFC 4231 §4.3."""


def test_base64url_is_that_of_rfc_7515() -> None:
    assert encode_base64url(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"
    assert decode_base64url("A-z_4ME") == bytes([3, 236, 255, 224, 193])


@given(st.binary(max_size=100))
def test_bytes_come_back(raw: bytes) -> None:
    assert decode_base64url(encode_base64url(raw)) == raw


@pytest.mark.parametrize(
    "text", ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A-z_ 4ME", "A-z_4", "é", "\ud800", "A-z_4ME\n"]
)
def test_another_spelling_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64 has messages of its own
        decode_base64url(text)


def test_a_signature_is_that_of_rfc_4231() -> None:
    assert sign(MESSAGE, key=KEY) == SIGNATURE
    assert sign(MESSAGE, key=KEY, length=16) == SIGNATURE[:16]


def test_a_signature_is_told_from_others() -> None:
    assert is_signed(SIGNATURE, MESSAGE, key=KEY)
    assert is_signed(SIGNATURE[:16], MESSAGE, key=KEY, length=16)
    assert not is_signed(SIGNATURE[:16], MESSAGE, key=KEY)
    assert not is_signed(b"", MESSAGE, key=KEY, length=16)
    assert not is_signed(SIGNATURE, MESSAGE, key=b"another")
    assert not is_signed(SIGNATURE, b"another", key=KEY)


def test_the_hash_of_a_token_is_sha_256() -> None:
    assert hash_token("abc") == hashlib.sha256(b"abc").hexdigest()
    assert hash_token("\ud800") != hash_token("\ud801")


def test_a_pkce_challenge_is_that_of_rfc_7636() -> None:
    verifier = b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert hash_base64url(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
