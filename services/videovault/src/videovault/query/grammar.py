"""Reading a query: words, "phrases", -exclusions and prefixes*, as docs/videovault-query.md says."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from videovault.query.words import fold, indexed_words, runs_of, units_of

LONGEST_QUERY = 1000
"""Characters."""

MOST_TERMS = 32

SHORTEST_TOLERANT = 4
"""Letters of a term that also finds words one edit away."""

_CHUNKS = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)"?|(?P<bare>[^" \t-\r]+))')
_QUOTES = str.maketrans("“”„", '"""')
_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True, kw_only=True)
class Term:
    """What a video has to have, or must not have: units that stand next to each other in one field."""

    units: tuple[str, ...]
    is_excluded: bool = False
    is_prefix: bool = False
    """Whether the last unit may go on."""

    is_tolerant: bool = False
    """Whether a word one edit away counts as well."""


def parse_query(text: str) -> tuple[Term, ...]:
    """The terms of a query, all of which have to hold. Without any, every video is found."""
    chunks = list(_CHUNKS.finditer(fold(text).translate(_QUOTES)))
    terms = [term for chunk in chunks for term in _terms_of(chunk)]
    # The word that is being typed.
    if chunks and terms and chunks[-1]["bare"] and not terms[-1].is_excluded:
        terms[-1] = replace(terms[-1], is_prefix=True)
    return tuple(terms)


def _terms_of(chunk: re.Match[str]) -> Iterator[Term]:
    text = chunk["bare"] or chunk["phrase"] or ""
    is_prefix = chunk["bare"] is not None and text.endswith("*")
    if chunk["minus"] or chunk["bare"] is None:
        if units := tuple(units_of(text)):
            yield Term(units=units, is_excluded=bool(chunk["minus"]), is_prefix=is_prefix)
        return
    runs = [tuple(units_of(run)) for run, _ in runs_of(text)]
    for number, units in enumerate(runs, 1):
        is_open = is_prefix and number == len(runs)
        yield Term(units=units, is_prefix=is_open, is_tolerant=not is_open and _is_tolerant(units))


def _is_tolerant(units: tuple[str, ...]) -> bool:
    return len(units) == 1 and len(units[0]) >= SHORTEST_TOLERANT and not _DIGIT.search(units[0])


def edits_of(word: str) -> set[str]:
    """The word, and what it is without one of its letters: words one edit apart have one of these in common."""
    return {word, *(word[:number] + word[number + 1 :] for number in range(len(word)))}


def is_one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two neighbours swapped, makes one word the other."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    rest, other_rest = one[start:], other[start:]
    return (
        rest[1:] == other_rest[1:]
        or rest[1:] == other_rest
        or rest == other_rest[1:]
        or (rest[:2] == other_rest[1::-1] and rest[2:] == other_rest[2:])
    )


def match_expression(terms: Iterable[Term], similar: Mapping[str, Collection[str]]) -> str | None:
    """The tsquery that finds what has all words of the terms; None if it would find everything.

    `similar`: of each tolerant word those one edit away. Words that have to stand next to each other are looked for in the
    text afterwards (`text_pattern`), and so is what is excluded.
    """
    wanted = [_word_expression(term, similar) for term in terms if not term.is_excluded]
    return " & ".join(wanted) or None


def _word_expression(term: Term, similar: Mapping[str, Collection[str]]) -> str:
    # Words are letters and numbers: nothing in them has to be quoted but by the quotes.
    if len(term.units) > 1:
        return " & ".join(f"'{word}'" for word in sorted(indexed_words(list(term.units))))
    (word,) = term.units
    others = sorted(similar.get(word, ())) if term.is_tolerant else ()
    alternatives = "".join(f" | '{other}'" for other in others)
    return f"('{word}'{':*' if term.is_prefix else ''}{alternatives})"


def text_pattern(term: Term, *, is_prefix: bool | None = None) -> str:
    """What a video's `search_text` contains where the term's units stand next to each other."""
    goes_on = term.is_prefix if is_prefix is None else is_prefix
    return f" {' '.join(term.units)}{'' if goes_on else ' '}"
