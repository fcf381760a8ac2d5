"""The filters of a list as the parameters of its statement, whose names say which conditions it has."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from videovault.listing.schemas import Filters
from videovault.query.grammar import Term, match_expression, text_pattern

COMPARED = ("mime_type", "min_duration", "max_duration", "min_size", "max_size", "created_after")
"""The filters that compare a column with their value."""

Parameters = dict[str, Any]


def named_tags(query: Filters) -> list[tuple[str, str]]:
    """The category and the name of each filter by a tag."""
    parts = [criterion.removeprefix("-").partition(":") for criterion in query.tag]
    return [(category.strip(), name.strip()) for category, _, name in parts]


def filter_parameters(
    query: Filters, similar: Mapping[str, list[str]], members: Sequence[Sequence[tuple[str, str]]]
) -> Parameters:
    """The parameters of the filters that are set. `similar`: for each word that may have a typo, those one edit away.
    `members`: for each filter by a tag, the tags that count as it."""
    parameters = {name: value for name in COMPARED if (value := getattr(query, name)) is not None}
    if query.max_duration is not None:
        parameters.setdefault("min_duration", 0)  # an unknown one is in no range
    if query.missing is not None:
        parameters["is_missing" if query.missing == "yes" else "is_there"] = True
    if query.watched is not None:
        parameters[f"watched_{query.watched}"] = True
    if query.favourite is not None:
        parameters["favourite"] = True
    if query.min_rating is not None:
        parameters["min_rating"] = query.min_rating
    for number, (criterion, tags) in enumerate(zip(query.tag, members, strict=True)):
        kind = "untag" if criterion.startswith("-") else "tag"
        categories, names = zip(*tags, strict=True)
        if len(tags) == 1:
            parameters |= {f"{kind}_{number}": categories[0], f"name_{number}": names[0]}
        else:
            parameters |= {f"{kind}s_{number}": list(categories), f"names_{number}": list(names)}
    return parameters | _term_parameters(query.terms, similar)


def _term_parameters(terms: Iterable[Term], similar: Mapping[str, list[str]]) -> Parameters:
    wanted = [term for term in terms if not term.is_excluded]
    phrases = [term for term in wanted if len(term.units) > 1]
    excluded = [term for term in terms if term.is_excluded]
    words = match_expression(wanted, similar)
    return {
        **({} if words is None else {"words": words}),
        **{f"phrase_{number}": text_pattern(term) for number, term in enumerate(phrases)},
        **{f"excluded_{number}": text_pattern(term) for number, term in enumerate(excluded)},
    }


def rank_parameters(terms: Iterable[Term]) -> Parameters:
    """The parameters of the rank."""
    wanted = [term for term in terms if not term.is_excluded]
    return {
        **{f"exact_{number}": text_pattern(term, is_prefix=False) for number, term in enumerate(wanted)},
        **{f"open_{number}": text_pattern(term) for number, term in enumerate(wanted)},
    }
