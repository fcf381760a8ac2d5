"""Why an alias or a parent of a tag is refused."""

from webcommon.api.problems import Conflict, NotFound


class TagCircle(Conflict):
    """409: the tag would stand for itself, be above itself, or have too many tags above it."""

    title = "Tags would stand in a circle, or too deep"
    slug = "tag-circle"


class TagNameNotFound(NotFound):
    """404: there is no such alias, or the tag has no parent."""

    title = "There is no such alias or parent"
    slug = "tag-name-not-found"
