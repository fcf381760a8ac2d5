"""Nicknames: what is shown of them, and which are one name."""

import pytest

from l2p.guests.nicknames import clean_nickname, make_key


@pytest.mark.parametrize(
    "other",
    [
        "Ana",
        "ANA",
        "ana",
        "Ana\u200b",
        "\u202eAna",
        "A\u00adna",
        "\uff21na",
        " Ana ",
        "An\u2060a\ufe0f",
        "A\u3164na",
    ],
)
def test_spellings_that_look_alike_have_one_key(other: str) -> None:
    assert make_key(other) == "ana"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("ﬁn", "FIN"),
        ("Zoë", "Zoe\u0308"),
        ("Ana B", "ana\u00a0 b"),
        ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
    ],
)
def test_forms_of_one_name_have_one_key(one: str, other: str) -> None:
    assert make_key(one) == make_key(other)


def test_other_names_have_other_keys() -> None:
    names = ["Ana", "Anna", "Anä", "O'Brien", "OBrien", "🦊", "🐻", '"><img onerror=…>', "<<a>h1>"]
    assert len({make_key(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["O'Brien", '"><img onerror=…>', "<<a>h1>", "🦊 Ana", "\uff21na", "عنا"])
def test_a_name_is_shown_byte_for_byte(name: str) -> None:
    assert clean_nickname(name) == name


def test_characters_that_nobody_sees_are_removed() -> None:
    unseen = [0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]
    assert clean_nickname("A" + "".join(map(chr, unseen)) + "na") == "Ana"


@pytest.mark.parametrize(
    "name", ["\u200b", " \u2060\ufeff ", "\u3164", "\u2800\u00ad", "\u00a0", "\U000e0041", "\ufe0f"]
)
def test_a_name_that_nobody_sees_is_none(name: str) -> None:
    with pytest.raises(ValueError, match="seen"):
        clean_nickname(name)
