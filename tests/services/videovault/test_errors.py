"""The refusals of VideoVault: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── CheckpointExpired: 410 checkpoint-expired
├── Conflict
│   ├── FilesNotThere: 409 files-not-there
│   ├── NoPicture: 409 no-picture
│   ├── NoRoots: 409 no-roots
│   ├── NotIdentical: 409 not-identical
│   ├── OperationExpired: 409 operation-expired
│   ├── OperationUndone: 409 operation-undone
│   ├── PathTaken: 409 path-taken
│   ├── PlaylistFull: 409 playlist-full
│   ├── PlaylistStays: 409 playlist-stays
│   ├── RelocationTaken: 409 relocation-taken
│   ├── RootsOverlap: 409 roots-overlap
│   ├── TagCircle: 409 tag-circle
│   ├── TooManyPlaylists: 409 too-many-playlists
│   └── TooManySavedFilters: 409 too-many-saved-filters
├── Forbidden
│   └── HostNotAllowed: 403 host-not-allowed
├── InvalidRequest
│   ├── ClockAhead: 422 clock
│   ├── InvalidImport: 422 invalid-import
│   ├── NotAFolder: 422 not-a-folder
│   ├── OutsideMediaRoots: 422 outside-media-roots
│   ├── PathTooLong: 422 path-too-long
│   └── UnknownEntity: 422 unknown-entity
├── NotFound
│   ├── FileNotFound: 404 file-not-found
│   ├── ItemNotFound: 404 playlist-item-not-found
│   ├── OperationNotFound: 404 operation-not-found
│   ├── PlaylistNotFound: 404 playlist-not-found
│   ├── RefusedNotFound: 404 refused-not-found
│   ├── RootNotFound: 404 root-not-found
│   ├── RowNotFound: 404 row-not-found
│   ├── SavedFilterNotFound: 404 saved-filter-not-found
│   ├── ScanNotFound: 404 scan-not-found
│   ├── TagNameNotFound: 404 tag-name-not-found
│   ├── TagNotFound: 404 tag-not-found
│   ├── TrackNotFound: 404 track-not-found
│   └── VideoNotFound: 404 video-not-found
├── PictureCacheUnusable: 507 picture-cache-unusable
├── PreconditionFailed: 412 precondition-failed
├── RangeNotSatisfiable: 416 range-not-satisfiable
├── ServiceUnavailable
│   └── NoPersistence: 503 no-persistence
└── VideoChanged: 412 video-changed
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("videovault") == TREE.strip()
