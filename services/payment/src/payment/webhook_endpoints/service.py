"""The rules of webhook endpoints: their addresses, their secrets, and their deliveries."""

from datetime import timedelta
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from dbcommon.engine import Database
from dbcommon.models import new_id
from dbcommon.rows import AnyRow
from payment.webhook_endpoints import repository
from payment.webhook_endpoints.addresses import AddressPolicy, ForbiddenAddress
from payment.webhook_endpoints.errors import (
    WebhookDeliveryNotFound,
    WebhookEndpointDisabled,
    WebhookEndpointNotFound,
)
from payment.webhook_endpoints.schemas import (
    NewWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpointChange,
    WebhookEndpointWithSecret,
)
from payment.webhook_endpoints.signatures import EndpointSecrets, make_secret
from webcommon.api.paging import CursorCodec
from webcommon.api.problems import InvalidRequest

DELETED_AT_ONCE = 1_000

ROTATION_OVERLAP = timedelta(hours=24)
"""How long the previous secret signs as well."""


async def create_endpoint(
    db: AsyncSession, new: NewWebhookEndpoint, *, policy: AddressPolicy, secrets: EndpointSecrets
) -> WebhookEndpointWithSecret:
    """The new endpoint, with its secret. Raises `InvalidRequest` for a URL that may not be sent to."""
    _check_url(new.url, policy=policy)
    endpoint_id, secret = new_id(), make_secret()
    encrypted = secrets.encrypt(secret, endpoint_id=endpoint_id)
    columns = new.model_dump() | {"id": endpoint_id, "secret": encrypted}
    return _with_secret(await repository.insert_endpoint(db, columns), secret)


async def read_endpoint(database: Database, endpoint_id: UUID) -> WebhookEndpoint:
    """Raises `WebhookEndpointNotFound`."""
    return _endpoint(await repository.find_endpoint(database, endpoint_id))


async def list_endpoints(
    database: Database, cursors: CursorCodec, *, limit: int, cursor: str | None
) -> Response:
    """A `Page[WebhookEndpoint]`, newest first."""
    scope = "webhook endpoints"
    position = cursors.decode(scope, cursor)
    before = None if position is None else (position[0], position[1])
    page = await repository.find_endpoints(database, before=before, limit=limit)
    return cursors.json_page(page, scope=scope)


async def change_endpoint(
    db: AsyncSession, endpoint_id: UUID, change: WebhookEndpointChange, *, policy: AddressPolicy
) -> WebhookEndpoint:
    """Raises `WebhookEndpointNotFound`, and `InvalidRequest` for a URL that may not be sent to."""
    before = await repository.lock_endpoint(db, endpoint_id)
    columns = change.model_dump(exclude_unset=True)
    if "url" in columns:
        _check_url(change.url, policy=policy)
    status = columns.pop("status", None)
    if before is None or not (columns or status):
        return _endpoint(before)
    if status == "enabled":
        columns |= {"status": "enabled", "disabled_reason": None, "first_failure_at": None}
    row = await repository.update_endpoint(db, endpoint_id, columns) if columns else before
    if status == "disabled" and before.status != "disabled":
        row = await repository.disable_endpoint(db, endpoint_id, reason="admin")
    return _endpoint(row)


async def delete_endpoint(db: AsyncSession, endpoint_id: UUID) -> None:
    """Delete an endpoint with its deliveries. Raises `WebhookEndpointNotFound`."""
    if not await repository.delete_endpoint(db, endpoint_id):
        raise WebhookEndpointNotFound


async def rotate_secret(
    db: AsyncSession, endpoint_id: UUID, *, secrets: EndpointSecrets
) -> WebhookEndpointWithSecret:
    """The endpoint with a new secret; the previous one signs as well for `ROTATION_OVERLAP`. Raises
    `WebhookEndpointNotFound`."""
    secret = make_secret()
    encrypted = secrets.encrypt(secret, endpoint_id=endpoint_id)
    row = await repository.rotate_secret(db, endpoint_id, secret=encrypted, overlap=ROTATION_OVERLAP)
    if row is None:
        raise WebhookEndpointNotFound
    return _with_secret(row, secret)


async def list_deliveries(
    database: Database, cursors: CursorCodec, endpoint_id: UUID, *, limit: int, cursor: str | None
) -> Response:
    """A `Page[WebhookDelivery]` of an endpoint, newest first. Raises `WebhookEndpointNotFound`."""
    scope = f"webhook deliveries {endpoint_id}"
    position = cursors.decode(scope, cursor)
    before = None if position is None else (position[0], position[1])
    if not await repository.has_endpoint(database, endpoint_id):
        raise WebhookEndpointNotFound
    page = await repository.find_deliveries(database, endpoint_id, before=before, limit=limit)
    return cursors.json_page(page, scope=scope)


async def redeliver(db: AsyncSession, endpoint_id: UUID, delivery_id: UUID) -> WebhookDelivery:
    """Send a delivery again, at once; one that is being sent stays as it is.

    Raises `WebhookEndpointNotFound`, `WebhookDeliveryNotFound`, `WebhookEndpointDisabled`.
    """
    endpoint = await repository.lock_endpoint(db, endpoint_id)
    if endpoint is None:
        raise WebhookEndpointNotFound
    if await repository.find_delivery(db, endpoint_id, delivery_id) is None:
        raise WebhookDeliveryNotFound
    if endpoint.status != "enabled":
        raise WebhookEndpointDisabled
    await repository.redeliver(db, endpoint_id, delivery_id)
    return WebhookDelivery.model_validate(await repository.find_delivery(db, endpoint_id, delivery_id))


async def delete_old_deliveries(database: Database) -> int:
    """Delete deliveries that ended and are older than 90 days, 1,000 at most; gives how many."""
    async with database.transaction() as db:
        return await repository.delete_old_deliveries(db, limit=DELETED_AT_ONCE)


def _check_url(url: str, *, policy: AddressPolicy) -> None:
    try:
        policy.check_url(url)
    except ForbiddenAddress as error:
        raise InvalidRequest(str(error), pointer="#/url") from None


def _endpoint(row: AnyRow | None) -> WebhookEndpoint:
    if row is None:
        raise WebhookEndpointNotFound
    return WebhookEndpoint.model_validate(row)


def _with_secret(row: AnyRow, secret: str) -> WebhookEndpointWithSecret:
    return WebhookEndpointWithSecret(**_endpoint(row).model_dump(), secret=secret)
