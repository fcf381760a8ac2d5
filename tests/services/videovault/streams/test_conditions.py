"""Preconditions, each beside its section of RFC 9110."""

from typing import Any

import pytest

from videovault.streams.conditions import Conditions, Validators, Verdict, allows_ranges, judge, parse_date

TAG = '"tag"'
MODIFIED = 784_111_777
NOW = MODIFIED + 1_000_000
AT = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"

SEND, NOT_MODIFIED, FAILED = Verdict.SEND, Verdict.NOT_MODIFIED, Verdict.FAILED

VERDICTS: list[tuple[str, dict[str, str], Verdict]] = [
    ("13 none", {}, SEND),
    ("13.1.1 the tag", {"if_match": TAG}, SEND),
    ("13.1.1 one of several", {"if_match": '"a", "tag"'}, SEND),
    ("13.1.1 any", {"if_match": "*"}, SEND),
    ("13.1.1 another tag", {"if_match": '"other"'}, FAILED),
    ("13.1.1 compared strongly", {"if_match": 'W/"tag"'}, FAILED),
    ("13.1.2 the tag", {"if_none_match": TAG}, NOT_MODIFIED),
    ("13.1.2 one of several", {"if_none_match": '"a", "tag"'}, NOT_MODIFIED),
    ("13.1.2 any", {"if_none_match": "*"}, NOT_MODIFIED),
    ("13.1.2 another tag", {"if_none_match": '"other"'}, SEND),
    ("13.1.2 compared weakly", {"if_none_match": 'W/"tag"'}, NOT_MODIFIED),
    ("13.1.3 the same second", {"if_modified_since": AT}, NOT_MODIFIED),
    ("13.1.3 later", {"if_modified_since": AFTER}, NOT_MODIFIED),
    ("13.1.3 earlier", {"if_modified_since": BEFORE}, SEND),
    ("13.1.3 no date", {"if_modified_since": "yesterday"}, SEND),
    ("13.1.3 RFC 850", {"if_modified_since": "Sunday, 06-Nov-94 08:49:37 GMT"}, NOT_MODIFIED),
    ("13.1.3 asctime", {"if_modified_since": "Sun Nov  6 08:49:37 1994"}, NOT_MODIFIED),
    ("13.1.4 the same second", {"if_unmodified_since": AT}, SEND),
    ("13.1.4 later", {"if_unmodified_since": AFTER}, SEND),
    ("13.1.4 earlier", {"if_unmodified_since": BEFORE}, FAILED),
    ("13.1.4 no date", {"if_unmodified_since": "yesterday"}, SEND),
    ("13.2.2 If-Match before the date", {"if_match": TAG, "if_unmodified_since": BEFORE}, SEND),
    ("13.2.2 If-Match fails, whatever the date", {"if_match": '"a"', "if_unmodified_since": AFTER}, FAILED),
    ("13.2.2 If-None-Match before the date", {"if_none_match": '"a"', "if_modified_since": AT}, SEND),
    ("13.2.2 the tag, whatever the date", {"if_none_match": TAG, "if_modified_since": BEFORE}, NOT_MODIFIED),
    ("13.2.2 If-Match fails first", {"if_match": '"a"', "if_none_match": TAG}, FAILED),
    ("13.2.2 If-Match, then If-None-Match", {"if_match": TAG, "if_none_match": TAG}, NOT_MODIFIED),
    ("13.2.2 a date fails first", {"if_unmodified_since": BEFORE, "if_none_match": TAG}, FAILED),
    ("13.2.2 If-Range is no precondition", {"if_range": '"other"', "range": "bytes=0-0"}, SEND),
]


@pytest.mark.parametrize(("rule", "headers", "verdict"), VERDICTS, ids=[row[0] for row in VERDICTS])
def test_preconditions_come_to(rule: str, headers: dict[str, Any], verdict: Verdict) -> None:
    assert judge(Conditions(**headers), Validators(TAG, MODIFIED), now=NOW) is verdict, rule


IF_RANGE: list[tuple[str, str | None, int, bool]] = [
    ("13.1.5 none", None, NOW, True),
    ("13.1.5 the tag", TAG, NOW, True),
    ("13.1.5 another tag", '"other"', NOW, False),
    ("13.1.5 a weak tag", 'W/"tag"', NOW, False),
    ("13.1.5 no list of tags", '"a", "tag"', NOW, False),
    ("13.1.5 the date", AT, NOW, True),
    ("13.1.5 an earlier date", BEFORE, NOW, False),
    ("13.1.5 a later date", AFTER, NOW, False),
    ("13.1.5 no date", "yesterday", NOW, False),
    ("13.1.5 any", "*", NOW, False),
    ("8.8.2.2 a date of this very second", AT, MODIFIED, False),
    ("8.8.2.2 a date of the last second", AT, MODIFIED + 1, True),
]


@pytest.mark.parametrize(("rule", "if_range", "now", "allowed"), IF_RANGE, ids=[row[0] for row in IF_RANGE])
def test_if_range_allows_ranges(rule: str, if_range: str | None, now: int, allowed: bool) -> None:
    assert allows_ranges(if_range, Validators(TAG, MODIFIED), now=now) is allowed, rule


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", MODIFIED),
        ("Sunday, 06-Nov-94 08:49:37 GMT", MODIFIED),
        ("Sun Nov  6 08:49:37 1994", MODIFIED),
        ("Sun Nov 06 08:49:37 1994", MODIFIED),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Wed, 31 Dec 1969 23:59:59 GMT", -1),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),  # a leap second
        ("Tuesday, 29-Feb-44 00:00:00 GMT", 2340316800),  # 50 years ahead of 1994 at most
        ("Friday, 29-Feb-48 00:00:00 GMT", -689212800),  # so this one is of 1948
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("sun, 06 nov 1994 08:49:37 gmt", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
        ("1994-11-06T08:49:37Z", None),
        ("", None),
    ],
)
def test_a_date_of_http_is_read(text: str, seconds: int | None) -> None:
    """RFC 9110, section 5.6.7."""
    assert parse_date(text, now=NOW) == seconds
