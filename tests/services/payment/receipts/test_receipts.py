"""Receipts as customers get them."""

import base64
import hashlib
import html
import re
import socket
from typing import Any

import httpx
import pytest

from payment.receipts.routes import prefers_pdf
from tests.services.payment.purchases import Purchases
from tests.services.payment.receipts.extraction import text_of
from tests.services.payment.shop import Headers, problem


async def get(purchases: Purchases, order: dict[str, Any], headers: Headers, **query: str) -> httpx.Response:
    answer = await purchases.client.get(f"/v1/orders/{order['id']}/receipt", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


def shown(page: httpx.Response) -> str:
    """The text of a page."""
    return html.unescape(re.sub(r"<[^>]*>", " ", page.text.partition("<body>")[2]))


async def test_a_receipt_shows_number_date_lines_total_refunds_and_net(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid("12.50", quantity=2, buyer=buyer, name="Darjeeling")
    (payment,) = (await purchases.client.get("/v1/payments", headers=buyer)).json()["items"]
    before = shown(await get(purchases, order, buyer))
    assert "Refunded so far 0.00 EUR" in " ".join(before.split())
    await purchases.refund(order, amount="4.50")
    page = await get(purchases, order, buyer)
    pdf = await get(purchases, order, buyer, format="pdf")
    assert pdf.headers["content-type"] == "application/pdf"
    assert f'filename="receipt-{order["receipt_number"]}.pdf"' in pdf.headers["content-disposition"]
    for text in (shown(page), text_of(pdf.content)):
        text = " ".join(text.split())
        for part in (
            f"Receipt {order['receipt_number']}",
            f"Paid on {payment['paid_at'][:10]}",
            "@example.com",
            "Darjeeling 2 12.50 25.00",
            "Total 25.00 EUR",
            "Refunded so far 4.50 EUR",
            "Net 20.50 EUR",
        ):
            assert part in text, text


async def test_net_is_never_below_zero(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid("12.50", buyer=buyer)
    (charge,) = purchases.account.all("charge")
    await purchases.account.control("disputes/open", charge=charge["id"], amount=1_300)
    await purchases.catch_up()
    text = " ".join(shown(await get(purchases, order, buyer)).split())
    assert "Withdrawn by a dispute 13.00 EUR Net 0.00 EUR" in text


async def test_there_is_no_receipt_before_money_came(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.ordered(buyer=buyer)
    for query in ({}, {"format": "pdf"}):
        answer = await purchases.client.get(f"/v1/orders/{order['id']}/receipt", params=query, headers=buyer)
        assert problem(answer) == (409, "no-receipt-yet")


async def test_markup_is_shown_as_it_is_and_nothing_is_fetched(purchases: Purchases) -> None:
    buyer = purchases.shop.mint.headers(username="<b>Ana</b> {{7*7}}")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        names = [
            "<script>alert(1)</script>",
            "<img src=file:///etc/passwd>",
            f"<img src={address}/x>",
            f'<link rel=stylesheet href="{address}/y">',
            "{{7*7}} ${7*7} {nb} {number} %s **bold** [a](file:///etc/passwd)",
            "a\nb\x1bc",
        ]
        products = [await purchases.shop.offer(name=name) for name in names]
        order = await purchases.shop.placed({each["sku"]: 1 for each in products}, buyer=buyer)
        await purchases.account.confirm(await purchases.secret(order, buyer=buyer))
        await purchases.catch_up()
        page, pdf = await get(purchases, order, buyer), await get(purchases, order, buyer, format="pdf")
        with pytest.raises(BlockingIOError):
            listener.accept()
    names[-1] = "a␊b␛c"
    text = text_of(pdf.content)
    assert "<b>Ana</b> {{7*7}}" in text
    assert "<bdi>&lt;b&gt;Ana&lt;/b&gt; {{7*7}}" in page.text
    for name in names:
        assert f'<td dir="auto">{html.escape(name)}</td>' in page.text
        # Long names are broken between words.
        assert " ".join(name.split()) in " ".join(text.split())
    assert not re.search(rb"/(URI|Launch|GoToR|EmbeddedFile|JavaScript|JS)\b", pdf.content)


async def test_the_page_loads_nothing(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    page = await get(purchases, order, buyer)
    style = re.findall(r"<style>(.*?)</style>", page.text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert page.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert not re.search(r"(src|href|url\()", page.text)
    assert "color-scheme: light dark" in style[0]
    assert page.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("accept", "is_pdf"),
    [
        ("application/pdf", True),
        ("application/pdf, text/html;q=0.5", True),
        ("text/html, application/pdf;q=0.9", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("*/*", False),
        ("", False),
        ("application/pdf;q=0", False),
        ("application/pdf;q=x, ;;,", False),
        ("APPLICATION/PDF; q=1.0", True),
    ],
)
def test_accept_chooses_what_is_preferred(accept: str, is_pdf: bool) -> None:
    assert prefers_pdf(accept) is is_pdf


async def test_the_query_comes_before_the_header(purchases: Purchases) -> None:
    buyer = purchases.buyer()
    order = await purchases.paid(buyer=buyer)
    accepting = buyer | {"Accept": "application/pdf"}
    assert (await get(purchases, order, accepting)).content.startswith(b"%PDF-")
    assert (
        (await get(purchases, order, accepting, format="html"))
        .headers["content-type"]
        .startswith("text/html")
    )
    answer = await purchases.client.get(
        f"/v1/orders/{order['id']}/receipt", params={"format": "docx"}, headers=buyer
    )
    assert problem(answer) == (422, "invalid-request")
