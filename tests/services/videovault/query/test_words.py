"""Folding, words, queries and keys of names, by the vectors."""

import importlib.util
import json
import unicodedata
from itertools import product
from typing import Any

import pytest

from tests.services.videovault.query.vectors import FOLDER, read_vectors
from videovault.query.grammar import edits_of, is_one_edit, parse_query
from videovault.query.words import fold, indexed_words, name_key, units_of

TABLE = FOLDER.parent / "src/videovault/query/fold_table.json"


@pytest.mark.parametrize("vector", read_vectors("words"), ids=lambda vector: ascii(vector["text"]))
def test_text_is_folded_and_split(vector: dict[str, Any]) -> None:
    folded = fold(vector["text"])
    assert folded == vector["folded"]
    assert units_of(folded) == vector["units"]
    assert sorted(indexed_words(vector["units"])) == vector["words"]


@pytest.mark.parametrize("vector", read_vectors("queries"), ids=lambda vector: ascii(vector["q"]))
def test_a_query_is_read(vector: dict[str, Any]) -> None:
    found = [
        {"units": list(term.units)}
        | ({"excluded": True} if term.is_excluded else {})
        | ({"prefix": True} if term.is_prefix else {})
        | ({"tolerant": True} if term.is_tolerant else {})
        for term in parse_query(vector["q"])
    ]
    # Where nothing can go on, a prefix means nothing.
    assert found == vector["terms"]


def test_names_have_natural_keys_and_order() -> None:
    vectors = read_vectors("names")
    for vector in vectors["keys"]:
        assert name_key(vector["name"]) == vector["key"]
    keys = [name_key(name) for name in vectors["ordered"]]
    assert sorted(keys) == keys
    assert len(name_key("7 " * 500).encode()) == 600


def test_one_edit() -> None:
    for vector in read_vectors("names")["edits"]:
        assert is_one_edit(vector["one"], vector["other"]) is vector["is_one_edit"]


def edited(word: str) -> set[str]:
    """Every word of a, b and c one edit away, made by editing."""
    ends = [(word[:number], word[number:]) for number in range(len(word) + 1)]
    made = {one + letter + rest for one, rest in ends for letter in "abc"}
    made |= {one + rest[1:] for one, rest in ends if rest}
    made |= {one + letter + rest[1:] for one, rest in ends if rest for letter in "abc"}
    made |= {one + rest[1] + rest[0] + rest[2:] for one, rest in ends if len(rest) > 1}
    return made - {word}


def test_one_edit_is_what_editing_makes_and_such_words_share_what_they_are_without_a_letter() -> None:
    words = ["".join(letters) for length in range(1, 5) for letters in product("abc", repeat=length)]
    for word in words:
        others = edited(word)
        assert {other for other in words if is_one_edit(word, other)} == others.intersection(words)
        assert all(edits_of(word) & edits_of(other) for other in others)


@pytest.mark.long
def test_the_table_is_what_its_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_fold_table", FOLDER / "make_fold_table.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    table = json.loads(TABLE.read_text())
    if table["unicode"] == unicodedata.unidata_version:
        assert TABLE.read_text() == script.write_json(script.make_table())
    for character, folded in table["fold"].items():
        assert fold(folded) == folded, character
