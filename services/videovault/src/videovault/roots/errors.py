"""Why a call about roots is refused."""

from webcommon.api.problems import Conflict, InvalidRequest, NotFound


class RootNotFound(NotFound):
    """404: no root has that id."""

    title = "There is no such root"
    slug = "root-not-found"


class OutsideMediaRoots(InvalidRequest):
    """422: the folder's real path is in none of the folders of `VIDEOVAULT_MEDIA_ROOTS`."""

    title = "The folder is outside of the media roots"
    slug = "outside-media-roots"


class NotAFolder(InvalidRequest):
    """422: there is no folder that can be read at the path."""

    title = "There is no such folder"
    slug = "not-a-folder"


class RootsOverlap(Conflict):
    """409: another root is the folder, contains it, or lies in it."""

    title = "Another root has this folder"
    slug = "roots-overlap"


class FilesNotThere(Conflict):
    """409: a root cannot move to a folder without its files, unless that is forced."""

    title = "The folder has none of the root's files"
    slug = "files-not-there"


class RelocationTaken(Conflict):
    """409: a video has the path that one of the root's would get."""

    title = "Another video has a path in the new folder"
    slug = "relocation-taken"
