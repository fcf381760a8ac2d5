"""Files over HTTP: imports of every size, and exports that come back byte for byte."""

import asyncio
import csv
import gzip
import io
import json
import zipfile
from typing import Any

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from l2p.question_sets.csv_format import COLUMNS
from l2p.question_sets.limits import LARGEST_FILE
from l2p.question_sets.reader import LARGEST_AT_ONCE
from l2p.question_sets.texts import clean, guard, is_guarded
from tests.services.l2p.players import Crowd
from tests.services.l2p.question_sets.sets import PATH, SUM, create_set, export, imported, upload

AWKWARD = [
    *(
        "=1+1",
        "+cos(x)",
        "-",
        "@SUM(A1)",
        "\ta",
        "\rb",
        "'x",
        "'=x",
        "''",
        "-5",
        "+44",
        "-1,5",
        "1e5",
        "0.10",
    ),
    *("a,b", 'a"b"', "a\nb", "a\r\nb\rc", "a;b\tc", " d ", "\u00a0e", "f\u200b", "\u202eg", "\u2067x\u2069"),
    *(
        "<b>&lt;</b>",
        "O'Brien",
        "\U0001f468\u200d\U0001f469",
        "Llan\u00adfair",
        "\u0301x",
        "\ufeffh",
        "\x07i",
    ),
    *("NULL", "true", "7.0"),
]


@pytest.mark.parametrize("form", ["json", "csv"])
async def test_export_import_export_gives_equal_bytes(crowd: Crowd, form: str) -> None:
    owner = crowd.player()
    questions = [
        SUM
        | {"question_text": text, "options": [text, f"{text}?"], "correct_answer": text, "explanation": text}
        for text in AWKWARD
    ]
    made = await create_set(
        owner, title="Odd; \U0001f600", is_public=True, allow_copy=True, questions=questions
    )
    assert [one["options"] for one in made["questions"]] == [one["options"] for one in questions]
    first = await export(owner, made["id"], form)
    answer = await upload(owner, first, title="Odd; \U0001f600" if form == "csv" else None)
    assert answer.status_code == 201, answer.text
    assert answer.json()["warnings"] == []
    back = (await owner.get(f"{PATH}/{answer.json()['id']}")).json()
    assert back["questions"] == made["questions"]
    assert await export(owner, back["id"], form) == first
    assert back["title"] == made["title"]
    # A table of cells says nothing about who may see it.
    assert (back["is_public"], back["allow_copy"]) == ((True, True) if form == "json" else (False, False))


async def test_a_csv_export_has_formulas_guarded_and_numbers_bare(crowd: Crowd) -> None:
    owner = crowd.player()
    texts = {
        "=1+1": "'=1+1",
        "@x": "'@x",
        "\tx": "'\tx",
        "\ry": "'\ry",
        "-a": "'-a",
        "-5": "-5",
        "+4,5": "+4,5",
        "'x": "'x",
    }
    question = SUM | {"options": list(texts)[:6], "correct_answer": "=1+1", "explanation": "-5"}
    other = SUM | {
        "options": list(texts)[2:],
        "correct_answer": "-5",
        "explanation": None,
        "time_limit_ms": None,
    }
    made = await create_set(owner, questions=[question, other])
    answer = await owner.get(f"{PATH}/{made['id']}/export", format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="questions.csv"')
    table = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    cells = list(texts.values())
    assert table == [
        list(COLUMNS),
        ["2 + 2?", *cells[:6], "'=1+1", "500", "10000", "-5"],
        ["2 + 2?", *cells[2:], "-5", "500", "", ""],
    ]


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00")))
def test_every_text_comes_back_from_its_cell(text: str) -> None:
    cell = guard(text)
    assert (cell[1:] if is_guarded(cell) else clean(cell)) == text
    assert not cell.startswith(("=", "@", "\t", "\r"))


async def test_a_file_is_recognised_by_its_content_and_named_by_its_own_title(crowd: Crowd) -> None:
    owner = crowd.player()
    titled = json.dumps({"title": " Sums\u200b ", "questions": [SUM]})
    table = ",".join(COLUMNS) + "\n2 + 2?,3,4,,,,,4,500,10000,Count.\n"
    plain = json.dumps([SUM])
    tries = [
        (titled, {"name": "a.csv"}, "Sums"),
        (titled, {"name": "a.csv", "title": "Mine"}, "Mine"),
        (table, {"name": "C:\\Users\\Ada\\Week 3.tar.json"}, "Week 3.tar"),
        (plain, {"name": "../\u200b.txt"}, "Imported questions"),
    ]
    for content, arguments, title in tries:
        answer = await upload(owner, content, **arguments)
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"] == f"{PATH}/{answer.json()['id']}"
        stored = (await owner.get(answer.headers["location"])).json()
        assert (stored["title"], stored["questions"]) == (title, [SUM])


@pytest.mark.parametrize("number", [3, 60])
async def test_a_fault_stores_nothing_unless_it_is_to_be_skipped(
    crowd: Crowd, sql: "asyncpg.Connection[Any]", number: int
) -> None:
    owner = crowd.player()
    rows = [SUM | {"question_text": f"{index} + 2?", "explanation": "x" * 20} for index in range(number)]
    content = json.dumps({"questions": [*rows, SUM | {"correct_answer": "5"}, SUM | {"options": ["4"]}]})
    assert (len(content) > LARGEST_AT_ONCE) is (number == 60)  # at once, and in a process of its own
    refused = await upload(owner, content)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/file-unreadable")
    assert [(error["row"], error["column"], error["detail"]) for error in refused.json()["errors"]] == [
        (number + 1, "correct_answer", "is none of the options"),
        (number + 2, "options", "1 options; 2 to 6 are needed"),
    ]
    assert (await owner.get(PATH)).json()["items"] == []
    skipped = (await upload(owner, content, on_error="skip")).json()
    assert (skipped["imported"], skipped["skipped"]) == (number, 2)
    assert skipped["warnings"] == [
        {"row": number + 1, "detail": "skipped: correct_answer: is none of the options"},
        {"row": number + 2, "detail": "skipped: options: 1 options; 2 to 6 are needed"},
    ]
    stored = await sql.fetchval(
        "SELECT count(*) FROM set_questions WHERE question_set_id = $1::text::uuid", skipped["id"]
    )
    assert stored == number


async def test_a_file_may_have_ten_megabytes_and_not_a_byte_more(crowd: Crowd) -> None:
    owner = crowd.player()
    content = json.dumps([SUM]).encode()
    allowed = content.ljust(LARGEST_FILE)
    assert await imported(owner, allowed) == [SUM]
    for too_large in (allowed + b" ", allowed + b" " * 1024**2):
        refused = await upload(owner, too_large)
        assert (refused.status_code, refused.json()["type"]) == (413, "/problems/content-too-large")


async def test_files_that_would_be_huge_unpacked_are_not_unpacked(crowd: Crowd) -> None:
    owner, zeros = crowd.player(), bytes(100 * 1024**2)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("questions.json", zeros)
    for bomb in (archive.getvalue(), gzip.compress(zeros)):
        assert len(bomb) < 1024**2
        refused = await upload(owner, bomb)
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/file-unreadable")


async def test_many_files_at_once_are_all_read(crowd: Crowd) -> None:
    owner = crowd.player()
    questions = [SUM | {"question_text": f"{index}?"} for index in range(20)]
    answers = await asyncio.gather(*(upload(owner, json.dumps(questions)) for _ in range(6)))
    assert [answer.status_code for answer in answers] == [201] * 6


async def test_a_request_without_a_file_is_refused(crowd: Crowd) -> None:
    owner = crowd.player()
    assert (await owner.post(f"{PATH}/import", {"file": "x"})).status_code == 422
    answer = await owner.client.post(f"{PATH}/import", files={"other": b"x"}, headers=owner.headers)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/file"]
    broken = owner.headers | {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await owner.client.post(f"{PATH}/import", content=b"nothing", headers=broken)).status_code in (
        400,
        422,
    )
