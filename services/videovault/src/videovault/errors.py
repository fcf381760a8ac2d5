"""The refusals of VideoVault."""

from webcommon.api.problems import Conflict, Forbidden, InvalidRequest, NotFound, ServiceUnavailable


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


class StrangeHost(Forbidden):
    """403: without tokens, a request must name this machine as its host."""

    title = "This host name is not served without a token"
    slug = "strange-host"


class NoPersistence(ServiceUnavailable):
    """503: this service runs without a database; the browser keeps the library."""

    title = "This server keeps no library"
    slug = "no-persistence"
