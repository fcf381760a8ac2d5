"""Why duplicates are not merged."""

from webcommon.api.problems import Conflict


class NotIdentical(Conflict):
    """409: it is not proved that the files have one content."""

    title = "The files are not proved to be identical"
    slug = "not-identical"
