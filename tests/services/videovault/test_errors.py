"""The refusals of VideoVault: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── Conflict
│   ├── OperationExpired: 409 operation-expired
│   ├── OperationUndone: 409 operation-undone
│   └── PathTaken: 409 path-taken
├── Forbidden
│   └── HostNotAllowed: 403 host-not-allowed
├── InvalidRequest
│   └── PathTooLong: 422 path-too-long
├── NotFound
│   ├── OperationNotFound: 404 operation-not-found
│   └── VideoNotFound: 404 video-not-found
├── ServiceUnavailable
│   └── NoPersistence: 503 no-persistence
└── VideoChanged: 412 video-changed
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("videovault") == TREE.strip()
