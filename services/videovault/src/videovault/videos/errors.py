"""Why a call on videos is refused."""

from webcommon.api.problems import Conflict, InvalidRequest, NotFound


class VideoNotFound(NotFound):
    """404: no video has that id."""

    title = "There is no such video"
    slug = "video-not-found"


class PathTaken(Conflict):
    """409: another video has that path."""

    title = "Another video has this path"
    slug = "path-taken"


class PathTooLong(InvalidRequest):
    """422: the path does not fit into the index that keeps paths unique."""

    title = "The path is too long"
    slug = "path-too-long"
