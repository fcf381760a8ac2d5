"""PDFs: characters of every script, and the program that makes them."""

import asyncio
import os
import signal
import unicodedata
from collections.abc import AsyncIterator

import httpx
import pytest

from payment.receipts.errors import PdfUnavailable
from payment.receipts.pdf_maker import MOST_WAITING, PdfMaker
from tests.services.payment.receipts.extraction import receipt_of, text_of
from tests.services.payment.shop import Shop, until

NAMES = [
    "Trà sữa trân châu đường đen, Nguyễn Thị Hồng Đào",
    unicodedata.normalize("NFD", "Trà sữa đặc biệt"),
    "日本語のお茶 中文繁體 简体 한국어",
    "שלום עולם 12 abc",
    "مرحبا بالعالم لا 34",
    "😀 👨‍👩‍👧 🇻🇳 👍🏽 👁️‍🗨️ 1️⃣",
    "हिन्दी বাংলা தமிழ் ไทย ខ្មែរ မြန်မာ ქართული Հայերեն አማርኛ",
    "Ελληνικά Кириллица ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ ꦗꦮ 𐎀𐎁 𓀀 🜁",
    "𠀀 𪚥 \U0010fffd \ue000 \u0378",
    "soft\u00adhyphen zero\u200bwidth \ufeff ﬁ ﷽",
]
"""The last but one: what no font here has, a private use, and what is no character yet."""


@pytest.fixture(scope="module")
async def maker() -> AsyncIterator[PdfMaker]:
    one = PdfMaker(longest_seconds=600)
    yield one
    await one.aclose()


async def test_every_character_of_a_name_is_in_the_text(maker: PdfMaker) -> None:
    text = text_of(await maker.make(receipt_of(NAMES))).replace("\n", " ")
    assert {character for name in NAMES for character in name if character not in text} == set()
    assert "Nguyễn Thị Hồng Đào" in text
    assert "日本語のお茶 中文繁體 简体 한국어" in text
    assert "שלום עולם" in text
    assert "مرحبا" in text


async def test_no_block_of_characters_is_lost(maker: PdfMaker) -> None:
    """Every 397th character that Python knows: some of each script. Spaces, at which names are broken, and controls apart."""
    known = [chr(code) for code in range(0x20, 0x110000) if unicodedata.category(chr(code))[0] not in "CZ"]
    sample = "".join(known[::397])
    text = text_of(await maker.make(receipt_of(sample[at : at + 40] for at in range(0, len(sample), 40))))
    assert set(sample) - set(text) == set()


@pytest.mark.long  # fifty PDFs
async def test_requests_are_answered_while_fifty_wait_for_a_pdf(
    maker: PdfMaker, shop: Shop, client: httpx.AsyncClient
) -> None:
    await maker.make(receipt_of())
    pid = maker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    pending = [asyncio.create_task(maker.make(receipt_of(number=f"2026-{each:06}"))) for each in range(50)]
    try:
        for _ in range(20):
            assert (await client.get("/v1/orders", headers=shop.buyer())).status_code == 200
        assert not any(task.done() for task in pending)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert [f"2026-{number:06}" in text_of(await task) for number, task in enumerate(pending)] == [True] * 50
    assert maker.pid == pid


async def test_after_a_request_that_ended_early_the_next_gets_its_own(maker: PdfMaker) -> None:
    await maker.make(receipt_of())
    pid = maker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    left = asyncio.create_task(maker.make(receipt_of(number="2026-000001")))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    os.kill(pid, signal.SIGCONT)
    assert "2026-000002" in text_of(await maker.make(receipt_of(number="2026-000002")))


async def test_a_program_that_ends_costs_one_request(maker: PdfMaker) -> None:
    await maker.make(receipt_of())
    assert maker.pid is not None
    os.kill(maker.pid, signal.SIGSTOP)
    lost = asyncio.create_task(maker.make(receipt_of()))
    await asyncio.sleep(0)
    os.kill(maker.pid, signal.SIGKILL)
    with pytest.raises(PdfUnavailable):
        await lost
    assert (await maker.make(receipt_of())).startswith(b"%PDF-")


async def test_too_many_that_wait_are_refused_at_once(maker: PdfMaker) -> None:
    await maker.make(receipt_of())
    pid = maker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    waiting = [asyncio.create_task(maker.make(receipt_of())) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(PdfUnavailable):
        await maker.make(receipt_of())
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    os.kill(pid, signal.SIGCONT)
    assert (await maker.make(receipt_of())).startswith(b"%PDF-")
    assert maker.pid == pid


async def test_a_wait_and_an_idle_program_end() -> None:
    maker = PdfMaker(longest_seconds=0)
    with pytest.raises(PdfUnavailable):
        await maker.make(receipt_of())
    maker = PdfMaker(idle_seconds=0)
    await maker.make(receipt_of())

    async def has_ended() -> bool:
        return maker.pid is None

    await until(has_ended)
    await maker.aclose()
