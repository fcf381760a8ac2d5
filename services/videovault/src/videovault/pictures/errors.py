"""Why there is no picture."""

from webcommon.api.problems import Conflict, Problem


class NoPicture(Conflict):
    """409: there is a file, and no picture of it can be made."""

    title = "There is no picture of this video"
    slug = "no-picture"


class PictureCacheUnusable(Problem):
    """507: pictures cannot be kept, most often since the disk is full."""

    status = 507
    title = "Pictures cannot be kept"
    slug = "picture-cache-unusable"
