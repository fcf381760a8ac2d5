"""A font that has whatever characters are asked for: drawn after GNU Unifont's bitmaps, or else as a box.

Unifont has nearly every character of the first two planes; its file is its own format, `hex`, compressed. A font of the few
characters that a receipt needs is made in milliseconds, where a PDF library would take seconds to read all of Unifont.
"""

import lzma
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

FONTS = Path(__file__).parent / "fonts"

_PIXEL = 64
"""Units of the font. A glyph has 16 rows, of which two are below the baseline, and 8 or 16 columns."""

_ROWS_ABOVE, _ROWS_BELOW = 14, 2
_BOX = [0, 0x7E, *[0x42] * 11, 0x7E, 0, 0]


def write_fallback_font(characters: Iterable[str], path: Path) -> None:
    """Write a TrueType font with a glyph for each of these characters."""
    glyphs, metrics = {".notdef": _draw(8, _BOX)}, {".notdef": (8 * _PIXEL, _PIXEL)}
    names = {ord(character): f"u{ord(character):04X}" for character in sorted(characters)}
    for code, name in names.items():
        width, rows = _find_bitmap(code) or (8, _BOX)
        # A mark is drawn over the character before it.
        is_mark = unicodedata.category(chr(code)).startswith("M")
        glyph = _draw(width, rows, shift=-width if is_mark else 0)
        glyphs[name] = glyph
        metrics[name] = (0 if is_mark else width * _PIXEL, getattr(glyph, "xMin", 0))
    ascent, descent = _ROWS_ABOVE * _PIXEL, _ROWS_BELOW * _PIXEL
    builder = FontBuilder((_ROWS_ABOVE + _ROWS_BELOW) * _PIXEL, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap(names)
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(metrics)
    builder.setupHorizontalHeader(ascent=ascent, descent=-descent)
    # OFL, section 3: a changed font has another name.
    builder.setupNameTable({"familyName": "Receipt Fallback", "styleName": "Regular"})
    builder.setupOS2(
        sTypoAscender=ascent,
        sTypoDescender=-descent,
        usWinAscent=ascent,
        usWinDescent=descent,
        sCapHeight=10 * _PIXEL,
    )
    builder.setupPost()
    builder.save(path)


@cache
def _read_bitmaps() -> str:
    return "\n" + lzma.decompress((FONTS / "unifont.hex.xz").read_bytes()).decode("ascii")


def _find_bitmap(code: int) -> tuple[int, list[int]] | None:
    """The columns and the rows of a character; None if Unifont has none."""
    bitmaps, head = _read_bitmaps(), f"\n{code:04X}:"
    start = bitmaps.find(head)
    if start < 0:
        return None
    digits = bitmaps[start + len(head) : bitmaps.index("\n", start + 1)]
    digits_a_row = len(digits) // 16
    rows = [int(digits[at : at + digits_a_row], 16) for at in range(0, len(digits), digits_a_row)]
    return 4 * digits_a_row, rows


def _draw(width: int, rows: list[int], *, shift: int = 0) -> object:
    """A glyph with a rectangle for each run of pixels."""
    pen = TTGlyphPen(None)
    for number, row in enumerate(rows):
        bottom, top = (_ROWS_ABOVE - number - 1) * _PIXEL, (_ROWS_ABOVE - number) * _PIXEL
        for begin, end in _find_runs(f"{row:0{width}b}"):
            left, right = (begin + shift) * _PIXEL, (end + shift) * _PIXEL
            pen.moveTo((left, bottom))
            for corner in ((left, top), (right, top), (right, bottom)):
                pen.lineTo(corner)
            pen.closePath()
    return pen.glyph()


def _find_runs(pixels: str) -> Iterable[tuple[int, int]]:
    begin = pixels.find("1")
    while begin >= 0:
        end = pixels.find("0", begin)
        end = len(pixels) if end < 0 else end
        yield begin, end
        begin = pixels.find("1", end)
