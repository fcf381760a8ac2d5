"""Writes the fold table, of which docs/videovault-query.md tells: python services/videovault/vectors/make_fold_table.py

The table is made of the Unicode data of the Python that runs this, and names their version. Rows that were indexed by another
table have to be indexed again: a migration sets their `indexed_at` to null.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path

TABLE = Path(__file__).parents[1] / "src/videovault/query/fold_table.json"

SPECIAL = {
    "ł": "l", "ø": "o", "đ": "d", "\u0131": "i", "þ": "th", "æ": "ae", "œ": "oe", "ð": "d", "ħ": "h", "ŧ": "t", "ŋ": "n", "ĸ": "k",
}  # fmt: skip
"""Letters that Unicode does not decompose. (The letter ß becomes ss by its case folding.)"""

HANGUL = range(0xAC00, 0xAC00 + 11_172)
"""Syllables, which are decomposed by arithmetic (The Unicode Standard, section 3.12)."""

CJK = [
    (0x3005, 0x3007), (0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFD),
]  # fmt: skip
"""Ideographs, Hiragana and Katakana: scripts without spaces between words."""


VARIANTS = {
    "\u034f",
    *map(chr, range(0x180B, 0x1810)),
    *map(chr, range(0xFE00, 0xFE10)),
    *map(chr, range(0xE0100, 0xE01F0)),
}
"""The grapheme joiner, and the selectors of a variant of the character before."""


def fold(text: str) -> str:
    """Decomposed (NFKD), without marks, case folded, special letters spelt out, digits as 0 to 9; until nothing changes."""
    while True:
        kept = "".join(filter(is_kept, unicodedata.normalize("NFKD", text)))
        folded = "".join(fold_letter(character) for character in kept.casefold())
        if folded == text:
            return text
        text = folded


def is_kept(character: str) -> bool:
    """Whether it is neither a mark over or under a letter nor an invisible sign, such as a soft hyphen."""
    is_mark = unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Me"}
    return not (is_mark or character in VARIANTS)


def fold_letter(character: str) -> str:
    """A letter without case."""
    digit = unicodedata.decimal(character, None)
    return SPECIAL.get(character, character) if digit is None else str(digit)


def is_word(character: str) -> bool:
    """Whether it is a letter, a number, or a sign that belongs to one, such as a vowel's in Devanagari."""
    return unicodedata.category(character)[0] in "LNM"


def ranges_of(numbers: list[int]) -> list[list[int]]:
    """Ascending numbers as pairs of the first and the last of each run."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def make_table() -> dict[str, object]:
    """The table."""
    characters = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]
    folds = {
        character: folded
        for character in characters
        if ord(character) not in HANGUL and (folded := fold(character)) != character
    }
    return {
        "unicode": unicodedata.unidata_version,
        "fold": folds,
        "word": ranges_of([ord(character) for character in characters if is_word(character)]),
        "cjk": [list(pair) for pair in CJK],
    }


def write_json(table: dict[str, object]) -> str:
    """JSON in ASCII, in lines of about a hundred characters."""
    folds = table["fold"]
    assert isinstance(folds, dict)  # noqa: S101 - tells the type checker
    lines, line = [], ""
    for character, folded in folds.items():
        entry = f"{json.dumps(character)}: {json.dumps(folded)}, "
        if len(line) + len(entry) > 100:
            lines.append(line.rstrip())
            line = ""
        line += entry
    lines.append(line.rstrip(", "))
    rest = {name: value for name, value in table.items() if name != "fold"}
    parts = [f"{json.dumps(name)}: {wrap(json.dumps(value))}" for name, value in rest.items()]
    return "{\n" + ",\n".join([*parts, '"fold": {\n' + "\n".join(lines) + "\n}"]) + "\n}\n"


def wrap(text: str) -> str:
    """Lines of about a hundred characters, broken between pairs."""
    return re.sub(r"(.{80,}?\],) ", r"\1\n", text)


if __name__ == "__main__":
    TABLE.write_text(write_json(make_table()))
