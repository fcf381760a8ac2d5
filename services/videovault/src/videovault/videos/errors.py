"""Why a call on videos is refused."""

from webcommon.api.problems import Conflict, InvalidRequest


class PathTaken(Conflict):
    """409: another video has that path."""

    title = "Another video has this path"
    slug = "path-taken"


class PathTooLong(InvalidRequest):
    """422: the path does not fit into the index that keeps paths unique."""

    title = "The path is too long"
    slug = "path-too-long"
