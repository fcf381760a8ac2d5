"""What an import makes of a file's bytes. Each quirk is one of real files."""

import base64
import json
from itertools import permutations
from typing import Any

import pytest

from l2p.question_sets.csv_format import HEADER
from l2p.question_sets.errors import ImportTooSlow
from l2p.question_sets.limits import MAXIMUM_ROWS
from l2p.question_sets.reader import FileReader
from l2p.question_sets.reading import ReadSet, read_file
from l2p.question_sets.rows import FileRefused

Faults = list[tuple[int | None, str | None, str]]


def read(content: bytes | str, *, skip: bool = False) -> ReadSet:
    content = content.encode() if isinstance(content, str) else content
    return read_file(content, on_error="skip" if skip else "fail")


def questions(content: bytes | str) -> list[dict[str, Any]]:
    found = read(content)
    assert found.warnings == []
    parsed: list[dict[str, Any]] = json.loads(found.questions)
    return parsed


def faults(content: bytes | str, *, skip: bool = False) -> Faults:
    with pytest.raises(FileRefused) as refused:
        read(content, skip=skip)
    return [(fault.row, fault.column, fault.detail) for fault in refused.value.faults]


def warnings(content: bytes | str, *, skip: bool = False) -> list[tuple[int | None, str]]:
    return [(note.row, str(note)) for note in read(content, skip=skip).warnings]


def rows(*lines: str, separator: str = ",") -> str:
    """A CSV file of these lines, below the header."""
    return "\r\n".join([HEADER.replace(",", separator), *lines]) + "\r\n"


def ours(**fields: Any) -> str:
    """Our JSON with one question."""
    return json.dumps([{"question_text": "2 + 2?", "options": ["3", "4"], "correct_answer": "4"} | fields])


def trivia(*entries: dict[str, Any]) -> str:
    """A file of Open Trivia DB."""
    return json.dumps({"response_code": 0, "results": entries})


def entry(question: str, right: str, *wrong: str) -> dict[str, Any]:
    return {
        "type": "multiple",
        "difficulty": "easy",
        "category": "Science &amp; Nature",
        "question": question,
        "correct_answer": right,
        "incorrect_answers": list(wrong),
    }


def in_base64(value: Any) -> Any:
    if isinstance(value, list):
        return [in_base64(one) for one in value]
    return base64.b64encode(value.encode()).decode()


GERMAN = [
    {
        "question_text": 'Wie hei\u00dft "ein, zwei"\nauf Franz\u00f6sisch?',
        "options": ["Caf\u00e9; un", "\u20ac"],
        "correct_answer": "Caf\u00e9; un",
        "points": 500,
        "time_limit_ms": None,
        "explanation": "ja,\tja",
    }
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-mark", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_the_same_set_in_every_encoding_with_every_separator(encoding: str, separator: str) -> None:
    cells = ['Wie hei\u00dft ""ein, zwei""\nauf Franz\u00f6sisch?', "Caf\u00e9; un", "\u20ac", "", "", "", ""]
    cells += ["Caf\u00e9; un", "500", "", "ja,\tja"]
    line = separator.join(f' "{cell}"' if cell else "" for cell in cells)
    text = rows(line, separator=separator)
    content = (
        b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-mark" else text.encode(encoding)
    )
    found = read(content)
    assert json.loads(found.questions) == GERMAN
    said = [str(note) for note in found.warnings]
    assert said == (["is not UTF-8; it was read as Windows-1252"] if encoding == "cp1252" else [])


def test_the_header_is_found_below_a_banner_in_any_order_and_spelling() -> None:
    content = "\n".join(
        [
            "sep=;",
            '"Quiz of the ""5th"" form; spring";;;',
            "",
            "No; Correct Answer ;OPTION 2;Option_1;'Question-Text;points",
            "the number; one of the options; an option; an option; what to ask; 0 to 10000",
            "1;b;b;a;Which?;",
            ";;;;;",
            "2;;;;;",
            "3;;;;;",
            "4;c;c;d;Which other?;250.0",
        ]
    )
    found = read(content.replace("'Question", "Question"))
    parsed = json.loads(found.questions)
    assert [
        (one["question_text"], one["options"], one["correct_answer"], one["points"]) for one in parsed
    ] == [
        ("Which?", ["a", "b"], "b", 1000),
        ("Which other?", ["d", "c"], "c", 250),
    ]
    assert [(note.row, str(note)) for note in found.warnings] == [
        (4, "1 unknown column(s) ignored"),
        (5, "was skipped: it explains the columns"),
    ]


def test_a_line_of_explanations_below_the_header_is_skipped() -> None:
    helped = rows("Ask here,one,two,,,,,one of them,0 to 10000,milliseconds,shown after", "q,a,b,,,,,a,,,")
    assert [one["question_text"] for one in json.loads(read(helped).questions)] == ["q"]
    assert warnings(helped) == [(2, "was skipped: it explains the columns")]


def test_without_a_header_the_expected_one_is_shown() -> None:
    ((row, column, detail),) = faults("Which?,a,b,a\n")
    assert (row, column) == (None, None)
    assert HEADER in detail


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("q,a,,b,,,,a,,,", (3, "option_2", "is empty")),
        ("q,a,a ,,,,,a,,,", (3, "option_2", "equals option_1")),
        ("q,caf\u00e9,cafe\u0301,,,,,caf\u00e9,,,", (3, "option_2", "equals option_1")),
        ("q,a,,,,,,a,,,", (3, "options", "1 options; 2 to 6 are needed")),
        ("q,a,b,,,,,,,,", (3, "correct_answer", "the right answer is missing")),
        ("q,a,b,,,,,c,,,", (3, "correct_answer", "is none of the options")),
        ("q,a,b,,,,,a;b,,,", (3, "correct_answer", "needs one right answer")),
        (",a,b,,,,,a,,,", (3, "question_text", "is empty")),
        ("q,a,b,,,,,a,much,,", (3, "points", "has to be a whole number from 0 to 10,000")),
        ("q,a,b,,,,,a,-1,,", (3, "points", "has to be a whole number from 0 to 10,000")),
        ("q,a,b,,,,,a,,soon,", (3, "time_limit_ms", "has to be a whole number of milliseconds")),
        ("q,a\x07b,b,,,,,b,,,", (3, "option_1", "holds the control character U+0007")),
        (
            f"{'q' * 1001},a,b,,,,,a,,,",
            (3, "question_text", "has 1,001 characters; at most 1,000 are allowed"),
        ),
        (f"q,{'a' * 301},b,,,,,b,,,", (3, "option_1", "has 301 characters; at most 300 are allowed")),
        (
            "q,a,b,,,,,a,,,so, it is",
            (
                3,
                "question_text",
                "the row has more cells than the header; put a text with a separator in quotes",
            ),
        ),
        ('q,"a"x,b,,,,,b,,,', (3, "question_text", "is no CSV: ',' expected after '\"'")),
        ('q,"a,b,,,,,b,,,', (3, "question_text", "is no CSV: unexpected end of data")),
    ],
)
def test_a_row_that_is_no_question_is_named(line: str, fault: tuple[int, str, str]) -> None:
    content = rows("fine,a,b,,,,,a,,,", line)
    assert faults(content) == [fault]
    row, column, detail = fault
    assert warnings(content, skip=True) == [(row, f"skipped: {column}: {detail}")]
    assert (read(content, skip=True).count, read(content, skip=True).skipped) == (1, 1)


def test_more_than_six_options_are_a_fault_and_never_cut() -> None:
    header = "question_text,correct_answer," + ",".join(f"option_{number}" for number in range(1, 9))
    content = f"{header}\nq,a,a,b,c,d,e,f,g,\nr,a,a,b,,,,,,\n"
    assert faults(content) == [(2, "options", "7 options; 2 to 6 are needed")]


def test_every_row_at_fault_is_named_once_each() -> None:
    content = rows(*["q,a,b,,,,,c,,,", "q,a,b,,,,,b,,,"] * 400)
    assert [row for row, _, _ in faults(content)] == list(range(2, 802, 2))
    assert (read(content, skip=True).count, read(content, skip=True).skipped) == (400, 400)


def test_of_many_faults_the_first_of_each_row_is_told() -> None:
    content = rows(*[",a,b,,,,,c,,,"] * 300)
    assert faults(content) == [(row, "question_text", "is empty") for row in range(2, 302)]
    few = rows(*[",a,b,,,,,c,,,"] * 200)
    assert len(faults(few)) == 400


def test_a_file_in_which_every_row_is_at_fault_is_refused_also_with_skip() -> None:
    assert faults(rows("q,a,b,,,,,c,,,"), skip=True) == [(2, "correct_answer", "is none of the options")]
    assert faults(rows()) == [(None, None, "holds no questions")]
    assert faults("[]", skip=True) == [(None, None, "holds no questions")]


def test_no_more_rows_than_allowed_are_read_and_no_more_questions_stored() -> None:
    line = "q,a,b,,,,,a,,,"
    assert faults(rows(*[line] * 501), skip=True) == [(None, None, "501 questions; a set has at most 500")]
    too_many = f"more than {MAXIMUM_ROWS:,}"
    assert faults(rows(*[line] * 100_000)) == [(MAXIMUM_ROWS + 2, None, f"{too_many} rows")]
    entries = [json.loads(ours())[0]] * (MAXIMUM_ROWS + 1)
    assert faults(json.dumps(entries)) == [(MAXIMUM_ROWS + 1, None, f"{too_many} questions")]
    # What a spreadsheet leaves below the table counts for nothing.
    assert len(questions(rows(line, *[",,,,,,,,,,"] * 5000))) == 1


def test_ends_are_trimmed_and_the_inside_is_kept() -> None:
    soft = "Llan\u00adfair\u200d\u00a0x"
    line = f"\u200e {soft}\u00a0\t,\u00ada\u200b ,b\u2060,,,,,a,,,\ufeff \u2067\u05d0\u2069 \u202eabc\u202c"
    (question,) = questions(rows(line))
    assert question["question_text"] == soft
    assert (question["options"], question["correct_answer"]) == (["a", "b"], "a")
    assert question["explanation"] == "\u2067\u05d0\u2069 abc"


def test_a_right_answer_may_equal_its_option_only_after_trimming() -> None:
    (question,) = questions(ours(options=[" Paris\t", "Rome"], correct_answer="Paris"))
    assert (question["options"], question["correct_answer"]) == (["Paris", "Rome"], "Paris")
    (question,) = questions(ours(options=["cafe\u0301", "Rome"], correct_answer="caf\u00e9"))
    assert question["correct_answer"] == question["options"][0] == "cafe\u0301"


def test_numbers_are_texts_without_a_needless_fraction() -> None:
    (question,) = questions(ours(options=[1822.0, 0.1, 7, "1.0"], correct_answer=1822, points=250.0))
    assert (question["options"], question["correct_answer"]) == (["1822", "0.1", "7", "1.0"], "1822")
    assert question["points"] == 250
    assert faults(ours(options=[True, "4"])) == [(1, "options/0", "has to be a text")]


def test_a_time_limit_out_of_range_is_clamped_with_a_warning() -> None:
    content = rows("q,a,b,,,,,a,,1000,", "r,a,b,,,,,a,,600000,", "s,a,b,,,,,a,,7000,")
    assert [one["time_limit_ms"] for one in json.loads(read(content).questions)] == [5000, 120_000, 7000]
    assert warnings(content) == [
        (2, "time_limit_ms: 1000 is out of range; 5000 was taken"),
        (3, "time_limit_ms: 600000 is out of range; 120000 was taken"),
    ]


def test_a_repeated_question_is_kept_with_a_warning() -> None:
    content = rows("Who?,a,b,,,,,a,,,", "WHO? ,c,d,,,,,c,,,")
    assert read(content).count == 2
    assert warnings(content) == [(3, "question_text: this question was in the file before")]


def test_entities_are_unescaped_once() -> None:
    content = trivia(
        entry(
            "100&deg;C &amp;amp; &Sigma;&#039;s",
            "&lt;1%",
            "&amp;lt;1%",
            "&lt;marquee&gt;",
            "S&ouml;\u011f&uuml;t\t",
        )
    )
    (question,) = questions(content)
    assert question["question_text"] == "100\u00b0C &amp; \u03a3's"
    assert sorted(question["options"]) == ["&lt;1%", "<1%", "<marquee>", "S\u00f6\u011f\u00fct"]
    assert question["correct_answer"] == "<1%"
    # Only there: in other formats an entity is a text.
    assert questions(ours(options=["&lt;", "4"]))[0]["options"] == ["&lt;", "4"]


def test_base64_is_decoded_once_if_every_text_of_the_question_is_base64() -> None:
    plain = entry("&lt; or YQ==?", "Sm\u00f8rrebr\u00f8d", "YQ==", "true")
    encoded = {name: in_base64(value) for name, value in plain.items()}
    words = entry(
        "word", "true", "lies", "both"
    )  # each of them is base64, but what they decode to is no UTF-8
    found = questions(trivia(encoded, words))
    assert found[0]["question_text"] == "&lt; or YQ==?"
    assert set(found[0]["options"]) == {"Sm\u00f8rrebr\u00f8d", "YQ==", "true"}
    assert found[1]["question_text"] == "word"


def test_the_order_of_options_does_not_depend_on_which_is_right() -> None:
    texts = ["-40", "+40", "0", "<1%"]
    orders = {tuple(questions(trivia(entry("q", *order)))[0]["options"]) for order in permutations(texts)}
    assert len(orders) == 1
    for text in texts:
        (question,) = questions(trivia(entry("q", text, *(other for other in texts if other != text))))
        assert question["correct_answer"] == text


def test_two_right_answers_in_json_are_a_fault() -> None:
    two = [(1, "correct_answer", "needs one right answer")]
    assert faults(ours(correct_answer=["3", "4"])) == two
    assert faults(trivia(entry("q", "a", "b") | {"correct_answer": ["a", "c"]})) == two
    assert questions(ours(correct_answer=["4"]))[0]["correct_answer"] == "4"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"question_text\nq\x00", [(2, None, "holds a NUL character")]),
        (b"a\r\nb\r\xef\x81", [(3, None, "holds bytes that are no Windows-1252")]),
        (b"\xef\xbb\xbfa\nb\xe9", [(2, None, "holds bytes that are no UTF-8")]),
        ("\n\na".encode("utf-16") + b"\x00", [(3, None, "holds bytes that are no UTF-16-LE")]),
        (b"PK\x03\x04rest", [(None, None, "is a zip or a spreadsheet; save it as CSV")]),
        (b'[\n{"question_text": }', [(2, None, "is no JSON: Expecting value in column 19")]),
        (b'{"questions": {}}', [(None, None, "has neither questions nor results")]),
        (b"[1]", [(1, "question_text", "is no JSON object")]),
        (b"[" + b"[" * 100_000, [(None, None, None)]),
        (b"[NaN]", [(None, None, "is no JSON that can be read: NaN is no JSON")]),
        (b"[" + b"9" * 5000 + b"]", [(None, None, None)]),
        (b"", [(None, None, None)]),
    ],
)
def test_what_is_no_file_of_questions_is_refused(
    content: bytes, expected: list[tuple[Any, Any, str | None]]
) -> None:
    found = faults(content)
    assert [fault[:2] for fault in found] == [fault[:2] for fault in expected]
    for fault, (_, _, detail) in zip(found, expected, strict=True):
        assert detail is None or fault[2] == detail


def test_texts_that_cannot_be_stored_are_refused() -> None:
    assert faults(ours(question_text="a\x00")) == [(1, "question_text", "holds a NUL character")]
    surrogate = ours().replace("2 + 2?", "\\ud800")
    assert faults(surrogate) == [(1, "question_text", "holds half of a surrogate pair")]


def test_long_rows_of_marks_and_of_spaces_are_refused_by_their_length() -> None:
    # Normalizing this row of marks would take hours.
    marks = "\u0301\u0316" * 500_000
    content = ours(question_text=marks, options=[marks, "a"], correct_answer="a" + " " * 1_000_000 + "b")
    assert [column for _, column, _ in faults(content)] == ["question_text", "options/0", "correct_answer"]


def test_a_title_that_is_none_is_left_out_with_a_warning() -> None:
    for title in (" \u200b", "x" * 201, 7, None):
        content = json.dumps({"title": title, "questions": json.loads(ours())})
        assert read(content).title is None
        assert warnings(content) == [(None, "title: has to have 1 to 200 characters")]


async def test_a_file_that_takes_too_long_is_given_up() -> None:
    reader = FileReader(longest_seconds=0.001)
    with pytest.raises(ImportTooSlow):
        await reader.read(rows(*["q,a,b,,,,,a,,,"] * 200).encode(), on_error="fail")
