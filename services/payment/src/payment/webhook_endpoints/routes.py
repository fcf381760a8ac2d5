"""`/v1/webhook-endpoints`, for admins."""

from uuid import UUID

from fastapi import APIRouter, Response

from dbcommon.session import DatabaseDep, SessionDep
from payment.dependencies import AdminDep
from payment.webhook_endpoints import service
from payment.webhook_endpoints.dependencies import AddressPolicyDep, EndpointSecretsDep
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
from webcommon.api.paging import DEFAULT_LIMIT, CursorParameter, LimitParameter, Page
from webcommon.api.problems import Forbidden, Unauthorized, problem_responses
from webcommon.app.fast_path import fast_path
from webcommon.app.state import CursorsDep

router = APIRouter(
    prefix="/v1/webhook-endpoints",
    tags=["webhook endpoints"],
    responses=problem_responses(Unauthorized, Forbidden),
)


@router.post("", operation_id="create_webhook_endpoint", summary="Subscribe a URL to events", status_code=201)
async def create_webhook_endpoint(
    new: NewWebhookEndpoint,
    _admin: AdminDep,
    db: SessionDep,
    policy: AddressPolicyDep,
    secrets: EndpointSecretsDep,
    response: Response,
) -> WebhookEndpointWithSecret:
    """Admins only. The secret that signs deliveries is shown here, and never again."""
    endpoint = await service.create_endpoint(db, new, policy=policy, secrets=secrets)
    response.headers["Location"] = f"/v1/webhook-endpoints/{endpoint.id}"
    return endpoint


@router.get(
    "",
    operation_id="list_webhook_endpoints",
    summary="Webhook endpoints",
    response_model=Page[WebhookEndpoint],
)
@fast_path
async def list_webhook_endpoints(
    _admin: AdminDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Admins only; newest first."""
    return await service.list_endpoints(database, cursors, limit=limit, cursor=cursor)


@router.get(
    "/{endpoint_id}",
    operation_id="read_webhook_endpoint",
    summary="One webhook endpoint",
    responses=problem_responses(WebhookEndpointNotFound),
)
async def read_webhook_endpoint(
    endpoint_id: UUID, _admin: AdminDep, database: DatabaseDep
) -> WebhookEndpoint:
    """Admins only."""
    return await service.read_endpoint(database, endpoint_id)


@router.patch(
    "/{endpoint_id}",
    operation_id="change_webhook_endpoint",
    summary="Change, enable or disable a webhook endpoint",
    responses=problem_responses(WebhookEndpointNotFound),
)
async def change_webhook_endpoint(
    endpoint_id: UUID,
    change: WebhookEndpointChange,
    _admin: AdminDep,
    db: SessionDep,
    policy: AddressPolicyDep,
) -> WebhookEndpoint:
    """Admins only. Deliveries that wait go to the new URL."""
    return await service.change_endpoint(db, endpoint_id, change, policy=policy)


@router.delete(
    "/{endpoint_id}",
    operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=problem_responses(WebhookEndpointNotFound),
)
async def delete_webhook_endpoint(endpoint_id: UUID, _admin: AdminDep, db: SessionDep) -> None:
    """Admins only. Its deliveries are deleted, too."""
    await service.delete_endpoint(db, endpoint_id)


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Replace the secret of a webhook endpoint",
    responses=problem_responses(WebhookEndpointNotFound),
)
async def rotate_webhook_secret(
    endpoint_id: UUID, _admin: AdminDep, db: SessionDep, secrets: EndpointSecretsDep
) -> WebhookEndpointWithSecret:
    """Admins only. For 24 hours deliveries are signed with both secrets. The new one is shown here, and never again."""
    return await service.rotate_secret(db, endpoint_id, secrets=secrets)


@router.get(
    "/{endpoint_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="What was sent to a webhook endpoint",
    response_model=Page[WebhookDelivery],
    responses=problem_responses(WebhookEndpointNotFound),
)
@fast_path
async def list_webhook_deliveries(
    endpoint_id: UUID,
    _admin: AdminDep,
    database: DatabaseDep,
    cursors: CursorsDep,
    limit: LimitParameter = DEFAULT_LIMIT,
    cursor: CursorParameter = None,
) -> Response:
    """Admins only; newest first."""
    return await service.list_deliveries(database, cursors, endpoint_id, limit=limit, cursor=cursor)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliver_webhook",
    summary="Send an event again",
    status_code=202,
    responses=problem_responses(WebhookEndpointNotFound, WebhookDeliveryNotFound, WebhookEndpointDisabled),
)
async def redeliver_webhook(
    endpoint_id: UUID, delivery_id: UUID, _admin: AdminDep, db: SessionDep
) -> WebhookDelivery:
    """Admins only. Sent at once, whatever became of it before; later events of its order that wait, wait for it."""
    return await service.redeliver(db, endpoint_id, delivery_id)
