"""The route of the revocation feed."""

from typing import Annotated

from fastapi import APIRouter, Header, Response

from auth.revocations.schemas import RevocationsAnswer
from auth.revocations.service import RevocationFeed
from webcommon.api.problems import ServiceUnavailable, problem_responses
from webcommon.app.state import component

router = APIRouter(tags=["discovery"])


@router.head("/v1/revocations", include_in_schema=False)
@router.get(
    "/v1/revocations",
    operation_id="read_revocations",
    response_model=RevocationsAnswer,
    responses={304: {"description": "Nothing has changed."}, **problem_responses(ServiceUnavailable)},
)
async def read_revocations(
    feed: Annotated[RevocationFeed, component(RevocationFeed)],
    if_none_match: Annotated[str, Header(description="The `ETag` of the previous response.")] = "",
) -> Response:
    """Sessions that ended before their access tokens expire. Poll every second or two, with the last `ETag`."""
    found = await feed.read()
    headers = {"ETag": found.tag, "Cache-Control": "public, max-age=1"}
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    if found.tag in tags or "*" in tags:
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type="application/json", headers=headers)
