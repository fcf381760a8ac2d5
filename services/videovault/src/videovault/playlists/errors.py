"""Why a call about playlists is refused."""

from webcommon.api.problems import Conflict, NotFound


class PlaylistNotFound(NotFound):
    """404: the caller has no playlist of that id."""

    title = "There is no such playlist"
    slug = "playlist-not-found"


class ItemNotFound(NotFound):
    """404: the playlist has no item of that id."""

    title = "There is no such item in the playlist"
    slug = "playlist-item-not-found"


class TooManyPlaylists(Conflict):
    """409: the caller has as many playlists as can be."""

    title = "You have too many playlists"
    slug = "too-many-playlists"


class PlaylistFull(Conflict):
    """409: the playlist has as many items as can be."""

    title = "The playlist is full"
    slug = "playlist-full"


class PlaylistStays(Conflict):
    """409: "watch later" is always there."""

    title = "This playlist is always there"
    slug = "playlist-stays"
