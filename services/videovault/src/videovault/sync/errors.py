"""Why a call of sync, or one of its operations, is refused."""

from webcommon.api.problems import InvalidRequest, NotFound, Problem


class CheckpointExpired(Problem):
    """410: the checkpoint is of a library before a restore or an import."""

    status = 410
    title = "The checkpoint is of another library"
    slug = "checkpoint-expired"


class RefusedNotFound(NotFound):
    """404: the caller has no refused operation of that id."""

    title = "There is no such refused operation"
    slug = "refused-not-found"


class ClockAhead(InvalidRequest):
    """422, of an operation: its time is too far ahead of the server's."""

    title = "The device's clock is ahead"
    slug = "clock"


class RowNotFound(NotFound):
    """404, of an operation: the caller has no row of that id, or it refers to nothing."""

    title = "There is no such row"
    slug = "row-not-found"


class UnknownEntity(InvalidRequest):
    """422, of an operation: there is nothing of that name to change."""

    title = "There is no such entity"
    slug = "unknown-entity"
