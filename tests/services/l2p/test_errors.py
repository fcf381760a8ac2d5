"""The refusals of Learn2Play: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── Conflict
│   ├── EmailTaken: 409 email-taken
│   ├── GameUnderWay: 409 game-under-way
│   ├── LobbyClosed: 409 lobby-closed
│   ├── LobbyFull: 409 lobby-full
│   └── UsernameTaken: 409 username-taken
├── InvalidRequest
│   └── QuestionSetUnknown: 422 question-set-unknown
├── NotFound
│   ├── LobbyNotFound: 404 not-found
│   └── PlayerNotFound: 404 not-found
├── ServiceUnavailable
│   └── NoFreeCode: 503 no-free-code
├── TooManyRequests
│   └── TooManyCodeGuesses: 429 too-many-code-guesses
└── Unauthorized
    └── LoginFailed: 401 login-failed
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("l2p") == TREE.strip()
