"""Names of subtitle files."""

import pytest

from videovault.tracks.languages import read_language
from videovault.tracks.naming import find_sidecars


@pytest.mark.parametrize(
    ("name", "language", "label", "flags"),
    [
        ("film.srt", None, None, ""),
        ("film.en.srt", "en", None, ""),
        ("film.EN.SRT", "en", None, ""),
        ("film.eng.vtt", "en", None, ""),
        ("film.ger.ass", "de", None, ""),
        ("film.deu.ssa", "de", None, ""),
        ("film.de.forced.vtt", "de", None, "forced"),
        ("film.forced.de.srt", "de", None, "forced"),
        ("film.forced.srt", None, None, "forced"),
        ("film.foreign.srt", None, None, "forced"),
        ("film.en.sdh.srt", "en", None, "deaf"),
        ("film.en.cc.srt", "en", None, "deaf"),
        ("film.en.hi.srt", "en", None, "deaf"),
        ("film.hi.srt", "hi", None, ""),
        ("film.hi.forced.srt", "hi", None, "forced"),
        ("film.en.SDH.Forced.default.srt", "en", None, "forced deaf default"),
        ("film.pt-BR.srt", "pt-BR", None, ""),
        ("film.pt_br.srt", "pt-BR", None, ""),
        ("film.zh-hans.srt", "zh-Hans", None, ""),
        ("film.es-419.srt", "es-419", None, ""),
        ("film.fil.srt", "fil", None, ""),
        ("film.AAC-RARBG.srt", None, "AAC-RARBG", ""),
        ("film.en.AAC-RARBG.srt", "en", "AAC-RARBG", ""),
        ("film.1080p.x264.en.srt", "en", "1080p.x264", ""),
        ("film.Director's cut.srt", None, "Director's cut", ""),
        ("film.en-HD.srt", None, "en-HD", ""),
        ("film.fr.en.srt", "en", "fr", ""),
        ("film.und.srt", None, "und", ""),
        ("film.mp4.srt", None, None, ""),
        ("film.mp4.en.srt", "en", None, ""),
        ("FILM.en.srt", "en", None, ""),
        ("film..srt", None, None, ""),
    ],
)
def test_a_name_says(name: str, language: str | None, label: str | None, flags: str) -> None:
    (found,) = find_sidecars(b"film.mp4", [name.encode(), b"film.mp4"])

    assert (found.language, found.label) == (language, label)
    told = {"forced": found.is_forced, "deaf": found.is_for_deaf, "default": found.is_default}
    assert " ".join(flag for flag, is_set in told.items() if is_set) == flags


@pytest.mark.parametrize(
    "name",
    ["film2.en.srt", "film.en.txt", "film-en.srt", "other.srt", "srt", ".srt", "film", "film.sub", "fil.srt"],
)
def test_other_files_are_none(name: str) -> None:
    assert find_sidecars(b"film.mp4", [name.encode()]) == []


def test_the_longest_stem_has_the_file() -> None:
    names = [b"Film.mkv", b"Film.2.mkv", b"Film.en.srt", b"Film.2.en.srt", b"Film.2.srt", b"Film.3.srt"]

    def of(video: bytes) -> list[tuple[bytes, str | None, str | None]]:
        return [(each.name, each.language, each.label) for each in find_sidecars(video, names)]

    assert of(b"Film.2.mkv") == [(b"Film.2.en.srt", "en", None), (b"Film.2.srt", None, None)]
    assert of(b"Film.mkv") == [(b"Film.3.srt", None, "3"), (b"Film.en.srt", "en", None)]


def test_pictures_are_found() -> None:
    names = [b"film.en.idx", b"film.en.sub", b"film.de.sup"]

    assert [(each.format, each.language) for each in find_sidecars(b"film.mkv", names)] == [
        ("sup", "de"),
        ("idx", "en"),
    ]


def test_names_in_any_form_and_encoding_belong_together() -> None:
    names = ["Ame\u0301lie.fr.srt".encode(), b"bad\xff.en.srt", "100% #1, ä&ö?.de.srt".encode()]

    assert [find_sidecars("Am\u00e9lie.mp4".encode(), names)[0].language] == ["fr"]
    assert [find_sidecars(b"bad\xff.mp4", names)[0].language] == ["en"]
    assert [find_sidecars("100% #1, ä&ö?.mp4".encode(), names)[0].language] == ["de"]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("de", "de"),
        ("ger", "de"),
        ("DEU", "de"),
        ("chi", "zh"),
        ("zho", "zh"),
        ("sr-latn-RS", "sr-Latn-RS"),
        ("en_gb", "en-GB"),
        ("cmn-Hant", "cmn-Hant"),
        ("", None),
        ("x", None),
        ("xx", None),
        ("aac", None),
        ("english", None),
        ("en-XX", None),
        ("en-", None),
        ("de-DE-1901", None),
    ],
)
def test_a_language_is_known(text: str, tag: str | None) -> None:
    assert read_language(text) == tag
