"""Secrets at rest: only the key and the context that they were encrypted with give them back."""

import pytest

from webcommon.encryption import CannotDecrypt, SecretVault

KEY, OTHER = b"k" * 32, b"o" * 32


def test_a_secret_comes_back_with_its_key_and_context_alone() -> None:
    stored = SecretVault(KEY).encrypt(b"whsec", context="endpoint 1")
    assert SecretVault(KEY).decrypt(stored, context="endpoint 1") == b"whsec"
    assert b"whsec" not in stored
    altered = stored[:-1] + bytes([stored[-1] ^ 1])
    for key, found, context in (
        (OTHER, stored, "endpoint 1"),
        (KEY, stored, "endpoint 2"),
        (KEY, altered, "endpoint 1"),
        (KEY, b"", "endpoint 1"),
    ):
        with pytest.raises(CannotDecrypt):
            SecretVault(key).decrypt(found, context=context)


def test_a_secret_is_never_encrypted_alike_twice() -> None:
    vault = SecretVault(KEY)
    assert vault.encrypt(b"a", context="x") != vault.encrypt(b"a", context="x")
