"""Why an answer is refused."""

from typing import ClassVar

from webcommon.api.problems import Conflict, Forbidden, InvalidRequest, NotFound


class NotAPlayer(Forbidden):
    """403: the caller does not take part in this game, or there is no such game."""

    title = "You do not take part in this game"
    slug = "not-a-player"

    def __init__(self) -> None:
        super().__init__("Join the lobby to take part.")


class UnknownQuestion(NotFound):
    """404: the game has no question with this id."""

    title = "There is no such question"
    slug = "unknown-question"

    def __init__(self) -> None:
        super().__init__("Answer the question that the game's state shows as open.")


class QuestionNotOpen(Conflict):
    """409: the answer arrived before the question opened, or while the game was paused."""

    title = "The question is not open"
    slug = "question-not-open"

    def __init__(self) -> None:
        super().__init__("Wait for its opens_at, and while the game is paused for it to go on.")


class QuestionClosed(Conflict):
    """409: the answer arrived after the question closed."""

    title = "The question is closed"
    slug = "question-closed"

    def __init__(self) -> None:
        super().__init__("Its time was over. Wait for the next question.")


class AlreadyAnswered(Conflict):
    """409: another answer of the caller stands. `answer` is that one."""

    title = "You have answered this question"
    slug = "already-answered"

    def __init__(self, *, answer: str) -> None:
        super().__init__("The first answer stands.", answer=answer)


class NotAnOption(InvalidRequest):
    """422: the answer is not one of the question's options."""

    title = "The answer is not an option"
    slug = "not-an-option"
    pointer: ClassVar[str] = "#/answer"

    def __init__(self) -> None:
        super().__init__("send one of the question's options, letter for letter", pointer=self.pointer)
