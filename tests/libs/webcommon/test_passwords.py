"""Password hashes: argon2id with the recommended numbers, off the event loop, of equal cost whether or not the account exists."""

import asyncio
import unicodedata

import pytest
from passlib.hash import argon2, bcrypt

from tests.clients import CountingHasher
from webcommon.accounts.passwords import MEMORY_KIB, TIME_COST, PasswordHasher, normalize_password

# passlib's types: https://passlib.readthedocs.io; cost 4 is bcrypt's least.
WEAK = argon2.using(type="ID", memory_cost=64, time_cost=1, parallelism=1)  # type: ignore[no-untyped-call] # stubs
OLD_HASH = bcrypt.using(rounds=4).hash("an old password")


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher()


async def test_a_hash_is_argon2id_with_the_recommended_numbers(hasher: PasswordHasher) -> None:
    made = await hasher.hash("correct horse")
    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert made != await hasher.hash("correct horse")


@pytest.mark.parametrize(
    "password", ["correct horse", "p@ss:/w%rd?#[]é ", "🔑" * 100, " ", "x" * 4096, "a\x00b"]
)
async def test_a_password_fits_its_own_hash_and_no_other(hasher: PasswordHasher, password: str) -> None:
    made = await hasher.hash(password)
    assert await hasher.verify(password, made) == (True, None)
    for other in (password + "x", password[:-1], password.upper() + "?", ""):
        assert await hasher.verify(other, made) == (False, None)


async def test_the_same_characters_from_two_keyboards_are_one_password(hasher: PasswordHasher) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert composed != decomposed
    assert normalize_password(decomposed) == composed
    assert (await hasher.verify(decomposed, await hasher.hash(composed)))[0]
    # Compatibility forms are other characters: ﬁ is not fi.
    assert normalize_password("ﬁ") == "ﬁ"


async def test_an_old_hash_is_replaced_once_its_password_is_known(hasher: PasswordHasher) -> None:
    valid, replacement = await hasher.verify("an old password", OLD_HASH)
    assert valid
    assert replacement is not None
    assert replacement.startswith("$argon2id$")
    assert await hasher.verify("an old password", replacement) == (True, None)
    assert await hasher.verify("another", OLD_HASH) == (False, None)


async def test_a_weaker_argon2_hash_is_replaced_too(hasher: PasswordHasher) -> None:
    weak = WEAK.hash("a password")
    valid, replacement = await hasher.verify("a password", weak)
    assert (valid, replacement is not None) == (True, True)


async def test_a_password_past_the_old_limit_of_72_bytes_still_fits_its_old_hash(
    hasher: PasswordHasher,
) -> None:
    old = bcrypt.using(rounds=4, truncate_error=False).hash(b"x" * 72)
    assert (await hasher.verify("x" * 100, old))[0]


@pytest.mark.parametrize(
    "stored", ["", "!", "*", "plain", "$argon2id$", "$2b$", "$argon2id$v=19$m=1,t=1,p=1$!$!", "\x00"]
)
async def test_an_invalid_hash_matches_no_password(hasher: PasswordHasher, stored: str) -> None:
    assert await hasher.verify("a password", stored) == (False, None)
    assert await hasher.verify(stored, stored) == (False, None)


@pytest.mark.parametrize("stored", [None, "!", "", "$argon2id$", "$argon2id$v=19$m=1,t=1,p=1$!$!"])
async def test_an_unknown_account_costs_what_a_known_one_costs(stored: str | None) -> None:
    hasher = CountingHasher(memory_kib=MEMORY_KIB, time_cost=TIME_COST)
    assert await hasher.verify("wrong", stored) == (False, None)
    # What no hash is stored for, or none that can be read, is compared with a hash of the same costs.
    assert hasher.compared[-1].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_hashing_does_not_hold_up_the_event_loop() -> None:
    hasher = PasswordHasher(cores=1)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    turning = asyncio.create_task(turn())
    await asyncio.gather(*(hasher.hash("a password") for _ in range(5)))
    turning.cancel()
    assert turns > 20
