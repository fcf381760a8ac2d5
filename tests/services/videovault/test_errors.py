"""The refusals of VideoVault: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── Conflict
│   └── PathTaken: 409 path-taken
├── Forbidden
│   └── HostNotAllowed: 403 host-not-allowed
├── InvalidRequest
│   └── PathTooLong: 422 path-too-long
├── NotFound
│   └── VideoNotFound: 404 video-not-found
└── ServiceUnavailable
    └── NoPersistence: 503 no-persistence
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("videovault") == TREE.strip()
