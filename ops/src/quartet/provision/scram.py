"""SCRAM-SHA-256 verifiers (RFC 5802, RFC 7677), so that no password is sent in a statement or found in a log."""

import base64
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

ITERATIONS = 4096
_STORED = re.compile(r"SCRAM-SHA-256\$(?P<iterations>\d+):(?P<salt>[^$]+)\$(?P<stored>[^:]+):(?P<server>.+)")
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def make_verifier(password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """What PostgreSQL stores for a password. It does not let anyone sign in."""
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", normalise(password), salt, iterations)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{_base64(salt)}${_base64(stored_key)}:{_base64(server_key)}"


def matches(password: str, *, verifier: str | None) -> bool:
    """Whether `verifier` was made from `password`; never for one that is missing or of another kind (md5)."""
    found = _STORED.fullmatch(verifier or "")
    if verifier is None or found is None:
        return False
    again = make_verifier(password, salt=base64.b64decode(found["salt"]), iterations=int(found["iterations"]))
    return hmac.compare_digest(again, verifier)


def normalise(password: str) -> bytes:
    """SASLprep (RFC 4013) as PostgreSQL applies it: a password that SASLprep refuses is taken byte for byte."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or _is_prohibited(prepared) or _mixes_directions(prepared):
        return password.encode()
    return prepared.encode()


def _is_prohibited(text: str) -> bool:
    return any(table(character) for character in text for table in _PROHIBITED)


def _mixes_directions(text: str) -> bool:
    """RFC 3454 §6: right-to-left text begins and ends so, and holds nothing that runs left to right."""
    right_to_left = [stringprep.in_table_d1(character) for character in text]
    if not any(right_to_left):
        return False
    left_to_right = any(stringprep.in_table_d2(character) for character in text)
    return left_to_right or not (right_to_left[0] and right_to_left[-1])


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
