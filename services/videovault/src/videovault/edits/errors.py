"""Why a change of videos is refused."""

from webcommon.api.problems import Problem


class VideoChanged(Problem):
    """412: the video is no longer the one that `If-Match` names."""

    status = 412
    title = "The video was changed meanwhile"
    slug = "video-changed"
