"""Why a call about scans is refused."""

from webcommon.api.problems import Conflict, NotFound


class ScanNotFound(NotFound):
    """404: no scan has that id."""

    title = "There is no such scan"
    slug = "scan-not-found"


class NoRoots(Conflict):
    """409: there is no folder to scan."""

    title = "There is no root to scan"
    slug = "no-roots"
