"""`GET /v1/persistence`."""

from fastapi import APIRouter, Request

from videovault.persistence import service
from videovault.persistence.schemas import Persistence

router = APIRouter(prefix="/v1/persistence", tags=["persistence"])


@router.get("", operation_id="read_persistence", summary="Where the library is kept")
async def read_persistence(request: Request) -> Persistence:
    """Whether to use this API or the browser's own storage. Needs no token."""
    return await service.read_persistence(request.app.settings, request.app.health)
