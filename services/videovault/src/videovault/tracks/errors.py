"""Why a track is not given."""

from webcommon.api.problems import NotFound


class TrackNotFound(NotFound):
    """404: the video has no such track with a text that can be read."""

    title = "There is no such track"
    slug = "track-not-found"
