"""Nicknames: what is left of them, and which look alike. Pure rules."""

import unicodedata

from l2p.names import clean_name

# Shown as nothing, though no format characters: fillers of Hangul and Khmer, a joiner, the blank of Braille.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})


def clean_nickname(nickname: str) -> str:
    """The nickname as it is shown. Raises `ValueError` when nobody would see anything."""
    if not make_key(nickname):
        raise ValueError("has no character that can be seen")
    return clean_name(nickname)


def make_key(nickname: str) -> str:
    """What nicknames that look alike have in common: NFKC, case-folded, without characters that nobody sees."""
    seen = "".join(each for each in unicodedata.normalize("NFKC", nickname) if _is_seen(each))
    return " ".join(unicodedata.normalize("NFKC", seen.casefold()).split())


def _is_seen(character: str) -> bool:
    is_selector = "\ufe00" <= character <= "\ufe0f"
    return not (is_selector or character in _BLANK or unicodedata.category(character) in _UNSEEN_CATEGORIES)
