"""Why a file is not sent."""

from webcommon.api.problems import NotFound, Problem


class FileNotFound(NotFound):
    """404: there is no file of the video that may be sent."""

    title = "There is no file of this video"
    slug = "file-not-found"


class PreconditionFailed(Problem):
    """412: the file is not the one that `If-Match` or `If-Unmodified-Since` asks for."""

    status = 412
    title = "The file is another one than was asked for"
    slug = "precondition-failed"


class RangeNotSatisfiable(Problem):
    """416: no byte of the file is in one of the ranges."""

    status = 416
    title = "The file has none of these ranges"
    slug = "range-not-satisfiable"
