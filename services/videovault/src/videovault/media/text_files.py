"""The text of a file in any encoding."""

import codecs
from collections.abc import Sequence

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark theirs begins with.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_LATIN = ("cp1252",)
_CENTRAL = ("cp1250", "iso8859_2")
_CYRILLIC = ("cp1251", "koi8_r", "iso8859_5", "cp866")

ENCODINGS: dict[str, Sequence[str]] = {
    **dict.fromkeys(
        ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "nb", "nn", "fi", "is", "ca"), _LATIN
    ),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "bs", "ro"), _CENTRAL),
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "sr"), _CYRILLIC),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_13")),
    "el": ("cp1253", "iso8859_7"),
    "tr": ("cp1254",),
    "he": ("cp1255",),
    "ar": ("cp1256",),
    "fa": ("cp1256",),
    "th": ("cp874",),
    "ja": ("cp932", "euc_jp"),
    "zh": ("gb18030", "big5"),
    "ko": ("cp949",),
}
"""What texts in a language were written in before UTF-8. A few sentences do not tell these apart by themselves."""

_COMMON = ("cp1252", "cp1253", "cp1251", "cp1250")
"""Of those that fit equally well."""

_RARE = [f"mac_{name}" for name in ("cyrillic", "greek", "iceland", "latin2", "roman", "turkish")]

_SAMPLE = 64 * 1024


def decode(content: bytes, language: str | None) -> str:
    """The text of a file that is perhaps in this language (BCP 47), without the mark of its encoding."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    for encoding, zeros in (("utf-16-le", content[1:_SAMPLE:2]), ("utf-16-be", content[:_SAMPLE:2])):
        # Digits and spaces have a zero each.
        if zeros.count(0) * 4 > len(zeros) > 0:
            return content.decode(encoding, "replace")
    if b"\x1b$" in content:
        return content.decode("iso2022_jp", "replace")
    text = content.decode("utf-8", "replace")
    if text.count("\ufffd") * 2 <= sum(character > "\x7f" for character in text if character != "\ufffd"):
        return text
    return content.decode(_guess(content, language), "replace")


def _guess(content: bytes, language: str | None) -> str:
    # Times and numbers tell nothing.
    lines = (line for line in content.splitlines(keepends=True) if not line.isascii())
    sample = b"".join(lines)[:_SAMPLE]
    told = ENCODINGS.get((language or "").partition("-")[0])
    if told:
        best = from_bytes(sample, cp_isolation=list(told)).best()
        return told[0] if best is None else best.encoding
    matches = from_bytes(sample, cp_exclusion=_RARE)
    best = matches.best()
    if best is None:
        return _COMMON[0]
    equal = {
        match.encoding for match in matches if match.chaos <= best.chaos and match.coherence >= best.coherence
    }
    return next((encoding for encoding in _COMMON if encoding in equal), best.encoding)
