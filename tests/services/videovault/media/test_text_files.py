"""Texts in any encoding."""

# ruff: noqa: RUF001 - these are their letters

import pytest

from videovault.media.text_files import decode

TEXTS = {
    "ru": "Привет, как дела? Что ты здесь делаешь?\nЯ не знаю, но мне нужно идти домой.\n",
    "el": "Καλημέρα, τι κάνεις; Πού πας τώρα;\nΔεν ξέρω, αλλά πρέπει να φύγω.\n",
    "de": "Grüß Gott, wie geht's? Schöne Straße, nicht wahr?\nDas weiß ich nicht, aber ich muss gehen.\n",
    "fr": "Ça va? Où est l'hôtel, s'il vous plaît?\nJe ne sais pas, mais à bientôt, très cher.\n",
    "pl": "Cześć, jak się masz? Gdzie są moje książki?\nNie wiem, ale muszę już iść, do zobaczenia.\n",
    "tr": "Merhaba, nasılsın? Şimdi nereye gidiyorsun?\nBilmiyorum ama gitmem gerek, güle güle.\n",
    "he": "שלום, מה שלומך? לאן אתה הולך?\nאני לא יודע אבל אני חייב ללכת.\n",
    "ja": "こんにちは、お元気ですか。どこへ行くのですか。\n分かりませんが、帰らなければなりません。\n",
    "zh": "你好，你好吗？你要去哪里？\n我不知道，但是我必须走了。\n",
    "ko": "안녕하세요, 잘 지내세요? 어디 가세요?\n모르겠어요, 하지만 가야 해요.\n",
}


@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_unicode_is_read(language: str, encoding: str) -> None:
    lines = f"1\n00:00:01,000 --> 00:00:02,000\n{TEXTS[language]}\n"

    assert decode(lines.encode(encoding), None) == lines


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *[("ru", name) for name in ("cp1251", "koi8_r", "cp866", "iso8859_5")],
        *[("el", name) for name in ("cp1253", "iso8859_7")],
        *[("de", "cp1252"), ("fr", "cp1252"), ("tr", "cp1254"), ("he", "cp1255")],
        *[("pl", name) for name in ("cp1250", "iso8859_2")],
        *[("ja", name) for name in ("cp932", "euc_jp", "iso2022_jp")],
        *[("zh", "gb18030"), ("ko", "cp949")],
    ],
)
def test_an_encoding_is_told_from_the_others_of_its_language(language: str, encoding: str) -> None:
    assert decode(TEXTS[language].encode(encoding), language) == TEXTS[language]


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *[("ru", "cp1251"), ("ru", "koi8_r"), ("el", "cp1253"), ("de", "cp1252"), ("fr", "cp1252")],
        *[("pl", "cp1250"), ("he", "cp1255"), ("ja", "cp932"), ("zh", "gb18030"), ("ko", "cp949")],
    ],
)
def test_an_encoding_is_told_without_a_language(language: str, encoding: str) -> None:
    assert decode(TEXTS[language].encode(encoding), None) == TEXTS[language]


def test_a_damaged_letter_does_not_change_the_encoding() -> None:
    assert decode(TEXTS["de"].encode() + b"\xe9.", "de") == TEXTS["de"] + "\ufffd."


@pytest.mark.parametrize("content", [b"", b"plain", b"\xff", b"\x00", bytes(range(256))])
def test_anything_is_some_text(content: bytes) -> None:
    assert isinstance(decode(content, None), str)
