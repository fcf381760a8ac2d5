"""An admin of webhook endpoints, on a database without any."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from payment.webhook_endpoints.metrics import DeliveryMetrics
from tests.services.payment.shop import Shop, Sql
from tests.services.payment.webhook_endpoints.receiver import Hooks
from webcommon.app.service import Service


@pytest.fixture
def registry() -> CollectorRegistry:
    """The metrics of the workers of a test."""
    return CollectorRegistry()


@pytest_asyncio.fixture
async def hooks(app: Service, shop: Shop, sql: Sql, registry: CollectorRegistry) -> AsyncIterator[Hooks]:
    yield Hooks(app=app, shop=shop, sql=sql, metrics=DeliveryMetrics(registry))
    await sql.execute("DELETE FROM webhook_endpoints")
