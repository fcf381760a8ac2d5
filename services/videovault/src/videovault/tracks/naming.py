"""What the name of a subtitle file says of it: whose it is, its language, and what it is for."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from videovault.files.media_types import media_type_of
from videovault.tracks.languages import read_language

TEXT_FORMATS = ("srt", "vtt", "ass", "ssa", "smi")
PICTURE_FORMATS = ("sup", "idx")
"""PGS, and VobSub, whose pictures lie in a `.sub` beside."""

_FORCED = frozenset({"forced", "foreign"})
_FOR_DEAF = frozenset({"sdh", "cc", "hi"})
_DEFAULT = frozenset({"default"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Sidecar:
    """A file beside a video. `language` is a tag of BCP 47; `label` is what else stands in the name."""

    name: bytes
    format: str
    language: str | None
    label: str | None
    is_forced: bool
    is_for_deaf: bool
    is_default: bool


def find_sidecars(video: bytes, names: Iterable[bytes]) -> list[Sidecar]:
    """The subtitles of the video with that name among the names in its folder, in the order of their names.

    A file is that of the video whose stem is the longest that its name begins with: `Film.2.en.srt` belongs to `Film.2.mkv`, if
    that is there, and else to `Film.mkv`.
    """
    names = sorted(names)
    stem = _stem(video)
    longer = [
        other
        for other in {_stem(name) for name in names if media_type_of(name) is not None}
        if other.startswith(f"{stem}.")
    ]
    found: list[Sidecar] = []
    for name in names:
        rest = _rest(name, stem)
        if rest is None or any(_rest(name, other) is not None for other in longer):
            continue
        *words, extension = rest
        if extension in TEXT_FORMATS or extension in PICTURE_FORMATS:
            found.append(_describe(name, extension, _without_type(words, video)))
    return found


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _stem(video: bytes) -> str:
    return _fold(video.rpartition(b".")[0].decode("utf-8", "backslashreplace"))


def _rest(name: bytes, stem: str) -> list[str] | None:
    """The words of a name behind a stem, of which the last is the extension; None for another name."""
    words = name.decode("utf-8", "backslashreplace").split(".")
    for count in range(1, len(words)):
        if _fold(".".join(words[:count])) == stem:
            return [*words[count:-1], words[-1].lower()]
    return None


def _without_type(words: Sequence[str], video: bytes) -> Sequence[str]:
    """`film.mp4.en.srt`: the video's own extension says nothing."""
    extension = video.rpartition(b".")[2].decode("utf-8", "replace")
    return words[1:] if words and words[0].lower() == extension.lower() else words


def _describe(name: bytes, extension: str, words: Sequence[str]) -> Sidecar:
    flags: set[str] = set()
    language: str | None = None
    rest: list[str] = []
    for word in reversed(words):
        tag = read_language(word) if language is None else None
        # "hi" is Hindi, too; so it is in a name without another language.
        is_flag = word.lower() in _FORCED | _FOR_DEAF | _DEFAULT
        if is_flag and not (tag and not _has_language(words, but=word)):
            flags.add(word.lower())
        elif tag is not None:
            language = tag
        else:
            rest.append(word)
    return Sidecar(
        name=name,
        format=extension,
        language=language,
        label=".".join(reversed(rest)) or None,
        is_forced=bool(flags & _FORCED),
        is_for_deaf=bool(flags & _FOR_DEAF),
        is_default=bool(flags & _DEFAULT),
    )


def _has_language(words: Sequence[str], *, but: str) -> bool:
    return any(read_language(word) is not None for word in words if word != but)
