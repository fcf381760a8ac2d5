"""One secret a service, one key a purpose."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webcommon.keys import derive_key

purposes = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(first=purposes, second=purposes)
def test_each_purpose_has_its_own_key(first: str, second: str) -> None:
    assert (derive_key("s" * 32, first) == derive_key("s" * 32, second)) == (first == second)


def test_each_secret_makes_other_keys() -> None:
    assert derive_key("s" * 32, "cursors") != derive_key("t" * 32, "cursors")


@pytest.mark.parametrize("length", [16, 32, 64])
def test_a_key_is_as_long_as_it_is_asked_for(length: int) -> None:
    assert len(derive_key("s" * 32, "cursors", length=length)) == length


def test_a_key_is_made_as_rfc_5869_says() -> None:
    # Section 2.2 and 2.3, by hand: no salt is a block of zeros, and 32 bytes are one round.
    extracted = hmac.digest(bytes(32), b"s" * 32, "sha256")
    expanded = hmac.digest(extracted, b"quartet cursors\x01", "sha256")
    assert derive_key("s" * 32, "cursors") == expanded
