"""An admin of webhook endpoints, on a database without any."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.services.payment.shop import Shop, Sql
from tests.services.payment.webhook_endpoints.receiver import Hooks
from webcommon.app.service import Service


@pytest_asyncio.fixture
async def hooks(app: Service, shop: Shop, sql: Sql) -> AsyncIterator[Hooks]:
    yield Hooks(app=app, shop=shop, sql=sql)
    await sql.execute("DELETE FROM webhook_endpoints")
