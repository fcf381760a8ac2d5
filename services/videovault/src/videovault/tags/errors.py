"""Why a call on tags is refused."""

from webcommon.api.problems import NotFound


class TagNotFound(NotFound):
    """404: no video has that tag."""

    title = "There is no such tag"
    slug = "tag-not-found"
