"""The header `Idempotency-Key`, and the response to a repeated request."""

import re
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from webcommon.api.idempotency.errors import IdempotencyKeyMissing
from webcommon.api.idempotency.service import Answer

HEADER = "Idempotency-Key"

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


async def read_idempotency_key(request: Request) -> str:
    """The key of the request. Raises `IdempotencyKeyMissing` unless there is exactly one valid key."""
    keys = request.headers.getlist(HEADER)
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise IdempotencyKeyMissing
    return keys[0]


IdempotencyKeyDep = Annotated[str, Depends(read_idempotency_key)]
"""The key; 400 without one. Read from the request, since a missing header parameter would be a 422."""

HEADER_IN_OPENAPI: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
            "description": (
                "A new value for a new request, the same value when the same request is sent again: within 24 hours it"
                " gets the first answer again, with the header `Idempotent-Replayed: true`. A refusal is not kept."
            ),
            "example": "0192d9a4-6b1e-7c3f-9a55-3f0c6f5f1c11",
        }
    ]
}
"""For the `openapi_extra=` of a route with `IdempotencyKeyDep`."""


def answer_with(answer: Answer) -> Response:
    """The response of an answer; a header marks a repetition."""
    headers = {} if answer.location is None else {"Location": answer.location}
    if answer.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        answer.body, status_code=answer.status_code, headers=headers, media_type="application/json"
    )
