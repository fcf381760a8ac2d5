"""Why a call on question sets is refused."""

from collections.abc import Sequence

from l2p.question_sets.limits import LARGEST_FILE, MAXIMUM_SETS
from l2p.question_sets.rows import Note
from webcommon.api.problems import (
    Conflict,
    ContentTooLarge,
    Forbidden,
    InvalidRequest,
    NotFound,
    ServiceUnavailable,
)


class QuestionSetNotFound(NotFound):
    """404: for a set that does not exist, and for another player's that is not public."""

    title = "There is no such question set"

    def __init__(self) -> None:
        super().__init__("No question set that you may see has this id.")


class NotTheOwner(Forbidden):
    """403: only the owner of the set may do this."""

    title = "You are not the owner"
    slug = "not-the-owner"

    def __init__(self) -> None:
        super().__init__(
            "Only the set's owner may do this. Start games from it, or copy it if its owner allows that."
        )


class CopyNotAllowed(Forbidden):
    """403: the set's owner does not allow copies, which have the right answers."""

    title = "The set may not be copied"
    slug = "copy-not-allowed"

    def __init__(self) -> None:
        super().__init__("Ask its owner to set allow_copy.")


class TooManyQuestionSets(Conflict):
    """409: the player has as many sets as a player may have."""

    title = "You have too many question sets"
    slug = "too-many-question-sets"

    def __init__(self) -> None:
        super().__init__(f"A player has at most {MAXIMUM_SETS}. Delete one first.")


class FileTooLarge(ContentTooLarge):
    """413: the file is larger than an import reads."""

    def __init__(self) -> None:
        super().__init__(f"A file has at most {LARGEST_FILE // 1024**2} MB.")


class FileUnreadable(InvalidRequest):
    """422: rows of a file are at fault, or all of it is. Nothing was stored. `errors` name each row."""

    title = "The file cannot be imported"
    slug = "file-unreadable"

    def __init__(self, faults: Sequence[Note]) -> None:
        super().__init__("Nothing was stored; see errors.")
        self.members["errors"] = [
            {"pointer": "#/file", "row": fault.row, "column": fault.column, "detail": fault.detail}
            for fault in faults
        ]


class ImportTooSlow(ServiceUnavailable):
    """503: reading the file took too long."""

    title = "The file was not read in time"
    slug = "import-too-slow"
