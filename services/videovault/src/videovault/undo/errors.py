"""Why an operation is not undone."""

from webcommon.api.problems import Conflict, NotFound


class OperationNotFound(NotFound):
    """404: no operation has that id."""

    title = "There is no such operation"
    slug = "operation-not-found"


class OperationUndone(Conflict):
    """409: the operation has been undone."""

    title = "The operation has been undone"
    slug = "operation-undone"


class OperationExpired(Conflict):
    """409: the operation is older than 30 days."""

    title = "The operation is too old to be undone"
    slug = "operation-expired"
