"""The refusals of requests under an idempotency key."""

from webcommon.api.problems import Conflict, InvalidRequest, Problem


class IdempotencyKeyBusy(Conflict):
    """409: a request with the same key is in progress."""

    title = "A request with this Idempotency-Key is still running"
    slug = "idempotency-key-busy"

    def __init__(self) -> None:
        super().__init__("Send it again in a moment to get its answer.", headers={"Retry-After": "1"})


class IdempotencyKeyMissing(Problem):
    """400: the header is missing or invalid."""

    status = 400
    title = "An Idempotency-Key is needed"
    slug = "idempotency-key-missing"

    def __init__(self) -> None:
        super().__init__(
            "Send one header Idempotency-Key of 1 to 255 printable ASCII characters, such as a UUID: new for each"
            " request, the same when you send that request again."
        )


class IdempotencyKeyReused(InvalidRequest):
    """422: the key was used for another request."""

    title = "The Idempotency-Key belongs to another request"
    slug = "idempotency-key-reused"

    def __init__(self) -> None:
        super().__init__(
            "This key came with a different request before; take a new key for a new request.",
            pointer="#header/idempotency-key",
        )
