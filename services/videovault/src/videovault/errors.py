"""The refusals of more than one feature."""

from webcommon.api.problems import Forbidden, NotFound, ServiceUnavailable


class HostNotAllowed(Forbidden):
    """403: with `VIDEOVAULT_ACCESS=open`, the host of a request must be a loopback address."""

    title = "This host name is not served without a token"
    slug = "host-not-allowed"


class NoPersistence(ServiceUnavailable):
    """503: the service runs without a database, so the browser keeps the library."""

    title = "This server keeps no library"
    slug = "no-persistence"


class VideoNotFound(NotFound):
    """404: no video has that id."""

    title = "There is no such video"
    slug = "video-not-found"
