"""The refusals of more than one feature."""

from webcommon.api.problems import Forbidden, ServiceUnavailable


class HostNotAllowed(Forbidden):
    """403: without tokens, a request must name this machine as its host."""

    title = "This host name is not served without a token"
    slug = "host-not-allowed"


class NoPersistence(ServiceUnavailable):
    """503: this service runs without a database; the browser keeps the library."""

    title = "This server keeps no library"
    slug = "no-persistence"
