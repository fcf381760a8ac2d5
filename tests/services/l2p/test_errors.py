"""The refusals of Learn2Play: their classes, statuses and slugs."""

from tests.error_tree import draw_error_tree

TREE = """
Problem
├── Conflict
│   ├── AlreadyAnswered: 409 already-answered
│   ├── CannotKickHost: 409 cannot-kick-host
│   ├── ChatOff: 409 chat-off
│   ├── EmailTaken: 409 email-taken
│   ├── GameNotOver: 409 game-not-over
│   ├── GameOver: 409 game-over
│   ├── GameUnderWay: 409 game-under-way
│   ├── LobbyClosed: 409 lobby-closed
│   ├── LobbyFull: 409 lobby-full
│   ├── LobbyLocked: 409 lobby-locked
│   ├── NicknameTaken: 409 nickname-taken
│   ├── NoPlayers: 409 no-players
│   ├── PlayersNotReady: 409 players-not-ready
│   ├── QuestionClosed: 409 question-closed
│   ├── QuestionNotOpen: 409 question-not-open
│   ├── SeatsTaken: 409 seats-taken
│   ├── TooManyQuestionSets: 409 too-many-question-sets
│   ├── UsernameTaken: 409 username-taken
│   └── WrongPhase: 409 wrong-phase
├── ContentTooLarge
│   └── FileTooLarge: 413 content-too-large
├── Forbidden
│   ├── Banned: 403 banned
│   ├── CopyNotAllowed: 403 copy-not-allowed
│   ├── GuestNotAllowed: 403 guest-not-allowed
│   ├── NoSeat: 403 no-seat
│   ├── NotAPlayer: 403 not-a-player
│   ├── NotTheHost: 403 not-the-host
│   └── NotTheOwner: 403 not-the-owner
├── InvalidRequest
│   ├── FileUnreadable: 422 file-unreadable
│   ├── NoQuestions: 422 no-questions
│   ├── NotAnOption: 422 not-an-option
│   ├── QuestionSetUnknown: 422 question-set-unknown
│   └── RatingHasNoPeriod: 422 rating-has-no-period
├── NotFound
│   ├── GameNotFound: 404 not-found
│   ├── LobbyNotFound: 404 not-found
│   ├── PlayerNotFound: 404 not-found
│   ├── PlayerNotInLobby: 404 not-found
│   ├── QuestionSetNotFound: 404 not-found
│   └── UnknownQuestion: 404 unknown-question
├── ServiceUnavailable
│   ├── ImportTooSlow: 503 import-too-slow
│   ├── LobbyBusy: 503 lobby-busy
│   ├── NoFreeCode: 503 no-free-code
│   ├── RatingsBusy: 503 ratings-busy
│   └── TooManySockets: 503 too-many-sockets
├── TooManyRequests
│   ├── TooManyCodeGuesses: 429 too-many-code-guesses
│   ├── TooManySpectators: 429 too-many-spectators
│   └── TooManyUnauthenticated: 429 too-many-unauthenticated
└── Unauthorized
    └── LoginFailed: 401 login-failed
"""


def test_the_tree_of_errors_is_as_drawn() -> None:
    assert draw_error_tree("l2p") == TREE.strip()
