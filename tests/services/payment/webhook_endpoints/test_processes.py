"""The worker that each process has: it sends by itself, ends with what it began, and takes over from one that was killed."""

import asyncio
from collections.abc import Sequence

import pytest

from dbcommon.settings import DatabaseSettings
from payment.main import create_app
from payment.settings import Settings
from tests.clients import running
from tests.libs.webcommon.test_jwks import KeyServer
from tests.processes import replica
from tests.services.payment.shop import until
from tests.services.payment.webhook_endpoints.receiver import Hooks, receiving
from tests.tokens import TokenMint


async def test_the_application_sends_by_itself_and_ends_with_what_it_began(
    hooks: Hooks, settings: Settings, mint: TokenMint
) -> None:
    sending = create_app(settings.model_copy(update={"delivery_seconds": 0.05}), issuers=[mint.issuer])
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        order = await hooks.order()
        async with running(sending):
            await hooks.append(order)
            await until(lambda: _have_come(receiver.received, 1))
            receiver.hold = asyncio.Event()
            await hooks.append(order, "order.refunded")
            await until(lambda: _have_come(receiver.received, 2))
            asyncio.get_running_loop().call_later(0.2, receiver.hold.set)
    assert [delivery["status"] for delivery in await hooks.deliveries(endpoint)] == ["delivered"] * 2


@pytest.mark.long
async def test_what_a_killed_process_was_sending_is_sent_by_another(
    hooks: Hooks, database_settings: DatabaseSettings, key_server: KeyServer
) -> None:
    told = {"AUTH_JWKS_URL": key_server.url, "PAYMENT_DELIVERY_SECONDS": "0.05"}
    async with receiving() as receiver:
        endpoint = await hooks.subscribe(receiver.url)
        order = await hooks.order()
        receiver.hold = asyncio.Event()
        async with replica("payment", database_settings, **told) as first:
            await hooks.append(order)
            await hooks.append(order, "order.refunded")
            await until(lambda: _have_come(receiver.received, 1))
            await first.kill()
        receiver.hold = None
        async with replica("payment", database_settings, **told):
            # Its lease has ended.
            await hooks.sql.execute("UPDATE webhook_deliveries SET due_at = now() WHERE attempts > 0")
            await until(lambda: _have_come(receiver.received, 3))
            await until(lambda: _are_delivered(hooks))
        types = [request.event["type"] for request in receiver.received]
    assert types == ["order.paid", "order.paid", "order.refunded"]
    assert [delivery["attempts"] for delivery in await hooks.deliveries(endpoint)] == [1, 2]


async def _have_come(received: Sequence[object], number: int) -> bool:
    return len(received) >= number


async def _are_delivered(hooks: Hooks) -> bool:
    count = "SELECT count(*) FROM webhook_deliveries WHERE done_at IS NULL"
    return int(await hooks.sql.fetchval(count)) == 0
