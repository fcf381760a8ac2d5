"""Which bytes a `Range` header asks for, each beside its section of RFC 9110."""

import pytest

from videovault.streams.ranges import MOST_RANGES, ByteRange, select_ranges

FIVE_GIB = 5 * 1024**3

# Section of RFC 9110, header, size of the file, what is sent: None is the whole file, an empty list is 416.
RANGES: list[tuple[str, str, int, list[tuple[int, int]] | None]] = [
    ("14.1.2 first and last", "bytes=0-499", 10_000, [(0, 499)]),
    ("14.1.2 in the middle", "bytes=500-999", 10_000, [(500, 999)]),
    ("14.1.2 one byte", "bytes=0-0", 1_000, [(0, 0)]),
    ("14.1.2 the last byte", "bytes=999-999", 1_000, [(999, 999)]),
    ("14.1.2 open", "bytes=9500-", 10_000, [(9500, 9999)]),
    ("14.1.2 open from the start", "bytes=0-", 1_000, [(0, 999)]),
    ("14.1.2 clamped", "bytes=990-1990", 1_000, [(990, 999)]),
    ("14.1.2 suffix", "bytes=-100", 1_000, [(900, 999)]),
    ("14.1.2 a suffix longer than the file", "bytes=-2000", 1_000, [(0, 999)]),
    ("14.1.2 no last bytes", "bytes=-0", 1_000, []),
    ("14.1.2 behind the end", "bytes=1000-", 1_000, []),
    ("14.1.2 far behind the end", "bytes=99999999999999999999999-", 1_000, []),
    ("14.1.2 both behind the end", "bytes=1000-1001", 1_000, []),
    ("14.1.2 a last byte of many digits", f"bytes=5-{'9' * 5000}", 1_000, [(5, 999)]),
    ("14.1.2 a first byte of many digits", f"bytes={'9' * 5000}-", 1_000, []),
    ("14.1.2 leading zeros", f"bytes={'0' * 50}1-{'0' * 5000}2", 1_000, [(1, 2)]),
    ("14.1.2 over 4 GiB", "bytes=4294967295-4294967297", FIVE_GIB, [(2**32 - 1, 2**32 + 1)]),
    ("14.1.2 the end of 5 GiB", "bytes=5368709110-", FIVE_GIB, [(FIVE_GIB - 10, FIVE_GIB - 1)]),
    ("14.1.2 a suffix of 5 GiB", "bytes=-1", FIVE_GIB, [(FIVE_GIB - 1, FIVE_GIB - 1)]),
    ("14.1.2 an empty file from its start", "bytes=0-", 0, []),
    ("14.1.2 the first byte of an empty file", "bytes=0-0", 0, []),
    ("14.1.2 the end of an empty file, which is satisfiable", "bytes=-5", 0, None),
    ("14.1.2 no last bytes of an empty file", "bytes=-0", 0, []),
    ("14.1.1 several", "bytes=0-1,5-6,-2", 1_000, [(0, 1), (5, 6), (998, 999)]),
    ("14.1.1 spaces", "bytes= 0-1 ,\t5-6 ", 1_000, [(0, 1), (5, 6)]),
    ("5.6.1.2 empty elements", "bytes=,0-1,,5-6,", 1_000, [(0, 1), (5, 6)]),
    ("14.1 a unit in capitals", "BYTES=0-1", 1_000, [(0, 1)]),
    ("14.2 an unknown unit", "items=0-1", 1_000, None),
    ("14.2 a longer unit", "bytesy=0-1", 1_000, None),
    ("14.1.1 no range", "bytes=", 1_000, None),
    ("14.1.1 only empty elements", "bytes=, ,", 1_000, None),
    ("14.1.1 no unit", "0-1", 1_000, None),
    ("14.1.1 words", "bytes=first-last", 1_000, None),
    ("14.1.1 a hyphen alone", "bytes=-", 1_000, None),
    ("14.1.1 a number alone", "bytes=5", 1_000, None),
    ("14.1.1 the last before the first", "bytes=5-2", 1_000, None),
    ("14.1.1 three numbers", "bytes=1-2-3", 1_000, None),
    ("14.1.1 a negative number", "bytes=--5", 1_000, None),
    ("14.1.1 a sign", "bytes=+1-2", 1_000, None),
    ("14.1.1 a fraction", "bytes=0.5-2", 1_000, None),
    ("14.1.1 digits of another script", "bytes=\u0661-\u0662", 1_000, None),
    ("14.1.1 a space within", "bytes=1 -2", 1_000, None),
    ("14.1.1 a space before the sign", "bytes =1-2", 1_000, None),
    ("14.2 one malformed among several", "bytes=0-1,x,5-6", 1_000, None),
    ("14.2 one unsatisfiable among several", "bytes=0-1,1000-,5-6,-0", 1_000, [(0, 1), (5, 6)]),
    ("14.2 one of two satisfiable", "bytes=2000-,0-4", 1_000, [(0, 4)]),
    ("14.2 none of two satisfiable", "bytes=2000-,-0", 1_000, []),
    ("15.3.7.2 descending", "bytes=500-501,0-1", 1_000, [(500, 501), (0, 1)]),
    ("15.3.7.2 adjacent", "bytes=0-1,2-3", 1_000, [(0, 1), (2, 3)]),
    ("15.3.7.2 overlapping", "bytes=0-10,5-15", 1_000, [(0, 15)]),
    ("15.3.7.2 overlapping, descending", "bytes=500-600,50-60,550-700,0-55", 1_000, [(500, 700), (0, 60)]),
    ("15.3.7.2 one within another", "bytes=0-99,10-20,90-99", 1_000, [(0, 99)]),
    ("15.3.7.2 the same twice", "bytes=7-9,7-9", 1_000, [(7, 9)]),
    (
        "14.2 a hundred",
        "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(100)),
        1_000,
        [(n * 2, n * 2) for n in range(100)],
    ),
    ("14.2 a hundred and one", "bytes=" + ",".join(f"{n * 2}-{n * 2}" for n in range(101)), 1_000, None),
    ("14.2 a hundred times all of it", "bytes=" + ",".join(["0-"] * MOST_RANGES), 1_000, [(0, 999)]),
]


@pytest.mark.parametrize(("rule", "header", "size", "sent"), RANGES, ids=[row[0] for row in RANGES])
def test_a_range_header_selects(
    rule: str, header: str, size: int, sent: list[tuple[int, int]] | None
) -> None:
    selected = select_ranges(header, size=size)

    assert selected == (None if sent is None else [ByteRange(*part) for part in sent]), rule
    assert all(0 <= part.first <= part.last < size for part in selected or [])
